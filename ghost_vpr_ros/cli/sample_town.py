"""Make the sample town: images, positions and bags of several drives, all from one seed."""

from __future__ import annotations

import argparse
from pathlib import Path

from ghost_vpr_ros.cli.options import add_settings, config_from
from ghost_vpr_ros.cli.progress import progress_bar
from ghost_vpr_ros.cli.table import add_json_option, print_result
from ghost_vpr_ros.replay.sample_town.config import TownConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument('out', metavar='OUT', type=Path, help='folder of the town')
    add_settings(parser, TownConfig)
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Make the town and print its folder."""
    config = config_from(args, TownConfig)
    make_town_with_progress(args.out, config)
    drives = {path.name: str(path) for path in sorted(args.out.glob('drive_*'))}
    print_result({'town': str(args.out), 'images_of_a_drive': config.frames, **drives}, args.json)
    return 0


def make_town_with_progress(out: Path, config: TownConfig) -> None:
    """Render the town; drives that an earlier run has finished are kept.

    Raises:
        OutputError: the folder cannot be written.
    """
    from ghost_vpr_ros.replay.sample_town.export import make_town

    with progress_bar(config.drives * config.frames, 'sample town') as progress:
        make_town(out, config, progress=progress)
