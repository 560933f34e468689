"""From the camera to the robot's base: hand-made poses, covariances against differences."""

import numpy as np

from ghost_vpr_ros.ros.adapters.closure_message import MountConfig, closure_of_base, pose_of_base
from ghost_vpr_ros.ros.adapters.rigid_transform import inverse
from test.ros.adapters.closures import (
    closure,
    difference,
    full_covariance,
    numeric_jacobian,
    perturbed,
    transform,
)

BASE_T_CAMERA = MountConfig(
    camera_position_m=(0.8, -0.3, 1.2), camera_rpy_deg=(5.0, 10.0, 70.0)
).base_T_camera


def test_a_camera_that_looks_left_has_its_x_axis_along_y():
    mount = MountConfig(camera_position_m=(1.0, 2.0, 3.0), camera_rpy_deg=(0.0, 0.0, 90.0))
    ahead_of_camera = mount.base_T_camera @ [1.0, 0.0, 0.0, 1.0]
    np.testing.assert_allclose(ahead_of_camera, [1.0, 3.0, 3.0, 1.0], atol=1e-12)


def test_a_camera_in_the_base_changes_nothing():
    given = closure(covariance=full_covariance())
    found = closure_of_base(given, MountConfig().base_T_camera)
    np.testing.assert_allclose(found.keyframe_T_query, given.keyframe_T_query, atol=1e-12)
    np.testing.assert_allclose(found.covariance, given.covariance, atol=1e-12)


def test_a_camera_one_metre_ahead_of_the_base():
    # Keyframe camera at (0, 0) heading east: base at (-1, 0). Query camera at (2, 0) heading
    # north: base at (2, -1). From base to base: 3 m ahead, 1 m to the right, turned left.
    found = closure_of_base(closure(), transform(1.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    expected = transform(3.0, -1.0, 0.0, 0.0, 0.0, 90.0)
    np.testing.assert_allclose(found.keyframe_T_query, expected, atol=1e-12)


def test_the_covariance_of_a_closure_follows_to_the_base():
    keyframe_T_query = transform(3.0, 1.0, -0.5, 4.0, -8.0, 50.0)
    covariance = full_covariance()
    found = closure_of_base(closure(keyframe_T_query, covariance), BASE_T_CAMERA)

    def error_of_base(error):
        moved = BASE_T_CAMERA @ perturbed(keyframe_T_query, error) @ inverse(BASE_T_CAMERA)
        return difference(moved, found.keyframe_T_query)

    jacobian = numeric_jacobian(error_of_base)
    expected = jacobian @ covariance @ jacobian.T
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-6, atol=1e-8)


def test_a_pose_and_its_covariance_follow_to_the_base():
    map_T_camera = transform(100.0, -50.0, 2.0, 3.0, -2.0, 130.0)
    covariance = full_covariance()
    map_T_base, found = pose_of_base(map_T_camera, covariance, BASE_T_CAMERA)
    np.testing.assert_allclose(map_T_base @ BASE_T_CAMERA, map_T_camera, atol=1e-12)

    def error_of_base(error):
        moved = perturbed(map_T_camera, error) @ inverse(BASE_T_CAMERA)
        return difference(moved, map_T_base)

    jacobian = numeric_jacobian(error_of_base)
    np.testing.assert_allclose(found, jacobian @ covariance @ jacobian.T, rtol=1e-6, atol=1e-8)
