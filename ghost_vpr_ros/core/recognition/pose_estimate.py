"""Where the camera is: its pose in the map with a covariance, and its loop closure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import Candidate, GeoPoint, Keyframe, LoopClosure, Pose
from ghost_vpr_ros.core.geodesy import LocalFrame, horizontal_distance_m
from ghost_vpr_ros.core.poses import (
    quaternion_to_rotation,
    quaternion_to_yaw,
    rotation_to_quaternion,
    turned_covariance,
)
from ghost_vpr_ros.core.recognition.candidates import positions_of
from ghost_vpr_ros.core.verification.geometric import VerifiedCandidate

UNKNOWN_HEADING_VARIANCE_RAD2 = math.pi**2 / 3.0
"""Variance of an unknown heading: uniform over the circle."""

_SIMILARITY_SCALE = 0.02
"""Less similar by this, and a keyframe counts a third; found on sample towns, by
`benchmarks/closures.py`: error 1.1 m instead of 1.8 m with equal shares by probability."""

UNKNOWN_HEIGHT_VARIANCE_M2 = 1e4
"""Variance of an unknown height: filters must not follow it."""

_ALIKE_SHARE = 0.7
"""Of the inliers of the best place: a tunnel of one image and noise has 0.9 and more elsewhere."""


def estimate_pose(candidates: Sequence[Candidate], config: RecognizerConfig) -> Pose | None:
    """Pose in the map frame with its (6, 6) covariance; None if the best one has no position.

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
    # A matrix times itself is exactly symmetric, which filters check.
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
    """The pose in WGS84, for maps in ENU; with an altitude if that of the best one is known."""
    if pose is None or local_frame is None:
        return None
    point, best = local_frame.point_to_geo(pose.position_m), candidates[0].keyframe.geo
    is_flat = best is not None and best.altitude_m is None
    return replace(point, altitude_m=None) if is_flat else point


def _height_variance_m2(group: Sequence[Candidate]) -> float:
    """0, or the variance of an unknown height if a geotag of the group lacks the altitude."""
    geotags = [c.keyframe.geo for c in group if c.keyframe.geo is not None]
    is_unknown = any(geo.altitude_m is None for geo in geotags)
    return UNKNOWN_HEIGHT_VARIANCE_M2 if is_unknown else 0.0


def _weights(group: Sequence[Candidate]) -> NDArray[np.float64]:
    """(n,) weights that sum to 1: the most similar keyframes are usually the nearest."""
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


def make_closure(
    stamp_ns: int, keyframe: Keyframe, map_T_query: Pose | None, checked: VerifiedCandidate | None
) -> LoopClosure | None:
    """The closure of an accepted answer; None if the position of the keyframe is unknown.

    Local features give rotation and direction, the map gives the distance. If only one of them is
    available, the covariance covers the missing part.

    Args:
        stamp_ns: of the query image.
        keyframe: that the query shows.
        map_T_query: estimated pose of the query camera, with its covariance.
        checked: geometric verification of this keyframe; None if it did not run.
    """
    by_map = _in_frame_of(keyframe, map_T_query)
    if checked is None or checked.relative is None or checked.pose is None:
        return None if by_map is None else LoopClosure(keyframe, stamp_ns, by_map, True)
    inliers = checked.candidate.inliers
    if by_map is None or by_map.covariance is None:
        return LoopClosure(keyframe, stamp_ns, checked.pose, False, inliers)
    distance_m = float(np.linalg.norm(by_map.position_m))
    deviation_m = math.sqrt(float(np.linalg.eigvalsh(by_map.covariance[:3, :3])[-1]))
    pose = checked.relative.pose(distance_m, deviation_m)
    return LoopClosure(keyframe, stamp_ns, pose, True, inliers)


def best_checked(checked: Sequence[VerifiedCandidate]) -> VerifiedCandidate | None:
    """The verified candidate with the most inliers whose relative pose is known, or None."""
    verified = [item for item in checked if item.is_verified]
    in_order = sorted(verified, key=lambda item: item.candidate.inliers, reverse=True)
    return next((item for item in in_order if item.relative is not None), None)


