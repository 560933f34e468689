"""From an accepted answer to the pose of the query camera in the frame of a keyframe."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ghost_vpr_ros.core.datatypes import Keyframe, LoopClosure, Pose
from ghost_vpr_ros.core.recognition.pose_estimate import UNKNOWN_HEADING_VARIANCE_RAD2
from ghost_vpr_ros.core.verification.geometric import VerifiedCandidate


def make_closure(
    stamp_ns: int, keyframe: Keyframe, map_T_query: Pose | None, checked: VerifiedCandidate | None
) -> LoopClosure | None:
    """The closure of an accepted answer; None where the map has no position of the keyframe.

    Local features tell rotation and direction, the map tells the distance. Where only one of
    them is there, the covariance says what the other would have told.

    Args:
        stamp_ns: of the query image.
        keyframe: that it saw again.
        map_T_query: the answer's estimate with its covariance.
        checked: geometric verification of this keyframe; None where it did not run.
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
    """The estimate seen from the keyframe; None where the keyframe's position is not known."""
    here = keyframe.pose
    if here is None or not here.has_position or map_T_query is None:
        return None
    assert map_T_query.covariance is not None
    offset = map_T_query.position_m - here.position_m
    if here.quaternion_xyzw is None or map_T_query.quaternion_xyzw is None:
        return _in_some_direction(offset, map_T_query.covariance)
    map_R_keyframe = Rotation.from_quat(here.quaternion_xyzw)
    turn = map_R_keyframe.inv() * Rotation.from_quat(map_T_query.quaternion_xyzw)
    keyframe_R_map = map_R_keyframe.inv().as_matrix()
    covariance = _turned(map_T_query.covariance, keyframe_R_map)
    return Pose(keyframe_R_map @ offset, np.asarray(turn.as_quat(canonical=True)), covariance)


def _in_some_direction(offset: NDArray[np.float64], map_covariance: NDArray[np.float64]) -> Pose:
    """Where the keyframe is, give or take how far off the estimate is; any heading."""
    covariance = np.zeros((6, 6))
    spread_m2 = float(np.linalg.eigvalsh(map_covariance[:3, :3])[-1] + offset @ offset)
    covariance[:3, :3] = spread_m2 * np.eye(3)
    covariance[3:, 3:] = UNKNOWN_HEADING_VARIANCE_RAD2 * np.eye(3)
    return Pose(np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]), covariance)


def _turned(covariance: NDArray[np.float64], rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """A pose's covariance (6, 6) seen from axes turned by a (3, 3) rotation."""
    both = np.kron(np.eye(2), rotation)
    turned = both @ covariance @ both.T
    return np.asarray(0.5 * (turned + turned.T))
