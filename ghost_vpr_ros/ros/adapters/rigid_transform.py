"""Rigid transforms as (4, 4) float64 matrices, and the propagation of covariances.

A covariance is that of geometry_msgs/PoseWithCovariance for a transform `a_T_b`: row-major in the
order x, y, z (m^2), roll, pitch, yaw (rad^2), all about the axes of the frame `a`: the true
translation is t + dt, the true rotation exp([dr]) R.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghost_vpr_ros.core.poses import rotation_to_quaternion

Matrix = NDArray[np.float64]

_SMALLEST_SHARE = 1e-12
"""A direction with so small a share of the largest variance is taken to be singular."""


def inverse(a_T_b: Matrix) -> Matrix:
    """`b_T_a`, exactly rigid where the argument is."""
    matrix = np.eye(4)
    matrix[:3, :3] = a_T_b[:3, :3].T
    matrix[:3, 3] = -a_T_b[:3, :3].T @ a_T_b[:3, 3]
    return matrix


def write_translation(matrix: Matrix, message: Any) -> None:
    """Write to a Point or Vector3, metres."""
    message.x, message.y, message.z = map(float, matrix[:3, 3])


def write_rotation(matrix: Matrix, message: Any) -> None:
    """Write to a Quaternion, unit length."""
    quaternion = rotation_to_quaternion(matrix[:3, :3])
    message.x, message.y, message.z, message.w = map(float, quaternion)


def cross_matrix(vector: ArrayLike) -> Matrix:
    """(3, 3) matrix [v] with [v] w = v x w."""
    x, y, z = np.asarray(vector, np.float64)
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def is_covariance(matrix: Matrix) -> bool:
    """Whether it is finite, symmetric, and positive in every direction."""
    if not np.isfinite(matrix).all() or not np.allclose(matrix, matrix.T, rtol=1e-6, atol=1e-12):
        return False
    variances = np.linalg.eigvalsh(matrix)
    return bool(variances[0] > _SMALLEST_SHARE * max(variances[-1], 0.0))


def moved_covariance(before: Matrix, a_T_b: Matrix, after: Matrix, covariance: Matrix) -> Matrix:
    """(6, 6) of `before @ a_T_b @ after`, where `before` and `after` are exact.

    With R' = R_before R and d = R_before R t_after the error of the translation becomes
    R_before dt + (R_before dr) x d, that of the rotation R_before dr.
    """
    rotation = before[:3, :3]
    lever_m = rotation @ a_T_b[:3, :3] @ after[:3, 3]
    jacobian = np.zeros((6, 6))
    jacobian[:3, :3] = jacobian[3:, 3:] = rotation
    jacobian[:3, 3:] = -cross_matrix(lever_m) @ rotation
    return jacobian @ covariance @ jacobian.T
