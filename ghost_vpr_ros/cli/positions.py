"""Positions of the images of a source, shared by the commands that need them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ghost_vpr_ros.cli.progress import say
from ghost_vpr_ros.cli.sources import opened
from ghost_vpr_ros.replay.bags.topics import BagTopics

if TYPE_CHECKING:
    from ghost_vpr_ros.core.datatypes import Frame
    from ghost_vpr_ros.replay.sources.image_sources import ImageSource


def located(source: ImageSource) -> ImageSource:
    """The source without images that lack a position if others have one; prints their number.

    A GPS gap leaves images that can neither be judged nor locate a camera. A source
    without any position is not changed.
    """
    from ghost_vpr_ros.replay.sources.plausible_positions import placed_frames

    frames = placed_frames(source.frames)
    if len(frames) == len(source):
        return source
    without = len(source) - len(frames)
    say(f'warning: {source.name}: {without} of {len(source)} images lack a position, left out')
    return replace(source, frames=frames)


def near_each_other(source: ImageSource) -> ImageSource:
    """The source without the few images that lie on another part of the Earth than the others.

    The frame of a map is flat: one wrong fix would end its making in the middle of the drive.
    """
    from ghost_vpr_ros.replay.sources.plausible_positions import near_frames

    frames = near_frames(source.frames)
    if len(frames) == len(source):
        return source
    far = len(source) - len(frames)
    say(f'warning: {source.name}: {far} of {len(source)} images lie too far away, left out')
    return replace(source, frames=frames)


def reference_topics(source: str, topics: BagTopics, map_path: Path | None) -> BagTopics:
    """The topics of a bag, with its ground-truth poses as reference positions if they fit.

    They do in a map that does not exist yet, and in one whose frame is not that of WGS84: there
    only a fix can be compared with the keyframes. A topic that was named stays.

    Args:
        source: bag, or another source of images, which has no topics.
        topics: as they were given.
        map_path: the map to search; None if it is not built yet.
    """
    from ghost_vpr_ros.replay.bags.file import BagFile
    from ghost_vpr_ros.replay.bags.reader import ground_truth_topic_of
    from ghost_vpr_ros.replay.sources.image_sources import is_bag

    if topics.position_topic or not is_bag(Path(source)):
        return topics
    truth = ground_truth_topic_of(BagFile(Path(source)))
    if truth is None or (map_path is not None and _is_geotagged(map_path)):
        return topics
    return BagTopics.from_dict({**topics.to_dict(), 'position_topic': truth.name})


def _is_geotagged(path: Path) -> bool:
    from ghost_vpr_ros.core.fleet.database import shared_address
    from ghost_vpr_ros.core.map.place_map import PlaceMap

    if shared_address(path) is not None:
        return True
    with PlaceMap.open(path) as place_map:
        return place_map.map_frame == 'enu'


def reference_text(source: str, ground_truth: str | None, topics: BagTopics) -> str:
    """The reference of the evaluation in words; GPS itself has errors of metres."""
    from ghost_vpr_ros.replay.bags.file import BagFile
    from ghost_vpr_ros.replay.bags.pose_messages import FIX_TYPE, ODOMETRY_TYPE
    from ghost_vpr_ros.replay.bags.reader import ground_truth_topic_of, position_topic_of
    from ghost_vpr_ros.replay.sources.image_sources import is_bag

    if ground_truth is not None:
        return f'the file {ground_truth}'
    if not is_bag(Path(source)):
        return f'the positions of {source}'
    bag = BagFile(Path(source))
    topic, truth = position_topic_of(bag, topics.position_topic), ground_truth_topic_of(bag)
    if topic is None:
        return 'nothing'
    if truth is not None and topic.name == truth.name:
        return f'true poses on {topic.name}'
    kinds = {FIX_TYPE: 'GPS', ODOMETRY_TYPE: 'odometry, which drifts,'}
    return f'{kinds.get(topic.msgtype, "poses")} on {topic.name}'


def judged_frames(
    args: argparse.Namespace,
    source: str,
    topics: BagTopics,
    where: Mapping[str, str] | None = None,
    *,
    as_recorded: bool = False,
) -> Sequence[Frame]:
    """All frames of a source, with their reference positions.

    Args:
        args: with `ground_truth`, a file with the positions; None: those of the source.
        source: folder, manifest or bag.
        topics: of a bag.
        where: columns and the values that rows must have.
        as_recorded: frames of a bag in order of recording, as the node gets them, instead of in
            order of their stamps.

    Raises:
        SourceError: source or file cannot be read.
    """
    if args.ground_truth is None:
        return opened(args, source, where=where, topics=topics, as_recorded=as_recorded).frames
    from ghost_vpr_ros.replay.sources.truth_file import read_trajectory, with_truth

    truth = read_trajectory(args.ground_truth, topics.max_gap_s)
    without = BagTopics.from_dict({**topics.to_dict(), 'position_topic': 'none'})
    unplaced = opened(args, source, where=where, topics=without, as_recorded=as_recorded)
    return with_truth(unplaced.frames, truth)
