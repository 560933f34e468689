"""Radius search in a plane, among points that grow in number while the robot maps."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ghost_vpr_ros.core.recognition.growing_rows import GrowingRows

_MOST_TAIL = 256
_LARGEST_MERGED = 4096
"""Trees that are larger than this are never planted again: the cost of a point is bounded."""


Pairs: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]
"""(k,) which point asks, and (k,) the number of a point near it."""


@dataclass(frozen=True)
class _Planted:
    """A tree over the points from number `first` on."""

    first: int
    tree: cKDTree

    def __len__(self) -> int:
        return int(self.tree.n)

    def near(self, points: NDArray[np.float64], radius_m: float) -> Pairs:
        """Which of the points (m, 2) have which numbers near them."""
        found = self.tree.query_ball_point(points, radius_m)
        counts = np.fromiter(map(len, found), np.int64, len(found))
        numbers = np.fromiter(itertools.chain.from_iterable(found), np.int64, counts.sum())
        return np.repeat(np.arange(len(points)), counts), numbers + self.first


class NearPoints:
    """Numbered points; a new one costs no new tree each time.

    The newest points are compared one by one until there are enough of them for a tree. Trees of
    like size become one, up to a size: a search stays fast, and no point has to wait until a
    whole large map is planted again.
    """

    def __init__(self, points: NDArray[np.float64]) -> None:
        """Begin with points (n, 2), numbered 0 to n - 1."""
        self._points = GrowingRows(np.asarray(points, np.float64).reshape(-1, 2))
        self._trees = [_Planted(0, self._tree_from(0))]

    def __len__(self) -> int:
        return len(self._points)

    @property
    def points(self) -> NDArray[np.float64]:
        """(n, 2) all points, by number."""
        return self._points.rows

    def add(self, point: NDArray[np.float64]) -> int:
        """Append a point (2,); returns its number."""
        number = self._points.append(point)
        if len(self) - self._num_planted > _MOST_TAIL:
            self._plant()
        return number

    def within(self, point: NDArray[np.float64], radius_m: float) -> NDArray[np.int64]:
        """(k,) numbers, ascending, of the points within a radius of a point (2,)."""
        return self.pairs_within(point[np.newaxis], radius_m)[1]

    def pairs_within(self, points: NDArray[np.float64], radius_m: float) -> Pairs:
        """The same for each of the points (m, 2): all pairs of point and number, in that order."""
        found = [planted.near(points, radius_m) for planted in self._trees]
        asking, in_tail = np.nonzero(self._near_in_tail(points, radius_m))
        found.append((asking, in_tail + self._num_planted))
        asking, numbers = (np.concatenate(parts) for parts in zip(*found, strict=True))
        order = np.lexsort((numbers, asking))
        return asking[order], numbers[order]

    def count_within(self, points: NDArray[np.float64], radius_m: float) -> NDArray[np.int64]:
        """(m,) how many points lie within a radius of each of the points (m, 2)."""
        count = self._near_in_tail(points, radius_m).sum(axis=1)
        for planted in self._trees:
            count += planted.tree.query_ball_point(points, radius_m, return_length=True)
        return np.asarray(count, np.int64)

    @property
    def _num_planted(self) -> int:
        newest = self._trees[-1]
        return newest.first + len(newest)

    def _near_in_tail(self, points: NDArray[np.float64], radius_m: float) -> NDArray[np.bool_]:
        """(m, t) which of the t points outside the trees are near each of the points (m, 2)."""
        offsets = points[:, np.newaxis] - self.points[self._num_planted :]
        return np.asarray(np.hypot(offsets[..., 0], offsets[..., 1]) <= radius_m)

    def _plant(self) -> None:
        """A tree over the newest points, together with those before it that are not larger."""
        first = self._num_planted
        while self._trees and len(self._trees[-1]) <= min(len(self) - first, _LARGEST_MERGED):
            first = self._trees.pop().first
        self._trees.append(_Planted(first, self._tree_from(first)))

    def _tree_from(self, first: int) -> cKDTree:
        # Balance is not needed, and without it a million points take a third of the time.
        return cKDTree(self.points[first:], balanced_tree=False, compact_nodes=False)
