"""Where the odometry's frame lies in the map, from closures of which some may be wrong."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.poses import rotation_about_z

MOST_POINTS = 60
"""More closures are thinned out evenly: every pair of them is tried."""
LEAST_BASELINE_M = 5.0
TOLERANCE_M = 15.0


def map_T_odometry(
    odometry: NDArray[np.float64], places: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(4, 4) level transform on which most pairs of points agree within `TOLERANCE_M`.

    Each two closures give a yaw and an offset; the one that brings most odometry positions to
    their place wins. Where all lie closer together than `LEAST_BASELINE_M` the yaw stays 0.

    Args:
        odometry: (n, 3) positions in the odometry frame, n >= 1.
        places: (n, 3) where the map has them.
    """
    chosen = np.unique(np.linspace(0, len(odometry) - 1, MOST_POINTS).astype(np.int64))
    start, end = odometry[chosen], places[chosen]
    best, most = _moved(0.0, start[0], end[0]), -1
    for i, j in itertools.combinations(range(len(chosen)), 2):
        step, place_step = (start[j] - start[i])[:2], (end[j] - end[i])[:2]
        lengths = np.linalg.norm(step), np.linalg.norm(place_step)
        if min(lengths) < LEAST_BASELINE_M or abs(lengths[0] - lengths[1]) > TOLERANCE_M:
            continue
        yaw = np.arctan2(place_step[1], place_step[0]) - np.arctan2(step[1], step[0])
        transform = _moved(float(yaw), start[i], end[i])
        moved = start @ transform[:3, :3].T + transform[:3, 3]
        agreeing = int((np.linalg.norm((moved - end)[:, :2], axis=1) <= TOLERANCE_M).sum())
        if agreeing > most:
            best, most = transform, agreeing
    return best


def _moved(
    yaw_rad: float, start: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The level transform with this yaw that brings one point (3,) to another."""
    transform = rotation_about_z(yaw_rad)
    transform[:3, 3] = end - transform[:3, :3] @ start
    return transform
