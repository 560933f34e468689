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
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.geodesy import horizontal_distance_m
from ghost_vpr_ros.replay.ground_truth import horizontal_positions
from ghost_vpr_ros.replay.image_sources import ImageSource, open_source
from training.datasets.data_config import DataConfig, conditions, expanded
from training.datasets.from_frames import Collected, located
from training.datasets.place_set import NO_PLACE, PlaceSet
from training.datasets.sources import root_of

_NS_PER_S = 10**9


def drive_place_set(config: DataConfig) -> PlaceSet:
    """The keyframes of all drives, whose positions must be in one frame (GPS, or one map).

    With `queries_path` that drive asks and the others are the database; else every drive does
    both. Images without a position (a GPS gap) are left out.

    Raises:
        BagError: a bag that is damaged or lacks a topic.
        SourceError: a drive without positions, or drives with positions of different kinds.
        ConfigError: a drive is named twice.
    """
    config.refuse('drives', 'split', 'images', 'queries_where', 'database_where')
    paths = [*config.paths, *([expanded(config.queries_path)] if config.queries_path else [])]
    _refuse_twice(paths)
    facts: dict[str, Any] = {'format': 'drives'}
    where = conditions(config.where)
    sources = [open_source(path, where=where, topics=config.topics) for path in paths]
    drives = [located(source.frames, source.name, facts) for source in sources]
    points = horizontal_positions([], [frame for drive in drives for frame in drive])[1]
    collected, rows, visit = Collected(facts=facts), [], []
    first = 0
    for number, (source, drive) in enumerate(zip(sources, drives, strict=True)):
        end = first + len(drive)
        kept = keyframes(points[first:end], config.keyframe_distance_m)
        asks = not config.queries_path or number == len(paths) - 1
        answers = not config.queries_path or not asks
        _add(collected, source, [drive[k] for k in kept], asks, answers, len(sources) > 1)
        rows += [first + k for k in kept]
        visit += [number] * len(kept)
        first = end
    facts.update(drives=[source.name for source in sources], images_of_drives=len(points))
    name = ' + '.join(source.short_name for source in sources)
    if len(sources) > 1:
        return collected.place_set(name, points[rows], np.array(visit, np.int64))
    gap_s = math.ceil(config.revisit_after_s)
    seconds = _seconds(collected.frames) if gap_s else None
    return collected.place_set(name, points[rows], seconds, max(gap_s, 1))


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
    asks: bool,
    answers: bool,
    is_one_of_many: bool,
) -> None:
    root = root_of(source)
    for frame in frames:
        name = f'{source.name}:{frame.name}' if is_one_of_many else frame.name
        file = None if root is None else root / frame.name
        collected.add(replace(frame, name=name), file, query=asks, database=answers)


def _seconds(frames: list[Frame]) -> NDArray[np.int64]:
    """(N,) whole seconds of the images' stamps, `NO_PLACE` where unknown."""
    stamps = [frame.stamp_ns for frame in frames]
    return np.array(
        [NO_PLACE if ns == UNKNOWN_STAMP_NS else ns // _NS_PER_S for ns in stamps], np.int64
    )


def _refuse_twice(paths: list[Path]) -> None:
    twice = next((path for n, path in enumerate(paths) if path in paths[:n]), None)
    if twice is not None:
        raise ConfigError(f'path: the drive {twice} is named twice; name every drive once')
