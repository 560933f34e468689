"""The ground truth of the commands that evaluate: chosen by the user, or automatically."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ghost_vpr_ros.cli.positions import located
from ghost_vpr_ros.cli.progress import say
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.config import EvaluationConfig

if TYPE_CHECKING:
    from ghost_vpr_ros.replay.evaluation.ground_truth import GroundTruth
    from ghost_vpr_ros.replay.sources.image_sources import ImageSource

AUTO, POSITION, INDEX = 'auto', 'position', 'index'


def add_truth_option(parser: argparse.ArgumentParser) -> None:
    """Add `--ground-truth`."""
    parser.add_argument(
        '--ground-truth',
        default=AUTO,
        metavar='position|index|FILE',
        help='same place: near enough (position), same number in both sequences (index), or the '
        'pairs of a file: CSV with columns query and database, or .npy; default: position where '
        'all is known for it, else index where both have as many images',
    )


def ground_truth_of(
    kind: str, queries: ImageSource, database: ImageSource, config: EvaluationConfig
) -> tuple[GroundTruth, ImageSource, ImageSource]:
    """The truth, and the queries and the database without images that it does not cover.

    Raises:
        SourceError: there is no ground truth, no query has a positive, or the file is of
            another data set.
    """
    kind = _found_out(queries, database) if kind == AUTO else kind
    if kind == POSITION:
        queries, database = located(queries), located(database)
    truth = _truth(kind, queries, database, config)
    if not truth.positives.counts().any():
        raise SourceError(
            f'{queries.name}: expected queries at places of {database.name}, found a positive for '
            f'none of {len(queries)} (by {kind}, within {truth.limit_text}); check both sources'
        )
    if truth.any_answer_is_right:
        say(
            f'warning: all {len(database)} database images are right for every query (within '
            f'{truth.limit_text}): no answer can be wrong, so recall means nothing; use images '
            'of more places, or another limit (--positive-distance-m, --tolerance)'
        )
    if _find_themselves(queries, database):
        say('warning: some images are query and database item at once and find themselves')
    return truth, queries, database


def _find_themselves(queries: ImageSource, database: ImageSource) -> bool:
    """Whether some images are query and database; views of one panorama are never matched."""
    if os.path.realpath(queries.name) != os.path.realpath(database.name):
        return False
    names = {frame.name for frame in database.frames if frame.panorama is None}
    return any(frame.name in names for frame in queries.frames)


def _truth(
    kind: str, queries: ImageSource, database: ImageSource, config: EvaluationConfig
) -> GroundTruth:
    from ghost_vpr_ros.replay.evaluation.ground_truth import by_index, by_position
    from ghost_vpr_ros.replay.evaluation.truth_pairs import by_file

    if kind == INDEX:
        return by_index(queries.frames, database.frames, config.tolerance)
    if kind == POSITION:
        return by_position(queries.frames, database.frames, config.positive_distance_m)
    return by_file(Path(kind), queries.frames, database.frames)


def _found_out(queries: ImageSource, database: ImageSource) -> str:
    """By position where both have positions of one kind, else by number where lengths agree."""
    kinds = [
        (
            any(frame.geo is not None for frame in source.frames),
            any(frame.has_metric_position for frame in source.frames),
        )
        for source in (queries, database)
    ]
    if any(all(has) for has in zip(*kinds, strict=True)):
        return POSITION
    if len(queries) == len(database):
        say('note: no positions of one kind in both: images of the same number are the same place')
        return INDEX
    raise SourceError(
        f'{queries.name}: expected ground truth, found no positions of one kind in '
        f'both sources, and {len(queries)} queries for {len(database)} database images; give '
        'sources with positions, a file of pairs as --ground-truth, or --ground-truth index'
    )
