"""Drives as a Time Machine: several bags of one area, with GPS or positions in one map frame.

A query finds its positives in the other drives, as the visits of other months serve in a Time
Machine set (NetVLAD, Section 5). A single drive finds them where it comes back later.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, Frame
from ghost_vpr_ros.core.errors import ConfigError, SourceError
from ghost_vpr_ros.core.geodesy import horizontal_distance_m
from ghost_vpr_ros.replay.bags.file import BagFile
from ghost_vpr_ros.replay.bags.pose_messages import ODOMETRY_TYPE
from ghost_vpr_ros.replay.bags.reader import position_topic_of
from ghost_vpr_ros.replay.evaluation.ground_truth import horizontal_positions
from ghost_vpr_ros.replay.sources.image_sources import ImageSource, open_source
from training.datasets.data_config import DataConfig, conditions, expanded
from training.datasets.place_set import NO_PLACE, PlaceSet
from training.datasets.readers.from_frames import Collected, located
from training.datasets.readers.sources import root_of

_NS_PER_S = 10**9


def drive_place_set(config: DataConfig) -> PlaceSet:
    """The keyframes of all drives.

    Their positions must be in one frame: GPS, or poses in one map. Odometry starts over with each
        drive, so it serves a single drive only, unless `position_topic` names it. With
        `queries_path` that drive gives the queries and the others the database; else every drive
        does both. Images without a
    position (a GPS gap) are left out.

    Raises:
        BagError: a bag that is damaged or lacks a topic.
        SourceError: a drive without positions, or drives whose positions are in other frames.
        ConfigError: a drive is named twice.
    """
    config.refuse('drives', 'split', 'images', 'queries_where', 'database_where')
    paths = [*config.paths, *([expanded(config.queries_path)] if config.queries_path else [])]
    _refuse_twice(paths)
    where = conditions(config.where)
    sources = [open_source(path, where=where, topics=config.topics) for path in paths]
    facts: dict[str, Any] = {'format': 'drives', 'drives': [source.name for source in sources]}
    if len(sources) > 1 and not config.position_topic:
        _refuse_odometry(sources)
    drives = [located(source.frames, source.name, facts) for source in sources]
    everything = horizontal_positions([], [frame for drive in drives for frame in drive])[1]
    points = np.split(everything, np.cumsum([len(drive) for drive in drives])[:-1])
    kept = [keyframes(each, config.keyframe_distance_m) for each in points]
    collected = Collected(facts={**facts, 'images_of_drives': len(everything)})
    for number, (source, drive) in enumerate(zip(sources, drives, strict=True)):
        is_last = number == len(paths) - 1
        chosen = [drive[k] for k in kept[number]]
        roles = (is_last, not is_last) if config.queries_path else (True, True)
        _add(collected, source, chosen, roles, len(sources) > 1)
    name = ' + '.join(source.short_name for source in sources)
    positions_m = np.concatenate([each[k] for each, k in zip(points, kept, strict=True)])
    return collected.place_set(name, positions_m, *_visits(collected.frames, kept, config))


def _visits(
    frames: list[Frame], kept: list[list[int]], config: DataConfig
) -> tuple[NDArray[np.int64] | None, int]:
    """Visits and their gap: the number of the drive; of a single drive, its seconds."""
    if len(kept) > 1:
        return np.repeat(np.arange(len(kept)), [len(numbers) for numbers in kept]), 1
    if not config.revisit_after_s:
        return None, 1
    stamps = [frame.stamp_ns for frame in frames]
    seconds = [NO_PLACE if ns == UNKNOWN_STAMP_NS else ns // _NS_PER_S for ns in stamps]
    return np.array(seconds, np.int64), math.ceil(config.revisit_after_s)


def keyframes(points_m: NDArray[np.float64], distance_m: float) -> list[int]:
    """Numbers of the images that are at least this far from the keyframe before them.

    The distance is measured straight from the last keyframe, not along the way: the noise of a
    GPS adds up to a long way while a robot stands.

    Args:
        points_m: (N, 2) positions of one drive in order, metres.
        distance_m: least distance; 0 keeps every image.
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


def _refuse_odometry(sources: list[ImageSource]) -> None:
    bags = (source for source in sources if source.kind == 'bag')
    for path in (bag.path or Path(bag.name) for bag in bags):
        topic = position_topic_of(BagFile(path), '')
        if topic is not None and topic.msgtype == ODOMETRY_TYPE:
            raise SourceError(
                f'{path}: expected drives with positions in one frame, found the odometry '
                f'{topic.name}, which starts over with each drive; give drives with GPS or poses, '
                f'or, if it counts in one map, set `position_topic: {topic.name}`'
            )


def _refuse_twice(paths: list[Path]) -> None:
    twice = next((path for n, path in enumerate(paths) if path in paths[:n]), None)
    if twice is not None:
        raise ConfigError(f'path: the drive {twice} is named twice; name every drive once')
