"""The keyframes that can answer: arrays of what every frame needs, the rest on demand.

A million `Keyframe` objects would take a gigabyte and half a minute; a frame looks at ten of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Keyframe
from ghost_vpr_ros.core.map.row_reader import Columns, RowReader
from ghost_vpr_ros.core.recognition.candidates import positions_of, yaws_of
from ghost_vpr_ros.core.recognition.growing_rows import GrowingRows

_MOST_REMEMBERED = 4096


class KeyframeRows:
    """The first rows of a map; row i is row i of the map."""

    def __init__(self, place_map: RowReader, columns: Columns) -> None:
        """Know the rows that the map has now; the columns are those of this map."""
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
        """Know the next row of the map; returns its number."""
        row = self._positions.append(positions_of([keyframe])[0])
        self._yaws.append(yaws_of([keyframe])[0])
        self._sessions.append(self._map.session_number(keyframe.session))
        self._remembered[row] = keyframe
        return row

    def replace(self, keyframe: Keyframe) -> int:
        """Take over what became known of a keyframe; returns its row."""
        row = self._map.row_of(keyframe.keyframe_id)
        self.positions[row] = positions_of([keyframe])[0]
        self.yaws[row] = yaws_of([keyframe])[0]
        self._remembered.pop(row, None)
        return row
