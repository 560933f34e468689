"""Pairs of images of the same place and of different places, for `benchmarks.verifiers`.

Right pairs are near each other; wrong ones are the most similar images at other places by the
shipped network, as returned by a search.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.engine import Engine
from ghost_vpr_ros.core.geodesy import LocalFrame
from ghost_vpr_ros.core.model.description import DescribedModel
from ghost_vpr_ros.replay.descriptors.extraction import extract_descriptors
from ghost_vpr_ros.replay.sample_town.config import TownConfig
from ghost_vpr_ros.replay.sample_town.drive import SampleTown
from ghost_vpr_ros.replay.sources.image_sources import open_source

RIGHT_M = 10.0
WRONG_M = 50.0
WRONG_FRAMES = 10
"""Least difference of frame numbers of a wrong pair in gardens_point, which has no positions."""

NIGHT = 'time=180000..055959'
DAY = 'time=060000..175959'

Pair = tuple[int, int]


@dataclass(frozen=True)
class Pairs:
    """Images, and pairs of their numbers that show the same place, or different ones."""

    images: Sequence[Callable[[], NDArray[np.uint8]]]
    right: list[Pair]
    wrong: list[Pair]

    def at_most(self, count: int) -> Pairs:
        """At most `count` right and `count` wrong pairs, spread evenly; 0: all."""
        if not count:
            return self
        return Pairs(self.images, thinned(self.right, count), thinned(self.wrong, count))


Similarities = Callable[[Sequence[Frame]], NDArray[np.float32]]


def similarities_by(model: DescribedModel, engine: Engine) -> Similarities:
    """(N, N) cosine similarities of N frames by one network."""

    def similarities(frames: Sequence[Frame]) -> NDArray[np.float32]:
        rows = extract_descriptors(frames, model, engine)
        return np.asarray(rows @ rows.T, np.float32)

    return similarities


def gsv_pairs(data: Path, split: str, similarities: Similarities, part: int) -> Pairs:
    """Pairs of different panoramas with equal heading, from the first 1 / `part` of the split."""
    frames: Sequence[Frame] = open_source(data / 'gsv_cambridge', where={'split': split}).frames
    names = sorted({str(frame.panorama) for frame in frames})
    kept = set(names[: len(names) // part])
    frames = [frame for frame in frames if str(frame.panorama) in kept]
    gap_m = gaps_m(frames)
    headings = np.array([heading_of(frame) for frame in frames])
    panoramas = np.array([str(frame.panorama) for frame in frames])
    same = (headings[:, None] == headings) & (panoramas[:, None] != panoramas)
    right = [(int(a), int(b)) for a, b in np.argwhere(np.triu(same & (gap_m <= RIGHT_M)))]
    wrong = most_similar(similarities(frames), gap_m > WRONG_M, 2)
    return Pairs([frame.load for frame in frames], right, wrong)


def night_pairs(data: Path, split: str, similarities: Similarities, every: int) -> Pairs:
    """Photos by night and the most similar ones by day, near and far.

    The photos have no heading, so a near one may face another direction.
    """
    frames: list[Frame] = []
    for time in (NIGHT, DAY):
        name, _, hours = time.partition('=')
        where = {'split': split, name: hours}
        frames += open_source(data / 'bgu_campus', where=where).frames[::every]
        if time is NIGHT:
            nights = len(frames)
    gap_m = gaps_m(frames)
    is_night = np.arange(len(frames)) < nights
    across = is_night[:, None] & ~is_night
    similarity = similarities(frames)
    return Pairs(
        [frame.load for frame in frames],
        most_similar(similarity, across & (gap_m <= RIGHT_M), 1),
        most_similar(similarity, across & (gap_m > WRONG_M), 1),
    )


def walk_pairs(data: Path, similarities: Similarities, every: int) -> Pairs:
    """Every n-th frame of the walk on the left and on the right."""
    sides = [
        open_source(data / 'gardens_point' / f'day_{side}').frames[::every]
        for side in ('left', 'right')
    ]
    count = len(sides[0])
    frames = [*sides[0], *sides[1]]
    number = np.tile(every * np.arange(count), 2)
    is_left = np.arange(len(frames)) < count
    allowed = np.abs(number[:, None] - number) >= WRONG_FRAMES
    allowed &= is_left[:, None] & ~is_left
    wrong = most_similar(similarities(frames), allowed, 1)
    return Pairs([frame.load for frame in frames], [(i, i + count) for i in range(count)], wrong)


def town_pairs(similarities: Similarities, every: int) -> Pairs:
    """Every n-th frame of the sample town's drives: other light, other traffic."""
    town = SampleTown(TownConfig())
    drives = [town.drive(number) for number in (0, 1)]
    chosen = [frame for drive in drives for frame in drive.frames[::every]]
    # Kept: to draw an image takes longer than all that is done with it.
    frames = [Frame(str(each.stamp_ns), cache(each.load)) for each in chosen]
    poses = np.array([each.map_T_base for each in chosen])
    gap_m = np.linalg.norm(poses[:, None, :3, 3] - poses[None, :, :3, 3], axis=2)
    ahead = poses[:, :3, 0] @ poses[:, :3, 0].T
    is_asked = np.arange(len(chosen)) >= len(drives[0].frames[::every])
    across = is_asked[:, None] & ~is_asked
    similarity = similarities(frames)
    return Pairs(
        [frame.load for frame in frames],
        most_similar(similarity, across & (gap_m <= RIGHT_M) & (ahead > 0.9), 1),
        most_similar(similarity, across & (gap_m > WRONG_M), 1),
    )


def most_similar(
    similarity: NDArray[np.float32], allowed: NDArray[np.bool_], k: int
) -> list[Pair]:
    """The `k` most similar allowed images of each image that has any, best first."""
    masked = np.where(allowed, similarity, -np.inf)
    ranked = np.argsort(-masked, axis=1, kind='stable')[:, :k]
    return [
        (row, int(column))
        for row, found in enumerate(ranked)
        for column in found
        if allowed[row, column]
    ]


def thinned(pairs: list[Pair], count: int) -> list[Pair]:
    """At most `count`, spread evenly over all."""
    if len(pairs) <= count:
        return pairs
    return [pairs[n * len(pairs) // count] for n in range(count)]


def gaps_m(frames: Sequence[Frame]) -> NDArray[np.float64]:
    """(N, N) metres between the places of N geotagged frames."""
    geos = [frame.geo for frame in frames if frame.geo is not None]
    local = LocalFrame(geos[0])
    positions = np.array([local.point_to_enu(geo) for geo in geos])[:, :2]
    return np.asarray(np.linalg.norm(positions[:, None] - positions[None], axis=2))


def heading_of(frame: Frame) -> str:
    """The heading of a frame as a text to compare."""
    assert frame.pose is not None and frame.pose.quaternion_xyzw is not None
    return np.array2string(frame.pose.quaternion_xyzw.round(3))
