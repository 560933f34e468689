"""Write images and their positions as a ROS 2 bag.

Where the source has no time stamps they are made up, and the topic /bag_info of the bag records
it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ghost_vpr_ros.cli.options import add_settings, add_where, config_from, where_from
from ghost_vpr_ros.cli.progress import progress_bar, say
from ghost_vpr_ros.cli.sources import opened
from ghost_vpr_ros.cli.table import add_json_option, print_result
from ghost_vpr_ros.core.config.image import ImageConfig
from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.replay.bags.topics import BagTopics
from ghost_vpr_ros.replay.config import BagConfig

if TYPE_CHECKING:
    from ghost_vpr_ros.core.datatypes import Frame


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument('source', metavar='SOURCE', help='folder, CSV manifest or bag')
    parser.add_argument('out', metavar='OUT', type=Path, help='the bag to write, a new folder')
    parser.add_argument(
        '--poses',
        metavar='FILE',
        type=Path,
        help="poses of the images instead of their own positions: KITTI's poses.txt, a line for "
        'each image, or a TUM trajectory',
    )
    add_where(parser)
    add_settings(parser, BagConfig)
    add_settings(parser, ImageConfig)
    add_settings(parser.add_argument_group('source bags'), BagTopics)
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Write the bag and print its content."""
    from ghost_vpr_ros.replay.sources.pose_files import with_poses
    from ghost_vpr_ros.replay.sources.source_to_bag import source_to_bag

    config, topics = config_from(args, BagConfig), config_from(args, BagTopics)
    source = opened(args, args.source, where=where_from(args.where), topics=topics)
    if args.poses is not None:
        source = with_poses(source, args.poses, topics.max_gap_s)
    with progress_bar(len(source), 'make bag') as progress:
        count = source_to_bag(source, args.out, config, progress=progress)
    has_stamps = all(frame.stamp_ns >= 0 for frame in source.frames)
    result = {
        'bag': str(args.out),
        'images': count,
        'with_positions': sum(frame.has_position for frame in source.frames),
        'storage': config.storage,
        'stamps': 'of the source' if has_stamps else f'invented, {config.rate_hz:g} Hz',
    }
    if not has_stamps:
        _report_speed(source.frames, config.rate_hz)
    print_result(result, args.json)
    return 0


def _report_speed(frames: Sequence[Frame], rate_hz: float) -> None:
    """Warn if the camera moves faster at this rate than the recogniser allows."""
    from ghost_vpr_ros.core.poses import travelled_m
    from ghost_vpr_ros.replay.evaluation.ground_truth import horizontal_positions

    placed = [frame for frame in frames if frame.has_position]
    kinds = {frame.geo is None for frame in placed}
    if len(placed) < max(2, len(frames)) or len(kinds) > 1:
        return
    step_m = float(travelled_m(horizontal_positions(placed, [])[0])[-1]) / (len(placed) - 1)
    fastest_m_s = RecognizerConfig().max_speed_m_s
    if step_m * rate_hz > fastest_m_s:
        say(
            f'note: at {rate_hz:g} Hz the camera moves at {step_m * rate_hz:.0f} m/s, and answers '
            f'that imply more than {fastest_m_s:g} m/s contradict each other; give the rate of '
            f'the recording, such as --rate-hz {0.5 * fastest_m_s / step_m:.1g}, or replay with '
            '--max-speed-m-s'
        )
