"""The keyframes that can answer: arrays of what every frame needs, the rest on demand.

A million `Keyframe` objects would take a gigabyte and half a minute; a frame needs ten of them.
Keyframes with a position are also found by it, in trees that grow while the robot maps.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from ghost_vpr_ros.core.datatypes import Keyframe
from ghost_vpr_ros.core.map.reader import Columns, MapReader
from ghost_vpr_ros.core.recognition.candidates import positions_of, yaws_of

_MOST_REMEMBERED = 4096


class KeyframeRows:
    """The first rows of a map; row i is row i of the map."""

    def __init__(self, place_map: MapReader, columns: Columns) -> None:
        """Start with the present rows of the map and their columns."""
        self._map = place_map
        self._positions = GrowingRows(columns.positions)
        self._yaws = GrowingRows(columns.yaws)
        self._sessions = GrowingRows(columns.sessions)
        self._remembered: dict[int, Keyframe] = {}

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def positions(self) -> NDArray[np.float64]:
        """(N, 3) map frame, metres; NaN where unknown."""
        return self._positions.rows

    @property
    def yaws(self) -> NDArray[np.float64]:
        """(N,) headings in the map frame, radians from east; NaN where unknown."""
        return self._yaws.rows

    @property
    def sessions(self) -> NDArray[np.int32]:
        """(N,) numbers of the sessions."""
        return self._sessions.rows

    def keyframes(self, rows: Sequence[int] | NDArray[np.int64]) -> list[Keyframe]:
        """The keyframes of some rows, in their order.

        Raises:
            MapError: the map's file was damaged since it was opened.
        """
        wanted = [int(row) for row in rows]
        unknown = [row for row in wanted if row not in self._remembered]
        if len(self._remembered) + len(unknown) > _MOST_REMEMBERED:
            self._remembered.clear()
            unknown = wanted
        if unknown:
            read = self._map.keyframes_at(np.array(unknown, np.int64))
            self._remembered.update(zip(unknown, read, strict=True))
        return [self._remembered[row] for row in wanted]

    def append(self, keyframe: Keyframe) -> int:
        """Append the next row of the map; returns its number."""
        row = self._positions.append(positions_of([keyframe])[0])
        self._yaws.append(yaws_of([keyframe])[0])
        self._sessions.append(self._map.session_number(keyframe.session))
        self._remembered[row] = keyframe
        return row

    def replace(self, keyframe: Keyframe) -> int:
        """Update the pose of a keyframe; returns its row."""
        row = self._map.row_of(keyframe.keyframe_id)
        self.positions[row] = positions_of([keyframe])[0]
        self.yaws[row] = yaws_of([keyframe])[0]
        self._remembered.pop(row, None)
        return row


ValueT = TypeVar('ValueT', bound=np.generic)

_LEAST_SPARE = 256


class GrowingRows(Generic[ValueT]):
    """Rows of one shape and type; the array is theirs, not a list of Python objects."""

    def __init__(self, rows: NDArray[ValueT]) -> None:
        """Begin with a copy of rows (n, ...)."""
        self._buffer = np.array(rows)
        self._count = len(self._buffer)

    def __len__(self) -> int:
        return self._count

    @property
    def rows(self) -> NDArray[Any]:
        """(n, ...) all rows: a view, to write to as well, until the next `append`."""
        return self._buffer[: self._count]

    def append(self, row: ArrayLike) -> int:
        """Append one row; returns its number."""
        if self._count == len(self._buffer):
            spare = max(self._count, _LEAST_SPARE)
            grown = np.empty((self._count + spare, *self._buffer.shape[1:]), self._buffer.dtype)
            grown[: self._count] = self._buffer
            self._buffer = grown
        self._buffer[self._count] = row
        self._count += 1
        return self._count - 1


_MOST_TAIL = 256

_LARGEST_MERGED = 4096
"""Trees that are larger than this are never planted again: the cost of a point is bounded."""

Pairs: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]
"""(k,) number of the query point, and (k,) number of a point near it."""


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
    large map is built again.
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


class LocatedPlaces:
    """Numbered in the order in which their positions became known.

    Attributes:
        near: finds numbers by position.
    """

    def __init__(self, positions: NDArray[np.float64], yaws: NDArray[np.float64]) -> None:
        """Begin with those of N keyframes that have a position.

        Args:
            positions: (N, 3) float64 of all rows, map frame, metres; NaN where unknown.
            yaws: (N,) float64 of all rows, map frame, radians; NaN where unknown.
        """
        rows = np.flatnonzero(np.isfinite(positions).all(axis=1))
        self.near = NearPoints(positions[rows, :2])
        self._rows = GrowingRows(rows)
        self._yaws = GrowingRows(yaws[rows])

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def rows(self) -> NDArray[np.int64]:
        """(n,) row of each."""
        return self._rows.rows

    @property
    def yaws(self) -> NDArray[np.float64]:
        """(n,) heading of each, radians from east; NaN where unknown."""
        return self._yaws.rows

    def add(self, row: int, position_m: NDArray[np.float64], yaw_rad: float) -> None:
        """Take in a row, unless its position (3,) is unknown: NaN."""
        if np.isfinite(position_m).all():
            self.near.add(position_m[:2])
            self._rows.append(row)
            self._yaws.append(yaw_rad)

    def rows_within(self, position_m: NDArray[np.float64], radius_m: float) -> NDArray[np.int64]:
        """(k,) rows, ascending, within a horizontal distance of a position (2,) or (3,)."""
        return np.sort(self.rows[self.near.within(position_m[:2], radius_m)])
