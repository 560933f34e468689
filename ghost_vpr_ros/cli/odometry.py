"""The odometry of a drive as the node receives it, for the commands that query with drives."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ghost_vpr_ros.cli.progress import say

if TYPE_CHECKING:
    from ghost_vpr_ros.core.datatypes import Pose
    from ghost_vpr_ros.core.recognition.odometry import StampedMemory


def add_odometry_option(parser: argparse._ArgumentGroup) -> None:
    """Add `--odometry-topic`."""
    parser.add_argument(
        '--odometry-topic',
        metavar='TOPIC',
        default='',
        help='odometry of the bag; default: its only topic of Odometry; none: without odometry',
    )


def known_odometry(source: str, topic: str) -> StampedMemory[Pose] | None:
    """The odometry of a bag; None without any, with several to choose from, and without a bag.

    Args:
        source: bag, or another source of images.
        topic: empty for the only one, or `none`.

    Raises:
        BagError: no such topic of odometry, or the bag is damaged.
    """
    from ghost_vpr_ros.replay.pose_graph.odometry_track import (
        odometry_topics_of,
        remembered_odometry,
    )
    from ghost_vpr_ros.replay.sources.image_sources import is_bag

    path = Path(source)
    if topic == 'none' or not is_bag(path):
        return None
    topics = odometry_topics_of(path, topic)
    if len(topics) > 1:
        say(f'note: no odometry is used; choose one of {", ".join(topics)} with --odometry-topic')
    if len(topics) != 1:
        return None
    memory, notes = remembered_odometry(path, topics[0])
    for note in notes:
        say(f'warning: {note}')
    return memory
