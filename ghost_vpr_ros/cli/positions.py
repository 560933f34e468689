"""Positions of the images of a source, shared by the commands that need them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ghost_vpr_ros.cli.progress import say
from ghost_vpr_ros.cli.sources import opened
from ghost_vpr_ros.replay.bags.topics import BagTopics

if TYPE_CHECKING:
    from ghost_vpr_ros.core.datatypes import Frame
    from ghost_vpr_ros.replay.sources.image_sources import ImageSource


def located(source: ImageSource) -> ImageSource:
    """The source without images that lack a position while others have one; says how many.

    A GPS gap leaves images that can neither be judged nor tell where a camera is. A source
    without any position is left as it is.
    """
    from ghost_vpr_ros.replay.evaluation.ground_truth import has_position

    frames = [frame for frame in source.frames if has_position(frame)]
    if not frames or len(frames) == len(source):
        return source
    without = len(source) - len(frames)
    say(f'warning: {source.name}: {without} of {len(source)} images lack a position, left out')
    return replace(source, frames=frames)


def judged_frames(
    args: argparse.Namespace,
    source: str,
    topics: BagTopics,
    where: Mapping[str, str] | None = None,
    *,
    as_recorded: bool = False,
) -> Sequence[Frame]:
    """All frames of a source, with the positions that they are judged by.

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
