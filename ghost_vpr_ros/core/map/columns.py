"""Columns of a map's keyframes: what is kept in memory of all of them, whatever their number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.poses import quaternion_to_yaw

SELECT_COLUMNS = (
    'SELECT session_id, x_m, y_m, z_m, qx, qy, qz, qw FROM keyframes'
    ' WHERE keyframe_id BETWEEN ? AND ? ORDER BY keyframe_id'
)
"""Rows of it are what `columns_of` takes."""


class Columns(NamedTuple):
    """Columns of N keyframes, one array each.

    Attributes:
        positions: (N, 3) float64 map frame, metres; NaN where unknown.
        yaws: (N,) float64 headings in the map frame, radians from east; NaN where unknown.
        sessions: (N,) int32 numbers of their sessions.
    """

    positions: NDArray[np.float64]
    yaws: NDArray[np.float64]
    sessions: NDArray[np.int32]


def columns_of(found: Sequence[tuple[Any, ...]]) -> Columns:
    """Of the rows that the query gives, in their order."""
    yaws = [
        np.nan if x_m is None or quaternion[0] is None else quaternion_to_yaw(quaternion)
        for _, x_m, _, _, *quaternion in found
    ]
    positions = np.array([values[1:4] for values in found], np.float64).reshape(-1, 3)
    sessions = np.array([values[0] for values in found], np.int32)
    return Columns(positions, np.array(yaws, np.float64), sessions)
