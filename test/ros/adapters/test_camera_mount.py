"""From the camera to the robot's base: hand-made poses, covariances against differences."""

from types import SimpleNamespace

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.parameter import Parameter
from scipy.spatial.transform import Rotation

from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.ros.adapters import camera_mount
from ghost_vpr_ros.ros.adapters.camera_mount import (
    CameraMount,
    MountConfig,
    StaticFrames,
    pose_of_base,
)
from ghost_vpr_ros.ros.adapters.rigid_transform import inverse
from ghost_vpr_ros.ros.adapters.subscriptions import closure_of_base
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


def links(*named):
    """A TFMessage of `(parent, child, matrix)`."""
    made = []
    for parent, child, matrix in named:
        item = TransformStamped(child_frame_id=child)
        item.header.frame_id = parent
        offset, turn = item.transform.translation, item.transform.rotation
        offset.x, offset.y, offset.z = map(float, matrix[:3, 3])
        turn.x, turn.y, turn.z, turn.w = Rotation.from_matrix(matrix[:3, :3]).as_quat()
        made.append(item)
    return SimpleNamespace(transforms=made)


MAST = transform(0.8, -0.3, 1.2, 5.0, 10.0, 70.0)
LENS = transform(0.0, 0.02, 0.0, -90.0, 0.0, -90.0)
"""From a camera's body to its optical frame, and 2 cm to the left."""


def test_static_links_are_joined_up_and_down():
    frames = StaticFrames()
    frames.add(links(('base_link', 'mast', MAST), ('/mast', '/lens', LENS)))
    frames.add(links(('base_link', 'lidar', transform(0.0, 0.0, 2.0, 0, 0, 180.0))))
    np.testing.assert_allclose(frames.between('base_link', 'lens'), MAST @ LENS, atol=1e-12)
    np.testing.assert_allclose(
        frames.between('lens', 'base_link'), inverse(MAST @ LENS), atol=1e-9
    )
    lidar_T_mast = inverse(transform(0.0, 0.0, 2.0, 0, 0, 180.0)) @ MAST
    np.testing.assert_allclose(frames.between('lidar', 'mast'), lidar_T_mast, atol=1e-12)
    assert frames.between('base_link', 'elsewhere') is None


def test_links_in_a_circle_and_without_numbers_are_no_trap():
    frames = StaticFrames()
    broken = links(('a', 'b', np.eye(4)), ('b', 'a', np.eye(4)), ('a', 'c', np.eye(4)))
    broken.transforms[2].transform.translation.x = float('nan')
    frames.add(broken)
    assert frames.between('c', 'a') is None
    assert frames.between('a', 'b') is not None


@pytest.fixture
def mounted(monkeypatch, ros):
    """Makes a mount of parameters; what it subscribed to, and the mount."""
    callbacks, nodes = {}, []
    messages = SimpleNamespace(TFMessage=object)
    monkeypatch.setattr(camera_mount, 'load_interfaces', lambda *_: messages)
    monkeypatch.setattr(
        Node,
        'create_subscription',
        lambda _, kind, topic, take, qos: callbacks.update({topic: take}),
    )

    def make(**parameters):
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        nodes.append(Node('mounted', parameter_overrides=overrides))
        return CameraMount(nodes[-1]), callbacks

    yield make
    for node in nodes:
        node.destroy_node()


def test_the_mount_comes_from_tf_as_soon_as_it_is_there(mounted, capfd):
    frames = {'base_frame': 'base_link', 'camera_frame': 'camera_optical'}
    mount, callbacks = mounted(**frames, camera_position_m=[0.5, 0.0, 0.0])
    np.testing.assert_allclose(mount.base_T_camera, transform(0.5, 0, 0, 0, 0, 0))
    assert 'no static transform from base_link to camera_optical' in capfd.readouterr().err
    optical = transform(0.0, 0.0, 0.0, -90.0, 0.0, -90.0)
    callbacks['/tf_static'](
        links(('base_link', 'mast', MAST), ('mast', 'camera_optical', optical))
    )
    np.testing.assert_allclose(mount.base_T_camera, MAST, atol=1e-12)


def test_without_names_of_frames_tf_is_not_read(mounted):
    mount, callbacks = mounted(camera_rpy_deg=[0.0, 0.0, 90.0])
    assert callbacks == {}
    np.testing.assert_allclose(mount.base_T_camera, transform(0, 0, 0, 0, 0, 90.0), atol=1e-12)


def test_one_frame_alone_is_refused(mounted):
    with pytest.raises(ConfigError, match='expected both or none'):
        mounted(base_frame='base_link')
