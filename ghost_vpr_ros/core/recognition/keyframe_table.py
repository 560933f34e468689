"""The keyframes that can answer: arrays of what each query needs; the rest is read on demand.

A million `Keyframe` objects would take a gigabyte and half a minute to load; a query needs ten of
them. Keyframes can also be searched by position, in grids that grow while the robot maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghost_vpr_ros.core.datatypes import Keyframe
from ghost_vpr_ros.core.map.columns import Columns
from ghost_vpr_ros.core.map.reader import MapReader
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
    """A growing array of rows of one shape and type."""

    def __init__(self, rows: NDArray[ValueT]) -> None:
        """Begin with a copy of rows (n, ...)."""
        self._buffer = np.array(rows)
        self._count = len(self._buffer)

    def __len__(self) -> int:
        return self._count

    @property
    def rows(self) -> NDArray[Any]:
        """(n, ...) all rows: a writable view, valid until the next `append`."""
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
"""Grids larger than this are never rebuilt, which bounds the cost of adding a point."""

_CELL_M = 16.0
_MOST_CELLS = 2**20
"""Most cells along one side of a grid; the number of a cell stays far below 2^63."""

_COUNTED_AT_ONCE = 64

Pairs: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]
"""(k,) number of the query point, and (k,) number of a point near it."""


class _Grid:
    """Points sorted by grid cell; a search looks through rows of cells.

    SciPy's k-d tree would do, but importing it takes 35 MiB of the node's memory and a quarter of
    its import time.

    Attributes:
        first: number of the first point.
    """

    def __init__(self, first: int, points: NDArray[np.float64]) -> None:
        """Sort points (n, 2), numbered from `first` on."""
        self.first = first
        self._points = points
        ends = [points.min(axis=0), points.max(axis=0)] if len(points) else [np.zeros(2)] * 2
        self._corner, far = ends
        self._cell_m = max(_CELL_M, float((far - self._corner).max()) / _MOST_CELLS)
        self._last = self._cells(far[np.newaxis])[0]
        self._width = int(self._last[0]) + 1
        keys = self._keys(self._cells(points))
        self._order = np.argsort(keys, kind='stable')
        self._sorted = keys[self._order]
        self._rows = np.unique(self._sorted // self._width)

    def __len__(self) -> int:
        return len(self._order)

    def _cells(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        """(m, 2) column and row of each of the points (m, 2), which may lie outside the grid."""
        cells = np.floor((points - self._corner) / self._cell_m)
        return cells.clip(-1, 2 * _MOST_CELLS).astype(np.int64)

    def _keys(self, cells: NDArray[np.int64]) -> NDArray[np.int64]:
        """(m,) cell numbers that ascend along a row of cells, and from row to row."""
        return np.asarray(cells[:, 1] * self._width + cells[:, 0])

    def near(self, points: NDArray[np.float64], radius_m: float) -> Pairs:
        """Pairs of query points (m, 2) and the points near them."""
        low = np.maximum(self._cells(points - radius_m), 0)
        high = np.minimum(self._cells(points + radius_m), self._last)
        first = self._rows.searchsorted(low[:, 1])
        last = self._rows.searchsorted(high[:, 1], side='right')
        asking, place = _ranges(first, np.where((low <= high).all(axis=1), last - first, 0))
        row = self._rows[place]
        starts, ends = (
            self._keys(np.column_stack([cells[asking, 0], row])) for cells in (low, high)
        )
        begin = self._sorted.searchsorted(starts)
        end = self._sorted.searchsorted(ends, side='right')
        of_row, place = _ranges(begin, end - begin)
        asking, numbers = asking[of_row], self._order[place]
        offsets = points[asking] - self._points[numbers]
        is_near = np.hypot(offsets[:, 0], offsets[:, 1]) <= radius_m
        return asking[is_near], numbers[is_near] + self.first


def _ranges(starts: NDArray[np.integer[Any]], counts: NDArray[np.integer[Any]]) -> Pairs:
    """The ranges `starts[i]`, `starts[i] + 1`, ... of `counts[i]` numbers: each i, each number."""
    owner = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    before = np.cumsum(counts) - counts
    return owner, np.asarray(np.arange(len(owner)) + (starts - before)[owner], np.int64)


class NearPoints:
    """Numbered points to which new ones are added cheaply.

    The newest points are compared one by one until there are enough for a grid. Grids of similar
    size are merged, up to a limit, so that searches stay fast and adding a point never sorts a
    large map again.
    """

    def __init__(self, points: NDArray[np.float64]) -> None:
        """Begin with points (n, 2), numbered 0 to n - 1."""
        self._points = GrowingRows(np.asarray(points, np.float64).reshape(-1, 2))
        self._grids = [_Grid(0, self.points)]

    def __len__(self) -> int:
        return len(self._points)

    @property
    def points(self) -> NDArray[np.float64]:
        """(n, 2) all points, by number."""
        return self._points.rows

    def add(self, point: NDArray[np.float64]) -> int:
        """Append a point (2,); returns its number."""
        number = self._points.append(point)
        if len(self) - self._num_sorted > _MOST_TAIL:
            self._sort()
        return number

    def within(self, point: NDArray[np.float64], radius_m: float) -> NDArray[np.int64]:
        """(k,) numbers, ascending, of the points within a radius of a point (2,)."""
        return self.pairs_within(point[np.newaxis], radius_m)[1]

    def pairs_within(self, points: NDArray[np.float64], radius_m: float) -> Pairs:
        """The same for each of the points (m, 2): all pairs of point and number, in that order."""
        found = [grid.near(points, radius_m) for grid in self._grids]
        asking, in_tail = np.nonzero(self._near_in_tail(points, radius_m))
        found.append((asking, in_tail + self._num_sorted))
        asking, numbers = (np.concatenate(parts) for parts in zip(*found, strict=True))
        order = np.lexsort((numbers, asking))
        return asking[order], numbers[order]

    def count_within(self, points: NDArray[np.float64], radius_m: float) -> NDArray[np.int64]:
        """(m,) how many points lie within a radius of each of the points (m, 2)."""
        count = self._near_in_tail(points, radius_m).sum(axis=1)
        for start in range(0, len(points), _COUNTED_AT_ONCE):
            some = points[start : start + _COUNTED_AT_ONCE]
            for grid in self._grids:
                asking, _ = grid.near(some, radius_m)
                count[start : start + len(some)] += np.bincount(asking, minlength=len(some))
        return np.asarray(count, np.int64)

    @property
    def _num_sorted(self) -> int:
        newest = self._grids[-1]
        return newest.first + len(newest)

    def _near_in_tail(self, points: NDArray[np.float64], radius_m: float) -> NDArray[np.bool_]:
        """(m, t) which of the t points not yet in a grid are near each of the points (m, 2)."""
        offsets = points[:, np.newaxis] - self.points[self._num_sorted :]
        return np.asarray(np.hypot(offsets[..., 0], offsets[..., 1]) <= radius_m)

    def _sort(self) -> None:
        """Build a grid of the newest points, merged with earlier grids that are not larger."""
        first = self._num_sorted
        while self._grids and len(self._grids[-1]) <= min(len(self) - first, _LARGEST_MERGED):
            first = self._grids.pop().first
        self._grids.append(_Grid(first, self.points[first:]))


class LocatedPlaces:
    """Keyframes with a position, numbered in the order in which it became known.

    Attributes:
        near: finds numbers by position.
    """

    def __init__(self, positions: NDArray[np.float64], yaws: NDArray[np.float64]) -> None:
        """Start with those of N keyframes that have a position.

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
        """Add a row, unless its position (3,) is unknown (NaN)."""
        if np.isfinite(position_m).all():
            self.near.add(position_m[:2])
            self._rows.append(row)
            self._yaws.append(yaw_rad)

    def rows_within(self, position_m: NDArray[np.float64], radius_m: float) -> NDArray[np.int64]:
        """(k,) rows, ascending, within a horizontal distance of a position (2,) or (3,)."""
        return np.sort(self.rows[self.near.within(position_m[:2], radius_m)])