def _in_frame_of(keyframe: Keyframe, map_T_query: Pose | None) -> Pose | None:
    """The estimate relative to the keyframe; None if the keyframe has no position."""
    here = keyframe.pose
    if here is None or not here.has_position or map_T_query is None:
        return None
    assert map_T_query.covariance is not None
    offset = map_T_query.position_m - here.position_m
    if here.quaternion_xyzw is None or map_T_query.quaternion_xyzw is None:
        return _in_some_direction(offset, map_T_query.covariance)
    keyframe_R_map = quaternion_to_rotation(here.quaternion_xyzw).T
    turn = keyframe_R_map @ quaternion_to_rotation(map_T_query.quaternion_xyzw)
    covariance = turned_covariance(map_T_query.covariance, keyframe_R_map)
    return Pose(keyframe_R_map @ offset, rotation_to_quaternion(turn), covariance)


def _in_some_direction(offset: NDArray[np.float64], map_covariance: NDArray[np.float64]) -> Pose:
    """The position of the keyframe, uncertain by its distance to the estimate; any heading."""
    covariance = np.zeros((6, 6))
    spread_m2 = float(np.linalg.eigvalsh(map_covariance[:3, :3])[-1] + offset @ offset)
    covariance[:3, :3] = spread_m2 * np.eye(3)
    covariance[3:, 3:] = UNKNOWN_HEADING_VARIANCE_RAD2 * np.eye(3)
    return Pose(np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]), covariance)


def rival_of(candidates: Sequence[Candidate], radius_m: float) -> int | None:
    """Number of the first candidate elsewhere than the best one; None if there is none."""
    positions = positions_of([candidate.keyframe for candidate in candidates])
    if len(positions) == 0:
        return None
    far = horizontal_distance_m(positions, positions[0]) > radius_m
    return int(np.argmax(far)) if far.any() else None


def weighed_by_geometry(
    verified: Sequence[VerifiedCandidate], radius_m: float
) -> tuple[Candidate, ...]:
    """The candidates, with the probabilities of the best place updated by geometry.

    A place may have several keyframes, and the best of them decides for all: the odds of the
    candidates within the radius of the first one are multiplied by the largest likelihood ratio of
    those that were verified. If a candidate elsewhere has about as many inliers, everything looks
    alike, as in a tunnel, and inliers are no evidence.

    Args:
        verified: all candidates of a frame, best first; the first one has a position.
        radius_m: keyframes this near to each other show the same place.
    """
    candidates = [item.candidate for item in verified]
    positions = positions_of([candidate.keyframe for candidate in candidates])
    near = horizontal_distance_m(positions, positions[0]) <= radius_m
    known = np.isfinite(positions).all(axis=1)
    inliers = np.array([candidate.inliers for candidate in candidates])
    ratios = np.array([item.likelihood_ratio for item in verified])
    ratio = float(ratios[near & (inliers >= 0)].max(initial=0.0)) or 1.0
    most = inliers[near].max(initial=0)
    rival = inliers[~near & known].max(initial=-1)
    if most > 0 and rival >= _ALIKE_SHARE * most:
        ratio = min(ratio, 1.0)
    return tuple(
        _weighed(candidate, ratio) if is_near else candidate
        for candidate, is_near in zip(candidates, near, strict=True)
    )


def _weighed(candidate: Candidate, ratio: float) -> Candidate:
    probability, by_itself = (
        _times_odds(value, ratio) for value in (candidate.probability, candidate.by_itself)
    )
    return replace(candidate, probability=probability, by_itself=by_itself)


def _times_odds(probability: float, ratio: float) -> float:
    """The probability whose odds are `ratio` times as large; NaN stays NaN."""
    return float(np.float64(probability * ratio) / (probability * ratio + 1.0 - probability))
