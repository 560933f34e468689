"""Two views of one scene: the matches that agree with one motion, and that motion.

If the camera is known, points are pixels of an undistorted camera with its principal point at 0;
otherwise they are plain pixels. `keyframe_R_query` takes vectors of the query's frame to the
keyframe's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.camera import BODY_R_OPTICAL
from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.poses import rotation_to_quaternion

Array = NDArray[np.float64]

_CONFIDENCE = 0.999

_ITERATIONS = 1000

_LEAST_POINTS = 8

_STEP = 1e-6

_REFINEMENTS = 5

_ROTATION_ROUNDS = 5

_LARGEST_ANGLE_VARIANCE_RAD2 = math.pi**2 / 3.0
"""Variance of an unknown angle."""


@dataclass(frozen=True)
class Motion:
    """Relative pose up to scale, in optical frames.

    Attributes:
        keyframe_R_query: (3, 3) rotation.
        direction: (3,) unit vector to the query's camera in the keyframe's frame; None where the
            views differ by a rotation only, so that the direction is unknown.
        rotation_covariance: (3, 3) rad^2, about the axes of the keyframe's frame.
        direction_covariance: (3, 3) of the unit direction, rad^2; 0 along it.
    """

    keyframe_R_query: Array
    direction: Array | None
    rotation_covariance: Array
    direction_covariance: Array


def consistent_matches(query: Array, keyframe: Array, threshold_px: float) -> NDArray[np.bool_]:
    """(M,) which of the matches (M, 2) and (M, 2) agree with one fundamental matrix (MAGSAC++).

    No calibration is needed, and right and wrong pairs are separated no worse than by the
    essential matrix.
    """
    if len(query) < _LEAST_POINTS:
        return np.zeros(len(query), bool)
    try:
        _, mask = cv2.findFundamentalMat(
            query, keyframe, cv2.USAC_MAGSAC, threshold_px, _CONFIDENCE, _ITERATIONS
        )
    except cv2.error:
        # OpenCV refuses points that all coincide or lie on a line.
        mask = None
    if mask is None or len(mask) != len(query):
        return np.zeros(len(query), bool)
    return np.asarray(mask.ravel() > 0)


def relative_motion(query: Array, keyframe: Array, threshold: float) -> Motion | None:
    """The motion between consistent normalised points (M, 2) and (M, 2), or None without one.

    Args:
        query: x / z and y / z in the query's optical frame.
        keyframe: of the same points in the keyframe's.
        threshold: in the same unit: pixels by the focal length.
    """
    rotation, share = _rotation_only(query, keyframe, threshold)
    if share >= 0.9:
        covariance = _rotation_covariance(query, threshold)
        return Motion(rotation, None, covariance, np.zeros((3, 3)))
    found = _from_essential(query, keyframe, threshold)
    if found is None:
        return None
    return _refined(*found, threshold)


def _rotation_only(query: Array, keyframe: Array, threshold: float) -> tuple[Array, float]:
    """The rotation that aligns most bearings, and the share that it explains.

    Kabsch's solution, iterated on the points that it explains best (trimmed least squares).
    """
    a, b = _bearings(query), _bearings(keyframe)
    kept = np.ones(len(a), bool)
    for _ in range(_ROTATION_ROUNDS):
        u, _, vt = np.linalg.svd(b[kept].T @ a[kept])
        rotation = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
        error = np.linalg.norm(a @ rotation.T - b, axis=1)
        kept = error <= max(threshold, float(np.median(error)))
    return rotation, float((error <= threshold).mean())


def _rotation_covariance(query: Array, noise: float) -> Array:
    """(3, 3) covariance of a rotation from n bearings: noise^2 (n I - sum b b^T)^-1."""
    bearings = _bearings(query)
    information = len(bearings) * np.eye(3) - bearings.T @ bearings
    return np.asarray(noise**2 * np.linalg.pinv(information))


def _from_essential(
    query: Array, keyframe: Array, threshold: float
) -> tuple[Array, Array, Array, Array] | None:
    """Rotation, direction, and the points in front of both cameras; needs five points."""
    if len(query) < _LEAST_POINTS:
        return None
    eye = np.eye(3)
    try:
        essential, mask = cv2.findEssentialMat(
            query, keyframe, eye, cv2.USAC_MAGSAC, _CONFIDENCE, threshold
        )
        if essential is None or essential.shape != (3, 3):
            return None
        _, rotation, direction, mask = cv2.recoverPose(
            essential, query, keyframe, eye, distanceThresh=1e3, mask=mask
        )[:4]
    except cv2.error:
        return None
    in_front = mask.ravel() > 0
    if in_front.sum() < _LEAST_POINTS:
        return None
    turn, way = np.asarray(rotation, np.float64), np.asarray(direction, np.float64).ravel()
    return turn, way, query[in_front], keyframe[in_front]


def _refined(
    rotation: Array, direction: Array, query: Array, keyframe: Array, noise: float
) -> Motion:
    """Gauss-Newton on the Sampson error, and the covariance of its minimum."""
    a, b = _homogeneous(query), _homogeneous(keyframe)
    residual = _sampson(rotation, direction, a, b)
    for _ in range(_REFINEMENTS):
        jacobian = _jacobian(rotation, direction, a, b)
        step = np.asarray(-np.linalg.lstsq(jacobian, residual, rcond=1e-9)[0], np.float64)
        moved = _moved(rotation, direction, step)
        error = _sampson(*moved, a, b)
        if error @ error >= residual @ residual:
            break
        (rotation, direction), residual = moved, error
    jacobian = _jacobian(rotation, direction, a, b)
    # No feature is located better than to a third of the threshold.
    variance = max(float(residual @ residual) / max(len(a) - 5, 1), (noise / 3.0) ** 2)
    covariance = variance * np.linalg.pinv(jacobian.T @ jacobian, rcond=1e-12, hermitian=True)
    basis = _tangents(direction)
    across = np.asarray(basis @ covariance[3:, 3:] @ basis.T, np.float64)
    return Motion(rotation, direction, np.asarray(covariance[:3, :3], np.float64), across)


def _sampson(rotation: Array, direction: Array, a: Array, b: Array) -> Array:
    """(M,) first-order geometric error (Hartley and Zisserman, equation 11.9, its root)."""
    essential = cross_matrix(direction) @ rotation
    lines_b, lines_a = a @ essential.T, b @ essential
    slope = (lines_b[:, :2] ** 2).sum(axis=1) + (lines_a[:, :2] ** 2).sum(axis=1)
    return np.asarray((b * lines_b).sum(axis=1) / np.sqrt(np.maximum(slope, 1e-24)))


def _jacobian(rotation: Array, direction: Array, a: Array, b: Array) -> Array:
    """(M, 5) central differences over the rotation's three and the direction's two numbers."""
    columns = []
    for step in _STEP * np.eye(5):
        ahead = _sampson(*_moved(rotation, direction, step), a, b)
        behind = _sampson(*_moved(rotation, direction, -step), a, b)
        columns.append((ahead - behind) / (2.0 * _STEP))
    return np.stack(columns, axis=1)


def _moved(rotation: Array, direction: Array, step: Array) -> tuple[Array, Array]:
    turned = cv2.Rodrigues(step[:3])[0] @ rotation
    moved = direction + _tangents(direction) @ step[3:]
    return turned, moved / np.linalg.norm(moved)


def _tangents(direction: Array) -> Array:
    """(3, 2) two unit vectors across a unit direction."""
    return np.linalg.svd(direction[np.newaxis])[2][1:].T


def cross_matrix(vector: Array) -> Array:
    """(3, 3) matrix of the cross product with a vector (3,)."""
    x, y, z = vector
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


@dataclass(frozen=True)
class RelativePose:
    """Pose of the query camera's body frame in the keyframe's body frame, up to scale.

    Attributes:
        keyframe_R_query: (3, 3) float64 rotation.
        direction: (3,) float64 unit vector to the query camera; None where the views differ by
            a rotation only.
        rotation_covariance: (3, 3) rad^2 about x, y, z of the keyframe's frame.
        direction_covariance: (3, 3) rad^2 of the unit direction, 0 along it.
        is_calibrated: False if the camera was assumed: the angles are rough.
    """

    keyframe_R_query: NDArray[np.float64]
    direction: NDArray[np.float64] | None
    rotation_covariance: NDArray[np.float64]
    direction_covariance: NDArray[np.float64]
    is_calibrated: bool

    def pose(self, distance_m: float, deviation_m: float) -> Pose:
        """In the keyframe's body frame, with a distance from odometry, the map or an assumption.

        Without a direction the position is that of the keyframe, uncertain in every direction.

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
    """Symmetric, and no variance larger than that of an unknown angle."""
    values, vectors = np.linalg.eigh(0.5 * (covariance + covariance.T))
    root = vectors * np.sqrt(np.clip(values, 0.0, _LARGEST_ANGLE_VARIANCE_RAD2))
    return np.asarray(root @ root.T)


def _bearings(points: Array) -> Array:
    """(N, 3) unit vectors towards points (N, 2)."""
    rays = _homogeneous(points)
    return np.asarray(rays / np.linalg.norm(rays, axis=1, keepdims=True))


def _homogeneous(points: Array) -> Array:
    """(N, 3): points (N, 2) with a 1 appended."""
    return np.column_stack([points, np.ones(len(points))])
