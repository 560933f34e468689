"""Headings, quaternions and rigid motions."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghost_vpr_ros.core.datatypes import Pose


def heading_to_yaw(heading_deg: float) -> float:
    """ENU yaw (radians, -pi .. pi) of a compass heading (0 north, 90 east)."""
    return math.remainder(math.radians(90.0 - heading_deg), math.tau)


def yaw_to_heading(yaw_rad: float) -> float:
    """Compass heading (degrees, 0 up to 360, 0 north, 90 east) of an ENU yaw."""
    return (90.0 - math.degrees(yaw_rad)) % 360.0


def yaw_to_quaternion(yaw_rad: float) -> NDArray[np.float64]:
    """(4,) float64 unit quaternion x, y, z, w of a rotation about the vertical axis."""
    return np.array([0.0, 0.0, math.sin(yaw_rad / 2.0), math.cos(yaw_rad / 2.0)])


def heading_to_quaternion(heading_deg: float) -> NDArray[np.float64]:
    """(4,) float64 unit quaternion x, y, z, w of a level body whose x axis has this heading."""
    return yaw_to_quaternion(heading_to_yaw(heading_deg))


def quaternion_to_yaw(quaternion_xyzw: ArrayLike) -> float:
    """ENU yaw (radians, -pi .. pi) of a body's x axis; roll and pitch do not matter."""
    x, y, z, w = (float(value) for value in np.asarray(quaternion_xyzw))
    return math.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))


def rotation_to_quaternion(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """(4,) unit quaternion x, y, z, w with w >= 0 of a (3, 3) rotation.

    Of the four forms of the solution the one with the largest divisor (Shepperd 1978).
    """
    r = np.asarray(rotation, np.float64)
    diagonal = r.diagonal()
    squares = np.array([*(1.0 + 2.0 * diagonal - diagonal.sum()), 1.0 + diagonal.sum()])
    off = {
        (0, 1): r[1, 0] + r[0, 1], (0, 2): r[0, 2] + r[2, 0], (1, 2): r[2, 1] + r[1, 2],
        (0, 3): r[2, 1] - r[1, 2], (1, 3): r[0, 2] - r[2, 0], (2, 3): r[1, 0] - r[0, 1],
    }  # fmt: skip
    most = int(squares.argmax())
    quaternion = np.array(
        [
            squares[most] if each == most else off[min(each, most), max(each, most)]
            for each in range(4)
        ]
    )
    quaternion /= np.linalg.norm(quaternion)
    return quaternion if quaternion[3] >= 0.0 else -quaternion


def quaternion_to_rotation(quaternion_xyzw: ArrayLike) -> NDArray[np.float64]:
    """(3, 3) rotation of a quaternion x, y, z, w of any length but 0."""
    x, y, z, w = np.asarray(quaternion_xyzw, np.float64) / np.linalg.norm(quaternion_xyzw)
    return np.array(
        [
            [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - z * w), 2.0 * (x * z + y * w)],
            [2.0 * (x * y + z * w), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - x * w)],
            [2.0 * (x * z - y * w), 2.0 * (y * z + x * w), 1.0 - 2.0 * (x * x + y * y)],
        ]
    )


def angle_between(before_xyzw: ArrayLike, after_xyzw: ArrayLike) -> float:
    """The angle (radians, 0 .. pi) of the turn from one orientation to another."""
    before, after = (np.asarray(q, np.float64) for q in (before_xyzw, after_xyzw))
    before, after = before / np.linalg.norm(before), after / np.linalg.norm(after)
    # Of the half angle, exact for small and for large ones: |q1 - q2| and |q1 + q2|.
    near, far = np.linalg.norm(before - after), np.linalg.norm(before + after)
    return 4.0 * math.atan2(min(near, far), max(near, far))


def matrix_of(pose: Pose) -> NDArray[np.float64]:
    """(4, 4) matrix of a pose; an unknown orientation is taken to be level and along x."""
    matrix = np.eye(4)
    if pose.quaternion_xyzw is not None:
        matrix[:3, :3] = quaternion_to_rotation(pose.quaternion_xyzw)
    matrix[:3, 3] = pose.position_m
    return matrix


def pose_of(matrix: NDArray[np.float64]) -> Pose:
    """The pose of a (4, 4) matrix."""
    return Pose(matrix[:3, 3].copy(), rotation_to_quaternion(matrix[:3, :3]))


def turned(yaw_rad: ArrayLike, steps: ArrayLike) -> NDArray[np.float64]:
    """(..., 2) horizontal steps turned counter-clockwise, by one yaw or by (...) of them."""
    cosine, sine = np.cos(yaw_rad), np.sin(yaw_rad)
    x, y = np.moveaxis(np.asarray(steps, np.float64), -1, 0)
    return np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=-1)


def rotation_about_z(angle_rad: float) -> NDArray[np.float64]:
    """(4, 4) turn about the vertical axis, counter-clockwise."""
    matrix = np.eye(4)
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    matrix[:2, :2] = [[c, -s], [s, c]]
    return matrix


def turned_covariance(
    covariance: NDArray[np.float64], rotation: NDArray[np.float64]
) -> NDArray[np.float64]:
    """A pose's covariance (6, 6) about axes that are turned by a (3, 3) rotation."""
    both = np.kron(np.eye(2), rotation)
    turned = both @ covariance @ both.T
    return np.asarray(0.5 * (turned + turned.T))


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
