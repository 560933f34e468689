"""The transform map -> odom: level, at the stamp of the image, silent where it is not known."""

from types import SimpleNamespace

import numpy as np
import pytest
from geometry_msgs.msg import PoseWithCovarianceStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node

from ghost_vpr_ros.ros.adapters import map_transform_node
from ghost_vpr_ros.ros.adapters.map_transform_node import MapTransformAdapter, map_T_odom
from ghost_vpr_ros.ros.adapters.rigid_transform import write_rotation, write_translation
from ghost_vpr_ros.ros.conversions import header_at, stamp_to_ns
from test.ros.adapters.closures import matrix_from, transform

SECOND_NS = 1_000_000_000


def test_the_transform_takes_the_base_in_odom_to_the_base_in_the_map():
    odom_T_base = transform(10.0, 2.0, 0.0, 0.0, 0.0, 30.0)
    map_T_base = transform(-5.0, 40.0, 1.0, 0.0, 0.0, 120.0)
    found = map_T_odom(map_T_base, odom_T_base)
    np.testing.assert_allclose(found @ odom_T_base, map_T_base, atol=1e-12)


def test_a_tilted_answer_does_not_tilt_the_odometry():
    found = map_T_odom(transform(1.0, 2.0, 3.0, 4.0, -6.0, 90.0), transform(7.0, 0, 0, 0, 0, 0))
    np.testing.assert_allclose(found[2, :3], [0.0, 0.0, 1.0], atol=1e-12)
    np.testing.assert_allclose((found @ [7.0, 0, 0, 1])[:3], [1.0, 2.0, 3.0], atol=1e-12)


def odometry(stamp_ns, x_m):
    message = Odometry(header=header_at(stamp_ns, 'odom'))
    message.pose.pose.position.x = x_m
    return message


def accepted(stamp_ns, matrix, yaw_variance=0.01):
    message = PoseWithCovarianceStamped(header=header_at(stamp_ns, 'map'))
    write_translation(matrix, message.pose.pose.position)
    write_rotation(matrix, message.pose.pose.orientation)
    message.pose.covariance = np.diag([1.0, 1.0, 1.0, 0.1, 0.1, yaw_variance]).reshape(-1)
    return message


@pytest.fixture
def wired(monkeypatch, ros):
    """The node's callbacks and what it sends."""
    callbacks, sent = {}, []
    kind = lambda: SimpleNamespace(transforms=[])  # noqa: E731
    monkeypatch.setattr(
        map_transform_node, 'load_interfaces', lambda *_: SimpleNamespace(TFMessage=kind)
    )
    create = Node.create_publisher
    monkeypatch.setattr(
        Node,
        'create_publisher',
        lambda node, message, topic, *rest, **options: (
            SimpleNamespace(publish=sent.append)
            if topic == '/tf'
            else create(node, message, topic, *rest, **options)
        ),
    )
    monkeypatch.setattr(
        Node,
        'create_subscription',
        lambda _, what, topic, take, qos: callbacks.update({topic: take}),
    )
    node = MapTransformAdapter()
    yield callbacks, sent
    node.destroy_node()


def test_it_is_published_for_the_moment_of_the_image(wired):
    callbacks, sent = wired
    for tenth in range(100, 105):
        callbacks['odom'](odometry(tenth * SECOND_NS // 10, tenth / 10.0))
    map_T_base = transform(100.0, 50.0, 0.0, 0.0, 0.0, 90.0)
    callbacks['place_recognition/pose'](accepted(10_250_000_000, map_T_base))
    (message,) = sent
    (item,) = message.transforms
    assert (item.header.frame_id, item.child_frame_id) == ('map', 'odom')
    assert stamp_to_ns(item.header.stamp) == 10_600_000_000
    found = matrix_from(item.transform.translation, item.transform.rotation)
    np.testing.assert_allclose(found @ transform(10.25, 0, 0, 0, 0, 0), map_T_base, atol=1e-9)


@pytest.mark.parametrize(
    ('stamp_ns', 'yaw_variance', 'reason'),
    [(20 * SECOND_NS, 0.01, 'no odometry at its stamp'), (10_250_000_000, 3.3, 'no heading')],
)
def test_what_is_not_known_is_not_published(wired, capfd, stamp_ns, yaw_variance, reason):
    callbacks, sent = wired
    for tenth in range(100, 105):
        callbacks['odom'](odometry(tenth * SECOND_NS // 10, tenth / 10.0))
    callbacks['place_recognition/pose'](accepted(stamp_ns, np.eye(4), yaw_variance))
    assert sent == [] and reason in capfd.readouterr().err
