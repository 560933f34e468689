"""Show everything at work: a map, its figures, a replay and the real node over Fast DDS.

Without --data the built-in sample town is used: its first drive becomes the map, its second the
queries. With --data a folder of images, a CSV manifest or a bag is divided into map and queries.
Files of an earlier demo in the same folder are replaced.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ghost_vpr_ros.cli.model_options import add_engine_options, add_model_option
from ghost_vpr_ros.cli.options import add_settings, add_where
from ghost_vpr_ros.core.config.image import ImageConfig
from ghost_vpr_ros.replay.bags.topics import BagTopics
from ghost_vpr_ros.replay.config import DemoConfig, EvaluationConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument('--data', metavar='SOURCE', help='your images: folder, manifest or bag')
    parser.add_argument(
        '--out', type=Path, default=Path('demo'), metavar='DIR', help='for the results (demo)'
    )
    add_model_option(parser)
    add_where(parser)
    add_settings(parser, DemoConfig)
    add_settings(parser, EvaluationConfig)
    add_settings(parser, ImageConfig)
    add_settings(parser.add_argument_group('bag of --data'), BagTopics)
    add_engine_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run all steps and print a summary; 1 if the node did not answer."""
    from ghost_vpr_ros.cli.demo_steps import run_demo

    return run_demo(args)
