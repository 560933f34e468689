"""Descriptors of a map of any size, and queries to it, grown from those of real images.

The first rows are real images. The others are places between real ones: a place is a
convex mix of two near neighbours, moved on by as much as real images differ from their nearest
neighbour. A drive sees each place in a few keyframes, each moved on from the one before by as much
as neighbouring frames of a real drive differ. A query moves on from a keyframe by as much as a
second picture of the same place (another day, side or hour) differs from the first.

`moved on by as much` is meant literally: the similarity of a pair of real images is drawn, and the
direction is that of differences of real pairs. So the similarities between frames, and from query
to place, are those of real pairs, and the directions are those in which real images differ.
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
"""Less similar pairs show something else, whatever their positions."""


@dataclass(frozen=True)
class Changes:
    """How pairs of real images differ: (n, D) differences, and (n,) similarities."""

    differences: Floats
    similarities: Floats

    @classmethod
    def of(cls, one: Floats, other: Floats) -> Changes:
        """The changes from each row (n, D) of one to that of the other."""
        similarity = np.einsum('nd,nd->n', one, other)
        kept = similarity > _LEAST_SIMILARITY
        return cls((other - one)[kept], similarity[kept])

    def applied(self, start: Floats, rng: np.random.Generator) -> Floats:
        """(n, D) descriptors, each as far from its start (n, D) as a real pair is."""
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
    """Makes maps and queries of any size out of real images.

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
        """(count, D) float32 unit descriptors in the order of driving; real ones come first."""
        rng = np.random.default_rng(0)
        rows = np.empty((count, self._map.shape[1]), np.float32)
        kept = min(count, len(self._map))
        rows[:kept] = self._map[rng.permutation(len(self._map))[:kept]]
        for start in range(kept, count, _BLOCK):
            stop = min(start + _BLOCK, count)
            rows[start:stop] = self._drive(stop - start, rng)
        return rows

    def asked(self, rows: Floats, count: int, seed: int = 1) -> Floats:
        """(count, D) queries: half of them real images, half second visits of the map's places."""
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
    """The rows (n, D) at length 1."""
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def _nearest(rows: Floats) -> NDArray[np.int64]:
    similarity = rows @ rows.T
    np.fill_diagonal(similarity, -1.0)
    return np.asarray(similarity.argmax(axis=1))


def _neighbouring(real: RealImages, radius_m: float, to: str) -> Changes:
    """From every map image to all those of a role that are near, in its group."""
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
