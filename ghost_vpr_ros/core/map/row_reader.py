"""What a map tells of chosen rows, so that nobody has to hold all of a large map in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Keyframe
from ghost_vpr_ros.core.geodesy import quaternion_to_yaw
from ghost_vpr_ros.core.map.map_rows import SELECT_KEYFRAMES, descriptors_of, keyframe_from_row
from ghost_vpr_ros.core.map.reader import MapReader
from ghost_vpr_ros.core.map.schema import damaged

_MOST_AT_ONCE = 10_000
"""Rows of one query."""

_SELECT_COLUMNS = (
    'SELECT session_id, x_m, y_m, z_m, qx, qy, qz, qw FROM keyframes'
    ' WHERE keyframe_id BETWEEN ? AND ? ORDER BY keyframe_id'
)
_SELECT_DESCRIPTORS = 'SELECT keyframe_id, descriptor FROM descriptors WHERE keyframe_id'


class Columns(NamedTuple):
    """What is known of N keyframes, one array each.

    Attributes:
        positions: (N, 3) float64 map frame, metres; NaN where unknown.
        yaws: (N,) float64 headings in the map frame, radians from east; NaN where unknown.
        sessions: (N,) int32 numbers of their sessions.
    """

    positions: NDArray[np.float64]
    yaws: NDArray[np.float64]
    sessions: NDArray[np.int32]


class RowReader(MapReader):
    """A map by rows; row i is row i of `descriptors()`."""

    def columns(self) -> Columns:
        """Of all rows; read piece by piece."""
        parts = [_columns_of([])]
        for start in range(0, len(self), _MOST_AT_ONCE):
            parts.append(_columns_of(self._between(_SELECT_COLUMNS, start)))
        return Columns(*map(np.concatenate, zip(*parts, strict=True)))

    def keyframes_at(self, rows: NDArray[np.int64]) -> list[Keyframe]:
        """The keyframes of rows (n,), in their order."""
        found = self._chosen(f'{SELECT_KEYFRAMES} WHERE keyframe_id', rows)
        return [keyframe_from_row(values) for values in found]

    def descriptors_at(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, D) float32, unit norm, of rows (n,), in their order.

        Raises:
            MapError: the file was damaged since it was opened.
        """
        found = self._chosen(_SELECT_DESCRIPTORS, rows)
        return self._descriptors_of([descriptor for _, descriptor in found])

    def descriptor_blocks(self, first: int = 0) -> Iterator[NDArray[np.float32]]:
        """All descriptors from a row on, in row order, (n, D) float32 at a time.

        Raises:
            MapError: the file was damaged since it was opened.
        """
        sql = f'{_SELECT_DESCRIPTORS} BETWEEN ? AND ? ORDER BY keyframe_id'
        for start in range(first, len(self), _MOST_AT_ONCE):
            found = self._between(sql, start)
            yield self._descriptors_of([descriptor for _, descriptor in found])

    def row_of(self, keyframe_id: int) -> int:
        """The row of a keyframe of this map."""
        if self._has_no_gap:
            return keyframe_id - 1
        return int(np.searchsorted(self.keyframe_ids(), keyframe_id))

    def session_number(self, name: str) -> int:
        """What stands for a session in `Columns`."""
        return self._sessions[name]

    @property
    def _has_no_gap(self) -> bool:
        # Ids begin at 1 and grow: when there are as many as the last one says, none is missing.
        return self._last_id == self._count

    def _ids_at(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return rows + 1 if self._has_no_gap else self.keyframe_ids()[rows]

    def _between(self, sql: str, start: int) -> list[tuple[Any, ...]]:
        """What is found of the next rows from `start` on."""
        stop = min(start + _MOST_AT_ONCE, len(self))
        found = self._all(sql, self._ids_at(np.array([start, stop - 1])).tolist())
        if len(found) != stop - start:
            raise damaged(self.path, f'{stop - start - len(found)} rows are missing')
        return found

    def _chosen(self, sql: str, rows: NDArray[np.int64]) -> list[tuple[Any, ...]]:
        """What is found of rows (n,), in their order; the first column is the keyframe's id."""
        ids = self._ids_at(rows).tolist()
        found: dict[int, tuple[Any, ...]] = {}
        for start in range(0, len(ids), _MOST_AT_ONCE):
            part = ids[start : start + _MOST_AT_ONCE]
            marks = ','.join('?' * len(part))
            found |= {values[0]: values for values in self._all(f'{sql} IN ({marks})', part)}
        if not found.keys() >= set(ids):
            raise damaged(self.path, 'rows are missing')
        return [found[keyframe_id] for keyframe_id in ids]

    def _descriptors_of(self, blobs: Sequence[bytes]) -> NDArray[np.float32]:
        try:
            return descriptors_of(blobs, self.descriptor_dim)
        except ValueError as error:
            raise damaged(self.path, f'descriptors ({error})') from error


def _columns_of(found: Sequence[tuple[Any, ...]]) -> Columns:
    yaws = [
        np.nan if x_m is None or quaternion[0] is None else quaternion_to_yaw(quaternion)
        for _, x_m, _, _, *quaternion in found
    ]
    positions = np.array([values[1:4] for values in found], np.float64).reshape(-1, 3)
    sessions = np.array([values[0] for values in found], np.int32)
    return Columns(positions, np.array(yaws, np.float64), sessions)
