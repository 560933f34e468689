"""Motion of a camera from random points with known noise, and what its covariance claims."""

import cv2
import numpy as np
import pytest

from ghost_vpr_ros.core.camera import BODY_R_OPTICAL
from ghost_vpr_ros.core.verification.two_view import (
    consistent_matches,
    cross_matrix,
    relative_motion,
)
from test.core.two_views import angle_deg, projected, yaw

FOCAL_PX = 280.0
NOISE = 0.5 / FOCAL_PX
THRESHOLD = 1.5 / FOCAL_PX


def two_views(position_m, rotation, seed: int = 0):
    """Normalised points of the query at that pose and of the keyframe at the origin."""
    rng = np.random.default_rng(seed)
    points = rng.uniform((4, -6, -3), (25, 6, 3), (150, 3))
    views = (projected(points, position_m, rotation), projected(points, np.zeros(3), np.eye(3)))
    return tuple(view + NOISE * rng.normal(size=view.shape) for view in views)


def optical(rotation: np.ndarray) -> np.ndarray:
    return BODY_R_OPTICAL.T @ rotation @ BODY_R_OPTICAL


@pytest.mark.parametrize('position_m', [(2.0, 0, 0), (0, 1.5, 0), (-1.0, 1.0, 0.3)])
def test_rotation_and_direction_are_found(position_m):
    motion = relative_motion(*two_views(position_m, yaw(8.0)), THRESHOLD)
    expected = np.array(position_m) @ BODY_R_OPTICAL / np.linalg.norm(position_m)
    assert angle_deg(motion.keyframe_R_query, optical(yaw(8.0))) < 2.0
    assert angle_deg(motion.direction, expected) < 10.0


def test_the_covariances_are_those_of_the_errors():
    """Errors by their covariances, squared: mean 3 for the rotation, 2 for the direction."""
    rotation, direction = [], []
    expected = np.array([2.0, 1.0, 0.0]) @ BODY_R_OPTICAL / 5.0**0.5
    for seed in range(40):
        motion = relative_motion(*two_views((2.0, 1.0, 0.0), yaw(5.0), seed=seed), THRESHOLD)
        turn = motion.keyframe_R_query @ optical(yaw(5.0)).T
        error = cv2.Rodrigues(turn)[0].ravel()
        rotation.append(error @ np.linalg.inv(motion.rotation_covariance) @ error)
        off = motion.direction - expected
        direction.append(off @ np.linalg.pinv(motion.direction_covariance, rcond=1e-6) @ off)
    assert 1.5 < np.mean(rotation) < 6.0
    assert 1.0 < np.mean(direction) < 4.0


def test_the_direction_is_not_uncertain_along_itself():
    motion = relative_motion(*two_views((1.0, 1.0, 0.0), yaw(0.0)), THRESHOLD)
    np.testing.assert_allclose(motion.direction_covariance @ motion.direction, 0.0, atol=1e-12)


def test_a_shorter_way_has_a_less_certain_direction():
    near, far = (
        relative_motion(*two_views((0.0, y, 0.0), yaw(0.0)), THRESHOLD) for y in (0.3, 3.0)
    )
    assert np.trace(near.direction_covariance) > 4.0 * np.trace(far.direction_covariance)


def test_a_pure_rotation_has_no_direction():
    motion = relative_motion(*two_views((0.0, 0.0, 0.0), yaw(10.0)), THRESHOLD)
    assert motion.direction is None
    assert angle_deg(motion.keyframe_R_query, optical(yaw(10.0))) < 0.5


@pytest.mark.parametrize('points', [np.zeros((0, 2)), np.zeros((5, 2)), np.zeros((20, 2))])
def test_too_few_or_coinciding_points_are_consistent_with_nothing_or_no_direction(points):
    kept = consistent_matches(points, points, 1.5)
    assert kept.shape == (len(points),)
    if len(points) < 8:
        assert not kept.any()


def test_outliers_are_left_out():
    a, b = (FOCAL_PX * view for view in two_views((1.0, 1.0, 0.0), yaw(4.0)))
    b[:60] = np.random.default_rng(3).uniform(-150, 150, (60, 2))
    kept = consistent_matches(a, b, 1.5)
    assert kept[60:].mean() > 0.8
    assert kept[:60].mean() < 0.2


def test_the_cross_matrix_multiplies_as_the_cross_product():
    a, b = np.array([1.0, 2.0, 3.0]), np.array([-2.0, 0.5, 4.0])
    np.testing.assert_allclose(cross_matrix(a) @ b, np.cross(a, b))
