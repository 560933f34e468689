"""Drives through one area, with GPS or positions in one map frame, as a set of places.

The positives of a query are in the other drives, like images of other months in a Time Machine
set (NetVLAD, Section 5). In a single drive they are at places that it visits again later.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, Frame
from ghost_vpr_ros.core.errors import ConfigError, SourceError
from ghost_vpr_ros.core.geodesy import horizontal_distance_m
from ghost_vpr_ros.replay.config import VisitConfig
from ghost_vpr_ros.replay.evaluation.ground_truth import horizontal_positions
from ghost_vpr_ros.replay.places.collected import Collected, located
from ghost_vpr_ros.replay.places.images import root_of
from ghost_vpr_ros.replay.places.place_set import NO_PLACE, PlaceSet
from ghost_vpr_ros.replay.sources.image_sources import ImageSource

_NS_PER_S = 10**9


def places_of_drives(
    sources: Sequence[ImageSource], config: VisitConfig, *, last_is_queries: bool = False
) -> PlaceSet:
    """The keyframes of all drives.

    Images without a position (a GPS gap) are left out.

    Args:
        sources: the drives; their positions must be in one frame.
        config: keyframes and visits.
        last_is_queries: the last drive is the queries and the others are the database; else every
            drive is both.

    Raises:
        SourceError: a drive without positions, or drives with positions in different frames.
    """
    facts: dict[str, Any] = {'format': 'drives', 'drives': [source.name for source in sources]}
    drives = [located(source.frames, source.name, facts) for source in sources]
    everything = horizontal_positions([], [frame for drive in drives for frame in drive])[1]
    points = np.split(everything, np.cumsum([len(drive) for drive in drives])[:-1])
    kept = [keyframes(each, config.keyframe_distance_m) for each in points]
    collected = Collected(facts={**facts, 'images_of_drives': len(everything)})
    for number, (source, drive) in enumerate(zip(sources, drives, strict=True)):
        is_last = number == len(sources) - 1
        chosen = [drive[k] for k in kept[number]]
        roles = (is_last, not is_last) if last_is_queries else (True, True)
        _add(collected, source, chosen, roles, len(sources) > 1)
    name = ' + '.join(source.short_name for source in sources)
    positions_m = np.concatenate([each[k] for each, k in zip(points, kept, strict=True)])
    if len(sources) > 1:
        visit = np.repeat(np.arange(len(kept)), [len(numbers) for numbers in kept])
        return collected.place_set(name, positions_m, visit)
    stamps = [frame.stamp_ns for frame in collected.frames]
    return collected.place_set(name, positions_m, *visits_by_time(stamps, config))


def visits_by_time(
    stamps_ns: Sequence[int], config: VisitConfig
) -> tuple[NDArray[np.int64] | None, int]:
    """Visit numbers (whole seconds) of one drive and their gap; None: any two images may match.

    Args:
        stamps_ns: (N,) of the images, `UNKNOWN_STAMP_NS` where unknown.
        config: the least time between two visits.
    """
    if not config.revisit_after_s:
        return None, 1
    seconds = [NO_PLACE if ns == UNKNOWN_STAMP_NS else ns // _NS_PER_S for ns in stamps_ns]
    return np.array(seconds, np.int64), math.ceil(config.revisit_after_s)


def keyframes(points_m: NDArray[np.float64], distance_m: float) -> list[int]:
    """Numbers of the images that are at least this far from the previous keyframe.

    The distance is the straight line from the last keyframe, not the length of the path: GPS noise
    accumulates to a long path while a robot stands still.

    Args:
        points_m: (N, 2) positions of one drive in order, metres.
        distance_m: minimum distance; 0 keeps every image.
    """
    kept: list[int] = []
    for number, point in enumerate(points_m):
        if not kept or horizontal_distance_m(points_m[kept[-1]], point) >= distance_m:
            kept.append(number)
    return kept


def _add(
    collected: Collected,
    source: ImageSource,
    frames: list[Frame],
    roles: tuple[bool, bool],
    is_one_of_many: bool,
) -> None:
    """Add the frames of a drive; `roles`: whether they are queries, and database."""
    root = root_of(source)
    for frame in frames:
        name = f'{source.name}:{frame.name}' if is_one_of_many else frame.name
        file = None if root is None else root / frame.name
        collected.add(replace(frame, name=name), file, query=roles[0], database=roles[1])


def refuse_twice(paths: Sequence[Path | str]) -> None:
    """Refuse a drive that is named twice: its images would find themselves.

    Raises:
        ConfigError: one is.
    """
    twice = next((path for n, path in enumerate(paths) if path in paths[:n]), None)
    if twice is not None:
        raise ConfigError(f'the drive {twice} is named twice; name every drive once')


def refuse_odometry(sources: Sequence[ImageSource], option: str) -> None:
    """Refuse several bags that have only odometry, which restarts with each drive.

    Args:
        sources: the drives.
        option: that selects the topic of positions, for the message.

    Raises:
        SourceError: a bag has neither fixes nor poses.
    """
    # Folders and manifests do not need the package that reads bags.
    bags = [source.path or Path(source.name) for source in sources if source.kind == 'bag']
    if len(sources) < 2 or not bags:
        return
    from ghost_vpr_ros.replay.bags.file import BagFile
    from ghost_vpr_ros.replay.bags.pose_messages import ODOMETRY_TYPE
    from ghost_vpr_ros.replay.bags.reader import position_topic_of

    for path in bags:
        topic = position_topic_of(BagFile(path), '')
        if topic is not None and topic.msgtype == ODOMETRY_TYPE:
            raise SourceError(
                f'{path}: expected drives with positions in one frame, found the odometry '
                f'{topic.name}, which starts over with each drive; give drives with GPS or poses, '
                f'or, if it counts in one map, set `{option} {topic.name}`'
            )
