"""Radius search in a plane, among points that grow in number while the robot maps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

_LEAST_TAIL = 256
_TAIL_SHARE = 0.1


class NearPoints:
    """Numbered points; a new one costs no new tree each time.

    The newest points are compared one by one until there are enough of them for a tree with them:
    a search stays fast, and the cost of a new point does not grow with the map.
    """

    def __init__(self, points: NDArray[np.float64]) -> None:
        """Begin with points (n, 2), numbered 0 to n - 1."""
        self._buffer = np.array(points, np.float64).reshape(-1, 2)
        self._count = len(self._buffer)
        self._plant()

    def __len__(self) -> int:
        return self._count

    @property
    def points(self) -> NDArray[np.float64]:
        """(n, 2) all points, by number."""
        return self._buffer[: self._count]

    def add(self, point: NDArray[np.float64]) -> int:
        """Append a point (2,); returns its number."""
        if self._count == len(self._buffer):
            spare = np.empty((max(self._count, _LEAST_TAIL), 2))
            self._buffer = np.concatenate([self._buffer, spare])
        self._buffer[self._count] = point
        self._count += 1
        if self._count - self._planted > max(_LEAST_TAIL, _TAIL_SHARE * self._planted):
            self._plant()
        return self._count - 1

    def within(self, point: NDArray[np.float64], radius_m: float) -> NDArray[np.int64]:
        """(k,) numbers, ascending, of the points within a radius of a point (2,)."""
        return self.within_each(point[np.newaxis], radius_m)[0]

    def within_each(self, points: NDArray[np.float64], radius_m: float) -> list[NDArray[np.int64]]:
        """The same for each of the points (m, 2)."""
        in_tree = self._tree.query_ball_point(points, radius_m, return_sorted=True)
        tail = self._near_in_tail(points, radius_m)
        return [
            np.concatenate([np.array(old, np.int64), np.flatnonzero(new) + self._planted])
            for old, new in zip(in_tree, tail, strict=True)
        ]

    def count_within(self, points: NDArray[np.float64], radius_m: float) -> NDArray[np.int64]:
        """(m,) how many points lie within a radius of each of the points (m, 2)."""
        in_tree = self._tree.query_ball_point(points, radius_m, return_length=True)
        return np.asarray(in_tree, np.int64) + self._near_in_tail(points, radius_m).sum(axis=1)

    def _near_in_tail(self, points: NDArray[np.float64], radius_m: float) -> NDArray[np.bool_]:
        """(m, t) which of the t points outside the tree are near each of the points (m, 2)."""
        offsets = points[:, np.newaxis] - self.points[self._planted :]
        return np.asarray(np.hypot(offsets[..., 0], offsets[..., 1]) <= radius_m)

    def _plant(self) -> None:
        self._planted = self._count
        self._tree = cKDTree(self.points)
