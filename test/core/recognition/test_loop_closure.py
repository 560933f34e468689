"""Closures worked by hand: a keyframe that looks north, a query 3 m ahead of it."""

import math

import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import Candidate, Keyframe, Pose
from ghost_vpr_ros.core.poses import quaternion_to_yaw, yaw_to_quaternion
from ghost_vpr_ros.core.recognition.pose_estimate import best_checked, make_closure
from ghost_vpr_ros.core.verification.geometric import VerifiedCandidate
from ghost_vpr_ros.core.verification.two_view import RelativePose

NORTH = yaw_to_quaternion(math.pi / 2.0)
HERE = Pose(np.array([10.0, 20.0, 1.0]), NORTH)
COVARIANCE = np.diag([4.0, 9.0, 1.0, 0.01, 0.01, 0.04])
ESTIMATE = Pose(np.array([10.0, 23.0, 1.0]), yaw_to_quaternion(math.pi / 2.0 + 0.1), COVARIANCE)
QUARTER_LEFT = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def keyframe(pose: Pose | None) -> Keyframe:
    return Keyframe(7, 'walk', 5, '7.jpg', pose)


def checked(inliers: int = 30, related: bool = True) -> VerifiedCandidate:
    candidate = Candidate(keyframe(HERE), 0.9, inliers=inliers)
    if not related:
        return VerifiedCandidate(candidate, is_verified=True)
    direction = np.array([0.0, 1.0, 0.0])
    relative = RelativePose(QUARTER_LEFT, direction, 1e-4 * np.eye(3), np.zeros((3, 3)), True)
    return VerifiedCandidate(candidate, is_verified=True, tell_relative=lambda: relative)


def test_by_the_map_the_query_is_ahead_of_the_keyframe():
    closure = make_closure(9, keyframe(HERE), ESTIMATE, None)
    assert (closure.stamp_ns, closure.is_metric, closure.inliers) == (9, True, -1)
    np.testing.assert_allclose(closure.keyframe_T_query.position_m, [3.0, 0.0, 0.0], atol=1e-12)
    yaw_rad = quaternion_to_yaw(closure.keyframe_T_query.quaternion_xyzw)
    assert yaw_rad == pytest.approx(0.1)
    # Ahead of a keyframe that looks north is the map's y.
    variances = np.diag(closure.keyframe_T_query.covariance)
    np.testing.assert_allclose(variances, [9.0, 4.0, 1.0, 0.01, 0.01, 0.04])


def test_local_features_tell_the_direction_and_the_map_the_distance():
    closure = make_closure(9, keyframe(HERE), ESTIMATE, checked())
    assert (closure.is_metric, closure.inliers) == (True, 30)
    pose = closure.keyframe_T_query
    np.testing.assert_allclose(pose.position_m, [0.0, 3.0, 0.0], atol=1e-12)
    assert quaternion_to_yaw(pose.quaternion_xyzw) == pytest.approx(math.pi / 2.0)
    np.testing.assert_allclose(np.diag(pose.covariance)[:3], [0.0, 9.0, 0.0], atol=1e-12)


def test_without_a_heading_in_the_map_the_query_may_be_on_any_side_of_the_keyframe():
    closure = make_closure(9, keyframe(Pose(HERE.position_m)), ESTIMATE, None)
    np.testing.assert_array_equal(closure.keyframe_T_query.position_m, np.zeros(3))
    variances = np.diag(closure.keyframe_T_query.covariance)
    np.testing.assert_allclose(variances[:3], 9.0 + 3.0**2)
    np.testing.assert_allclose(variances[3:], math.pi**2 / 3.0)


def test_without_a_position_local_features_say_so_in_the_covariance():
    closure = make_closure(9, keyframe(None), None, checked())
    assert not closure.is_metric
    np.testing.assert_allclose(closure.keyframe_T_query.position_m, [0.0, 5.0, 0.0])
    assert closure.keyframe_T_query.covariance[1, 1] == pytest.approx(25.0)


@pytest.mark.parametrize('pose', [None, Pose.of_heading(NORTH)])
def test_nothing_relates_cameras_without_positions_and_features(pose):
    assert make_closure(9, keyframe(pose), ESTIMATE, None) is None


def test_the_proof_is_the_one_with_most_inliers_and_a_relative_pose():
    items = [checked(20), checked(40), checked(90, related=False)]
    assert best_checked(items) is items[1]
    assert best_checked([items[2]]) is None
