"""Render perspective views of panoramas (four sides, or equirectangular), with a manifest.

The same command continues an interrupted run; nothing is overwritten.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from ghost_vpr_ros.cli.options import add_settings, config_from
from ghost_vpr_ros.core.config.settings import Config, setting
from training.datasets.build_command import (
    check_outside,
    opened_parts,
    origin_of,
    report,
    write,
)
from training.datasets.builders.build import BuildConfig
from training.datasets.command_options import add_source, data_config
from training.datasets.panoramas.panorama_set import (
    NETVLAD_HEADINGS,
    even_headings,
    rendered_place_set,
)
from training.datasets.panoramas.view_geometry import ViewConfig


@dataclass(frozen=True)
class RenderConfig(Config):
    """The directions of the views."""

    headings: int = setting(
        NETVLAD_HEADINGS,
        'number of headings, evenly spaced from north: 12 in NetVLAD, 8 in Ghost-dil-NetVLAD',
        low=1,
        high=360,
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add_source(parser)
    parser.add_argument('--out', type=Path, required=True, help='new folder')
    camera = parser.add_argument_group('camera')
    add_settings(camera, RenderConfig)
    camera.add_argument(
        '--yaws', type=float, nargs='+', metavar='DEG', help='use these headings instead'
    )
    camera.add_argument(
        '--pitches', type=float, nargs='+', metavar='DEG', help='elevations, each for all headings'
    )
    add_settings(camera, ViewConfig)
    add_settings(parser, BuildConfig, without=('mode',))


def run(args: argparse.Namespace) -> int:
    """Render the views.

    Raises:
        GhostVprError: the source holds no panoramas, does not cover the views, or the folder
            cannot be written.
    """
    config, view = data_config(args), config_from(args, ViewConfig)
    check_outside(args.out, config)
    yaws_deg = args.yaws or even_headings(config_from(args, RenderConfig).headings)
    pitches_deg = args.pitches or [view.pitch_deg]
    sets = {
        split: rendered_place_set(places, yaws_deg, view, pitches_deg)
        for split, places in opened_parts(config).items()
    }
    camera = {**view.to_dict(), 'yaws_deg': yaws_deg, 'pitches_deg': pitches_deg}
    origin = {**origin_of(config), 'camera': camera}
    report(args.out, sets, write(sets, args.out, config_from(args, BuildConfig), origin))
    return 0
