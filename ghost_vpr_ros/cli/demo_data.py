"""The data of the demonstration: the sample town, or the user's images."""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ghost_vpr_ros.cli.options import config_from, where_from
from ghost_vpr_ros.cli.positions import located
from ghost_vpr_ros.cli.progress import progress_bar
from ghost_vpr_ros.cli.sample_town import make_town_with_progress
from ghost_vpr_ros.cli.sources import opened
from ghost_vpr_ros.replay.bags.topics import BagTopics
from ghost_vpr_ros.replay.config import DemoConfig, EvaluationConfig
from ghost_vpr_ros.replay.sample_town.config import TownConfig

if TYPE_CHECKING:
    from ghost_vpr_ros.replay.evaluation.protocols import Division


@dataclass(frozen=True)
class DemoData:
    """Images of the demonstration.

    Attributes:
        name: of the source, in a word; the session of the map.
        division: map, queries and truth.
        bag: the queries as a bag.
        folder: for the results.
    """

    name: str
    division: Division
    bag: Path
    folder: Path


def town_data(args: argparse.Namespace, judgement: EvaluationConfig) -> DemoData:
    """Drive 0 as the map and drive 1 as queries; an existing town is kept.

    Raises:
        OutputError: the folder cannot be written, or holds a town of other settings.
    """
    from ghost_vpr_ros.replay.evaluation.ground_truth import by_position
    from ghost_vpr_ros.replay.evaluation.protocols import Division
    from ghost_vpr_ros.replay.sources.image_sources import open_source

    town = args.out / 'sample_town' / 'town'
    make_town_with_progress(town, TownConfig())
    database = located(open_source(town / 'drive_0'))
    queries = located(open_source(town / 'drive_1'))
    truth = by_position(queries.frames, database.frames, judgement.positive_distance_m)
    sentence = (
        f'the first drive is the map ({len(database)} images), the second one, in other light and '
        f'traffic, for queries ({len(queries)}); right within {judgement.positive_distance_m:g} m'
    )
    division = Division(database, queries, truth, sentence)
    bag = town / 'drive_1' / 'bag_mcap'
    return DemoData('sample_town', division, bag, args.out / 'sample_town')


def user_data(args: argparse.Namespace, demo: DemoConfig, judgement: EvaluationConfig) -> DemoData:
    """The user's images, divided; the queries are written as a bag.

    Raises:
        SourceError: the source cannot be used, or not be divided.
        OutputError: the bag cannot be written.
    """
    from ghost_vpr_ros.replay.evaluation.protocols import divide

    topics = config_from(args, BagTopics)
    source = opened(args, args.data, where=where_from(args.where), topics=topics)
    division = divide(source, judgement, demo.max_images)
    name = source.short_name
    folder = args.out / name
    bag = folder / 'queries_bag'
    _write_queries_bag(division, bag)
    return DemoData(name, division, bag, folder)


def _write_queries_bag(division: Division, bag: Path) -> None:
    from ghost_vpr_ros.replay.sources.source_to_bag import source_to_bag

    if bag.exists():
        shutil.rmtree(bag)
    with progress_bar(len(division.queries), 'queries bag') as progress:
        source_to_bag(division.queries, bag, progress=progress)
