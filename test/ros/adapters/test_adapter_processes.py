"""The adapters' executables as processes: start, end, and what Nav2 would get."""

import re
import signal

import numpy as np
import pytest
from geometry_msgs.msg import PoseWithCovarianceStamped
from nav_msgs.msg import Odometry
from std_srvs.srv import Trigger

from ghost_vpr_ros.ros.adapters.executable import ADAPTERS
from ghost_vpr_ros.ros.conversions import header_at, stamp_to_ns
from test.documented_commands import ROOT
from test.ros.adapters.closures import full_covariance
from test.ros.processes import Executable, holds_soon, wait_until

NODE = '/initial_pose_adapter'
SECOND_NS = 1_000_000_000
COVARIANCE = full_covariance().reshape(-1)


def adapter(name, *ros_arguments, **parameters):
    return Executable('adapters.executable', ros_arguments, (name,), **parameters)


def test_every_adapter_has_a_launcher_that_names_it():
    named = {
        path.name: re.search(r'adapters\.executable (\S+)', path.read_text())
        for path in (ROOT / 'resource' / 'lib').iterdir()
    }
    assert {name: found[1] for name, found in named.items() if found} == {
        name: name for name in ADAPTERS
    }


@pytest.mark.parametrize(
    ('name', 'package', 'way'),
    [
        ('rtabmap_adapter', 'rtabmap_msgs', 'apt install ros-'),
        ('rtabmap_descriptor_adapter', 'rtabmap_msgs', 'apt install ros-'),
        ('pose_graph_adapter', 'pose_graph_tools_msgs', 'colcon build --packages-select'),
    ],
)
def test_a_missing_message_package_is_one_sentence_and_status_1(name, package, way):
    with adapter(name) as process:
        assert process.wait() == 1
    errors = [line for line in process.lines if 'FATAL' in line or 'ERROR' in line]
    assert len(errors) == 1 and len(process.lines) == 1, process.text
    assert f'needs the message package {package}' in errors[0] and way in errors[0]


def test_a_value_out_of_range_is_one_sentence_and_status_1():
    with adapter('initial_pose_adapter', frames=0) as process:
        assert process.wait() == 1
    assert 'parameter frames' in process.text and 'Traceback' not in process.text


def test_a_signal_ends_an_adapter_with_status_0(listener):
    with adapter('initial_pose_adapter') as process:
        wait_until(lambda: 'initial_pose_adapter' in listener.get_node_names())
        assert process.stop(signal.SIGTERM) == 0
    assert process.lines == []


def test_a_signal_while_an_adapter_still_starts_ends_it_with_status_0():
    with adapter('initial_pose_adapter') as process:
        wait_until(lambda: process.catches(signal.SIGTERM))
        assert process.stop(signal.SIGINT) == 0
    assert process.lines == []


class Robot:
    """Odometry once a second and an accepted pose after it, both in invented time."""

    def __init__(self, listener):
        self.now_s = 1000
        self._odometry = listener.create_publisher(Odometry, 'odom', 10)
        self._poses = listener.create_publisher(
            PoseWithCovarianceStamped, 'place_recognition/pose', 10
        )
        wait_until(lambda: self._odometry.get_subscription_count() > 0)
        wait_until(lambda: self._poses.get_subscription_count() > 0)

    def live(self, seconds, speed_m_s=0.0, xs_m=(1.0,)):
        """Let time pass; the accepted poses go through the positions one after the other."""
        for number in range(seconds):
            self.now_s += 1
            odometry = Odometry(header=header_at(self.now_s * SECOND_NS, 'odom'))
            odometry.twist.twist.linear.x = speed_m_s
            odometry.pose.pose.position.x = speed_m_s * self.now_s
            self._odometry.publish(odometry)
            pose = PoseWithCovarianceStamped(header=header_at(self.now_s * SECOND_NS, 'map'))
            pose.pose.pose.position.x = xs_m[number % len(xs_m)]
            pose.pose.pose.orientation.w = 1.0
            pose.pose.covariance = COVARIANCE
            self._poses.publish(pose)
            # The two topics may overtake each other; the rule needs both.
            holds_soon(lambda: False, 0.05)

    def stand_until(self, condition):
        """Stand at one place until the condition holds."""
        for _ in range(100):
            if condition():
                return
            self.live(1)
        raise AssertionError('nothing happened while the robot stood')


def nav2_adapter(**parameters):
    return adapter('initial_pose_adapter', frames=4, max_odometry_age_s=2.5, **parameters)


def rearm(listener):
    """Request another pose; until the node has discovered us, its responses are lost."""
    client = listener.create_client(Trigger, f'{NODE}/rearm')
    assert client.wait_for_service(20.0)
    futures = []

    def is_answered():
        futures.append(client.call_async(Trigger.Request()))
        return holds_soon(lambda: any(future.done() for future in futures))

    wait_until(is_answered)
    assert next(future for future in futures if future.done()).result().success


@pytest.mark.slow
def test_nav2_gets_one_pose_from_a_robot_that_stands_and_agrees_with_itself(listener):
    received = listener.listen(PoseWithCovarianceStamped, '/initialpose')
    with nav2_adapter() as process:
        robot = Robot(listener)
        wait_until(lambda: listener.count_publishers('/initialpose') >= 1)
        robot.live(15, speed_m_s=1.0)
        assert not holds_soon(lambda: received), 'published while driving'
        assert 'odometry does not show that the robot has been standing' in process.text
        robot.live(15, xs_m=(1.0, 50.0))
        assert not holds_soon(lambda: received), 'published although the poses disagree'
        robot.stand_until(lambda: received)
        robot.live(15)
        assert not holds_soon(lambda: len(received) > 1), 'published twice'
        rearm(listener)
        robot.stand_until(lambda: len(received) > 1)
        robot.live(10)
        assert not holds_soon(lambda: len(received) > 2)
        assert process.stop() == 0
    first = received[0]
    assert first.header.frame_id == 'map'
    assert 1000 * SECOND_NS < stamp_to_ns(first.header.stamp) <= robot.now_s * SECOND_NS
    assert first.pose.pose.position.x == 1.0 and first.pose.pose.orientation.w == 1.0
    np.testing.assert_allclose(first.pose.covariance, COVARIANCE, atol=1e-12)


@pytest.mark.slow
def test_the_pose_of_the_base_is_kept_until_somebody_listens(listener):
    mount = {'camera_position_m': '[0.5, 0.0, 0.0]', 'camera_rpy_deg': '[0.0, 0.0, 90.0]'}
    with nav2_adapter(**mount) as process:
        robot = Robot(listener)
        robot.stand_until(lambda: 'has no subscriber' in process.text)
        received = listener.listen(PoseWithCovarianceStamped, '/initialpose')
        wait_until(lambda: listener.count_publishers('/initialpose') >= 1)
        robot.stand_until(lambda: received)
    # The camera at (1, 0) looks east, so the base heads south and is 0.5 m north of it.
    pose = received[0].pose.pose
    np.testing.assert_allclose([pose.position.x, pose.position.y], [1.0, 0.5], atol=1e-9)
    np.testing.assert_allclose(
        [pose.orientation.z, pose.orientation.w], [-np.sqrt(0.5), np.sqrt(0.5)], atol=1e-9
    )
