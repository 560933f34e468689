"""Generate descriptors of a map of any size, and of queries, from those of real images.

The first rows are real images. The others are places between real ones: a convex mix of two near
neighbours, displaced by the difference of a real image from its nearest neighbour. Each place is
seen in a few keyframes, each displaced from the previous one by the difference of neighbouring
frames of a real drive. A query is displaced from a keyframe by the difference between two real
pictures of one place (on another day, side or hour).

For a displacement, the similarity of a random pair of real images is drawn, and the direction is a
mix of differences of real pairs. So similarities and directions are distributed like those of real
images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from benchmarks.real_descriptors import RealImages

Floats = NDArray[np.float32]

_BLOCK = 20_000
_FRAMES_OF_A_PLACE = 8
_DIRECTIONS_MIXED = 3
_FRAME_M = 3.0
_SAME_PLACE_M = 10.0
_LEAST_SIMILARITY = 0.05
"""Less similar pairs do not show the same place, whatever their positions."""


@dataclass(frozen=True)
class Changes:
    """Differences (n, D) and similarities (n,) of pairs of real images."""

    differences: Floats
    similarities: Floats

    @classmethod
    def of(cls, one: Floats, other: Floats) -> Changes:
        """The changes from each row (n, D) of `one` to the same row of `other`."""
        similarity = np.einsum('nd,nd->n', one, other)
        kept = similarity > _LEAST_SIMILARITY
        return cls((other - one)[kept], similarity[kept])

    def applied(self, start: Floats, rng: np.random.Generator) -> Floats:
        """(n, D) descriptors, displaced from their starts (n, D) like real pairs."""
        count = len(start)
        direction = np.zeros_like(start)
        for _ in range(_DIRECTIONS_MIXED):
            weight = rng.standard_normal((count, 1)).astype(np.float32)
            direction += weight * self.differences[rng.integers(len(self.differences), size=count)]
        direction -= np.einsum('nd,nd->n', direction, start)[:, None] * start
        similarity = rng.choice(self.similarities, count)[:, None]
        found = similarity * start + np.sqrt(1.0 - similarity**2) * unit(direction)
        return np.asarray(found, np.float32)


class Grower:
    """Generates maps and queries of any size from real images.

    Attributes:
        between_frames: changes between neighbouring frames of a drive.
        between_visits: changes between two pictures of a place.
        between_places: changes from an image to its nearest neighbour in the map.
    """

    def __init__(self, real: RealImages) -> None:
        is_map = real.roles == 'map'
        self._map = real.descriptors[is_map]
        self._queries = real.descriptors[~is_map]
        self.between_frames = _neighbouring(real, _FRAME_M, to='map')
        self.between_visits = _neighbouring(real, _SAME_PLACE_M, to='query')
        self._neighbour = _nearest(self._map)
        self.between_places = Changes.of(self._map, self._map[self._neighbour])

    def grown(self, count: int) -> Floats:
        """(count, D) float32 unit-norm descriptors in driving order; real ones come first."""
        rng = np.random.default_rng(0)
        rows = np.empty((count, self._map.shape[1]), np.float32)
        kept = min(count, len(self._map))
        rows[:kept] = self._map[rng.permutation(len(self._map))[:kept]]
        for start in range(kept, count, _BLOCK):
            stop = min(start + _BLOCK, count)
            rows[start:stop] = self._drive(stop - start, rng)
        return rows

    def queries_for(self, rows: Floats, count: int, seed: int = 1) -> Floats:
        """(count, D) queries: half real images, half second visits of the map's places."""
        rng = np.random.default_rng(seed)
        real = self._queries[rng.permutation(len(self._queries))[: count // 2]]
        places = rows[rng.integers(len(rows), size=count - len(real))]
        return np.concatenate([real, self.between_visits.applied(places, rng)])

    def _drive(self, count: int, rng: np.random.Generator) -> Floats:
        places = -(-count // _FRAMES_OF_A_PLACE)
        chosen = rng.integers(len(self._map), size=places)
        share = rng.random((places, 1)).astype(np.float32)
        mixed = share * self._map[chosen] + (1 - share) * self._map[self._neighbour[chosen]]
        frames = [self.between_places.applied(unit(mixed), rng)]
        while len(frames) < _FRAMES_OF_A_PLACE:
            frames.append(self.between_frames.applied(frames[-1], rng))
        return np.stack(frames, axis=1).reshape(-1, self._map.shape[1])[:count]


def unit(rows: Floats) -> Floats:
    """The rows (n, D), normalised."""
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def _nearest(rows: Floats) -> NDArray[np.int64]:
    similarity = rows @ rows.T
    np.fill_diagonal(similarity, -1.0)
    return np.asarray(similarity.argmax(axis=1))


def _neighbouring(real: RealImages, radius_m: float, to: str) -> Changes:
    """Changes from every map image to all images of a role nearby, in the same group."""
    one: list[int] = []
    other: list[int] = []
    for group in np.unique(real.groups):
        rows = np.flatnonzero(real.groups == group)
        wanted = rows[real.roles[rows] == to]
        begin = rows[real.roles[rows] == 'map']
        if len(wanted) == 0 or len(begin) == 0:
            continue
        near = cKDTree(real.positions[wanted]).query_ball_point(real.positions[begin], radius_m)
        for row, found in zip(begin, near, strict=True):
            one += [int(row)] * len(found)
            other += [int(wanted[number]) for number in found]
    is_pair = np.array(one) != np.array(other)
    descriptors = real.descriptors
    return Changes.of(descriptors[np.array(one)[is_pair]], descriptors[np.array(other)[is_pair]])
