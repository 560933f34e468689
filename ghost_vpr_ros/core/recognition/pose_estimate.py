"""Where the camera is, and how surely, from the candidates that agree with the best one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import Candidate, GeoPoint, Pose
from ghost_vpr_ros.core.geodesy import LocalFrame, horizontal_distance_m, quaternion_to_yaw
from ghost_vpr_ros.core.recognition.candidates import positions_of

UNKNOWN_HEADING_VARIANCE_RAD2 = math.pi**2 / 3.0
"""Variance of a heading of which nothing is known: uniform over the circle."""
_SIMILARITY_SCALE = 0.02
"""Less similar by this, and a keyframe counts a third; found on sample towns, by
`benchmarks/closures.py`: error 1.1 m in place of 1.8 m with equal shares by probability."""

UNKNOWN_HEIGHT_VARIANCE_M2 = 1e4
"""Variance of a height of which nothing is known: a filter must not follow it."""


def estimate_pose(candidates: Sequence[Candidate], config: RecognizerConfig) -> Pose | None:
    """Pose in the map frame with its (6, 6) covariance; None if the best has no position.

    Position and covariance are mean and scatter, weighted by their similarity, of the candidates
    within `group_radius_m` of the best one, plus the floor. Roll and pitch get the
    heading's floor. The orientation is the best candidate's; its spread comes from the same group.
    """
    if not candidates or candidates[0].keyframe.pose is None:
        return None
    positions = positions_of([c.keyframe for c in candidates])
    near = horizontal_distance_m(positions, positions[0]) <= config.group_radius_m
    group = [c for c, is_near in zip(candidates, near, strict=True) if is_near]
    weights = _weights(group)
    mean = weights @ positions[near]
    offsets = positions[near] - mean
    covariance = np.zeros((6, 6))
    # A matrix times itself: symmetric to the last bit, which filters check.
    spread = np.sqrt(weights)[:, np.newaxis] * offsets
    covariance[:3, :3] = spread.T @ spread
    covariance[:3, :3] += config.position_floor_m**2 * np.eye(3)
    covariance[2, 2] += _height_variance_m2(group)
    covariance[3, 3] = covariance[4, 4] = config.heading_floor_rad**2
    covariance[5, 5] = _yaw_variance_rad2(group, weights) + config.heading_floor_rad**2
    return Pose(mean, candidates[0].keyframe.pose.quaternion_xyzw, covariance)


def geo_of(
    pose: Pose | None, candidates: Sequence[Candidate], local_frame: LocalFrame | None
) -> GeoPoint | None:
    """The pose in WGS84, for maps in ENU; its altitude as far as the best one's is known."""
    if pose is None or local_frame is None:
        return None
    point, best = local_frame.point_to_geo(pose.position_m), candidates[0].keyframe.geo
    is_flat = best is not None and best.altitude_m is None
    return replace(point, altitude_m=None) if is_flat else point


def _height_variance_m2(group: Sequence[Candidate]) -> float:
    """0, or that of an unknown height where a geotag of the group lacks the altitude."""
    geotags = [c.keyframe.geo for c in group if c.keyframe.geo is not None]
    is_unknown = any(geo.altitude_m is None for geo in geotags)
    return UNKNOWN_HEIGHT_VARIANCE_M2 if is_unknown else 0.0


def _weights(group: Sequence[Candidate]) -> NDArray[np.float64]:
    """(n,) shares that sum to 1: the most similar keyframes are the nearest ones."""
    similarity = np.array([c.similarity for c in group])
    shares = np.exp((similarity - similarity.max()) / _SIMILARITY_SCALE)
    return np.asarray(shares / shares.sum())


def _yaw_variance_rad2(group: Sequence[Candidate], weights: NDArray[np.float64]) -> float:
    """Circular variance about the best candidate's yaw, at most that of an unknown heading."""
    quaternions = [
        None if c.keyframe.pose is None else c.keyframe.pose.quaternion_xyzw for c in group
    ]
    if quaternions[0] is None:
        return UNKNOWN_HEADING_VARIANCE_RAD2
    yaws = [
        (quaternion_to_yaw(q), w)
        for q, w in zip(quaternions, weights, strict=True)
        if q is not None
    ]
    offsets = np.array([yaw - yaws[0][0] for yaw, _ in yaws])
    shares = np.array([w for _, w in yaws])
    wrapped = np.arctan2(np.sin(offsets), np.cos(offsets))
    return min(float(shares @ wrapped**2 / shares.sum()), UNKNOWN_HEADING_VARIANCE_RAD2)
