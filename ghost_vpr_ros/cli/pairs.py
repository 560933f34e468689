"""Write which images to match with each other, for hloc, COLMAP and Kapture.

Writes pairs.txt (hloc: `query database` a line), pairs_kapture.csv (with scores) and, with
--descriptors, global_descriptor.h5 as hloc stores them. Queries may be the database itself: then
an image is never paired with itself.
"""

from __future__ import annotations

import argparse
import importlib
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from ghost_vpr_ros.cli.model_options import add_engine_options, add_model_options, chosen_any_model
from ghost_vpr_ros.cli.options import add_settings, config_from
from ghost_vpr_ros.cli.progress import progress_bar, say
from ghost_vpr_ros.cli.sources import add_database_and_queries, opened_database_and_queries
from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.replay.bags.topics import BagTopics
from ghost_vpr_ros.replay.output_files import output_folder

if TYPE_CHECKING:
    from ghost_vpr_ros.replay.descriptors.pair_files import NamedDescriptors
    from ghost_vpr_ros.replay.sources.image_sources import ImageSource


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add_database_and_queries(parser)
    parser.add_argument(
        '--out', required=True, metavar='DIR', type=Path, help='folder for the files'
    )
    parser.add_argument(
        '--descriptors',
        action='store_true',
        help='also write global_descriptor.h5 (needs the package h5py)',
    )
    add_settings(parser, RecognizerConfig, ['top_k'])
    add_settings(parser.add_argument_group('bags'), BagTopics)
    add_engine_options(parser)
    add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    """Describe both, write the files and print the number of pairs."""
    from ghost_vpr_ros.replay.descriptors.pair_files import pairs_of, write_pairs

    if args.descriptors:
        importlib.import_module('h5py')
    database, queries = opened_database_and_queries(args)
    with output_folder(args.out):
        described = _described(args, database, queries)
        pairs = pairs_of(*described, config_from(args, RecognizerConfig).top_k)
        files = write_pairs(args.out, pairs, described, with_descriptors=args.descriptors)
    print(f'{len(pairs)} pairs of {len(queries)} queries, written to {args.out}: {files}')
    return 0


def _described(
    args: argparse.Namespace, database: ImageSource, queries: ImageSource
) -> tuple[NamedDescriptors, NamedDescriptors]:
    """Descriptors of both; a source that serves as both is described once."""
    from ghost_vpr_ros.core.engine.rootsift_engine import create_any_engine
    from ghost_vpr_ros.replay.descriptors.extraction import extract_descriptors
    from ghost_vpr_ros.replay.descriptors.pair_files import NamedDescriptors, check_names

    names = [[frame.name for frame in source.frames] for source in (database, queries)]
    is_same = database.name == queries.name and names[0] == names[1]
    others = [] if is_same else names[1]
    for remark in check_names(names[0], others, with_descriptors=args.descriptors):
        say(f'note: {remark}')
    model = chosen_any_model(args, database.frames, f'the database {database.name}')
    count = len(database) + (0 if is_same else len(queries))
    with (
        closing(create_any_engine(model, config_from(args, EngineConfig))) as engine,
        progress_bar(count, 'describe') as progress,
    ):
        made = extract_descriptors(database.frames, model, engine, progress=progress)
        searched = NamedDescriptors(names[0], made)
        if is_same:
            return searched, searched
        made = extract_descriptors(queries.frames, model, engine, progress=progress)
        return searched, NamedDescriptors(names[1], made)
