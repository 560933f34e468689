"""Poses as (4, 4) matrices and back, and their products over a whole trajectory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Pose


def matrix_of(pose: Pose) -> NDArray[np.float64]:
    """(4, 4) matrix of a pose; an unknown orientation is taken to be level and along x."""
    x, y, z, w = np.array([0.0, 0, 0, 1]) if pose.quaternion_xyzw is None else pose.quaternion_xyzw
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, 3] = pose.position_m
    return matrix


def quaternion_of(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """(4,) unit quaternion x, y, z, w with w >= 0 of a (3, 3) rotation (Bar-Itzhack 2000)."""
    r = rotation
    k = np.array(
        [
            [r[0, 0] - r[1, 1] - r[2, 2], 0, 0, 0],
            [r[1, 0] + r[0, 1], r[1, 1] - r[0, 0] - r[2, 2], 0, 0],
            [r[2, 0] + r[0, 2], r[2, 1] + r[1, 2], r[2, 2] - r[0, 0] - r[1, 1], 0],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], np.trace(r)],
        ]
    )
    # eigh reads the lower triangle; the eigenvector of the largest eigenvalue comes last.
    quaternion = np.linalg.eigh(k)[1][:, -1]
    return np.asarray(quaternion if quaternion[3] >= 0 else -quaternion)


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
