"""How the query's camera and a keyframe's stand to each other, as far as two images tell."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.camera import BODY_R_OPTICAL
from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.geodesy import rotation_to_quaternion
from ghost_vpr_ros.core.verification.two_view import Motion

_LARGEST_ANGLE_VARIANCE_RAD2 = math.pi**2 / 3.0
"""Variance of an angle of which nothing is known."""


@dataclass(frozen=True)
class RelativePose:
    """Pose of the query camera's body frame in the keyframe's body frame, up to scale.

    Attributes:
        keyframe_R_query: (3, 3) float64 rotation.
        direction: (3,) float64 unit vector to the query camera; None where the views differ by
            a rotation only.
        rotation_covariance: (3, 3) rad^2 about x, y, z of the keyframe's frame.
        direction_covariance: (3, 3) rad^2 of the unit direction, 0 along it.
        is_calibrated: False where the camera was assumed: the angles are rough.
    """

    keyframe_R_query: NDArray[np.float64]
    direction: NDArray[np.float64] | None
    rotation_covariance: NDArray[np.float64]
    direction_covariance: NDArray[np.float64]
    is_calibrated: bool

    def pose(self, distance_m: float, deviation_m: float) -> Pose:
        """In the keyframe's body frame, with a distance from odometry, the map or an assumption.

        Without a direction the position is the keyframe's, uncertain in every direction.

        Args:
            distance_m: between the two cameras, metres.
            deviation_m: standard deviation of that distance, metres.
        """
        covariance = np.zeros((6, 6))
        covariance[3:, 3:] = self.rotation_covariance
        quaternion = rotation_to_quaternion(self.keyframe_R_query)
        if self.direction is None:
            covariance[:3, :3] = (distance_m**2 + deviation_m**2) * np.eye(3)
            return Pose(np.zeros(3), quaternion, covariance)
        square_m2 = distance_m**2 + deviation_m**2
        covariance[:3, :3] = square_m2 * self.direction_covariance
        covariance[:3, :3] += deviation_m**2 * np.outer(self.direction, self.direction)
        return Pose(distance_m * self.direction, quaternion, covariance)


def in_body_frames(motion: Motion, extra_rad: float, is_calibrated: bool) -> RelativePose:
    """From optical to body frames; `extra_rad` is what an assumed camera adds to each angle."""
    turn = BODY_R_OPTICAL
    rotation = turn @ motion.keyframe_R_query @ turn.T
    about = turn @ motion.rotation_covariance @ turn.T + extra_rad**2 * np.eye(3)
    direction = None if motion.direction is None else turn @ motion.direction
    across = np.zeros((3, 3))
    if direction is not None:
        across = turn @ motion.direction_covariance @ turn.T
        across += extra_rad**2 * (np.eye(3) - np.outer(direction, direction))
    return RelativePose(rotation, direction, _bounded(about), _bounded(across), is_calibrated)


def _bounded(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Symmetric, and no variance larger than that of an angle of which nothing is known."""
    values, vectors = np.linalg.eigh(0.5 * (covariance + covariance.T))
    root = vectors * np.sqrt(np.clip(values, 0.0, _LARGEST_ANGLE_VARIANCE_RAD2))
    return np.asarray(root @ root.T)
