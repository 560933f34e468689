"""The keyframes that have a position, found by it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.recognition.growing_rows import GrowingRows
from ghost_vpr_ros.core.recognition.near_points import NearPoints


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
