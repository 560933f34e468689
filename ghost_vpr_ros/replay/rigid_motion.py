"""(4, 4) matrices as poses, and their products over a whole trajectory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.geodesy import rotation_to_quaternion


def pose_of(matrix: NDArray[np.float64]) -> Pose:
    """The pose of a (4, 4) matrix."""
    return Pose(matrix[:3, 3].copy(), rotation_to_quaternion(matrix[:3, :3]))


def rotation_about_z(angle_rad: float) -> NDArray[np.float64]:
    """(4, 4) turn about the vertical axis, counter-clockwise."""
    matrix = np.eye(4)
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    matrix[:2, :2] = [[c, -s], [s, c]]
    return matrix


def steps_of(poses: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N - 1, 4, 4) motions from each of N poses (N, 4, 4) to the next, in the former's frame."""
    return np.asarray(np.linalg.inv(poses[:-1]) @ poses[1:])


def travelled_m(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) metres driven up to each of the positions (N, 3); NaN rows count as standing still."""
    known = np.isfinite(positions).all(axis=1)
    lengths = np.linalg.norm(np.diff(positions[known], axis=0), axis=1)
    along = np.zeros(len(positions))
    along[np.flatnonzero(known)[1:]] = lengths
    return np.cumsum(along)
