"""Node `initial_pose_adapter`: gives Nav2 the initial pose, once, while the robot stands.

Source: ros-navigation/navigation2 `nav2_amcl/src/amcl_node.cpp`. AMCL takes `initialpose` in its
global frame only, adds the odometry since the stamp, and restarts its particle filter with the
variances of x, y and yaw. Nothing is kept for an AMCL that listens later, so nothing is published
before there is a subscriber.

A navigation stack restarts its filter at each pose that it gets, so a wrong pose, or a stream of
poses, would disturb the robot. A pose is therefore published only if several answers agree while
the robot stands. All times are those of the messages.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped
from nav_msgs.msg import Odometry
from numpy.typing import NDArray
from rclpy.node import Node
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.geodesy import horizontal_distance_m
from ghost_vpr_ros.core.poses import quaternion_to_yaw, rotation_to_quaternion
from ghost_vpr_ros.core.stamps import Order, StampOrder
from ghost_vpr_ros.ros.adapters.rigid_transform import (
    Matrix,
    write_rotation,
    write_translation,
)
from ghost_vpr_ros.ros.adapters.subscriptions import (
    COMPLAINT_PERIOD_S,
    RELIABLE,
    subscribe_odometry,
    subscribe_poses,
)
from ghost_vpr_ros.ros.conversions import stamp_to_ns
from ghost_vpr_ros.ros.parameters import declare_settings

NODE_NAME = 'initial_pose_adapter'


@dataclass(frozen=True)
class InitialPoseConfig(Config):
    """When the robot is standing, and when poses agree."""

    frames: int = setting(5, 'consecutive accepted poses that must agree', low=1, high=100)
    radius_m: float = setting(
        2.0, 'largest distance of these poses from the last one', unit='m', low=0.01, high=1e3
    )
    max_turn_apart_deg: float = setting(
        20.0,
        'largest difference of their headings from its heading',
        unit='deg',
        low=0.1,
        high=180,
    )
    within_s: float = setting(
        10.0,
        'longest time from the first to the last of them',
        unit='s',
        low=0.1,
        high=1e3,
    )
    stand_s: float = setting(
        2.0,
        'time for which the robot has stood before the first of them',
        unit='s',
        low=0.0,
        high=1e3,
    )
    stand_speed_m_s: float = setting(
        0.05, 'speed below which the robot stands', unit='m/s', low=0.0, high=10.0
    )
    max_turn_rad_s: float = setting(
        0.05, 'rate of turn below which it stands', unit='rad/s', low=0.0, high=10.0
    )
    max_move_m: float = setting(
        0.1,
        'largest distance from where it stopped, in case odometry lacks a twist',
        unit='m',
        low=1e-3,
        high=10.0,
    )
    max_odometry_age_s: float = setting(
        0.5,
        'silence of odometry after which it is unknown whether the robot stands',
        unit='s',
        low=0.01,
        high=60.0,
    )


@dataclass(frozen=True)
class OdometryReading:
    """One message of odometry.

    Attributes:
        stamp_ns: when.
        position_m: (3,) in the odometry's own frame.
        speed_m_s: length of the linear velocity.
        turn_rad_s: length of the angular velocity.
    """

    stamp_ns: int
    position_m: NDArray[np.float64]
    speed_m_s: float
    turn_rad_s: float


@dataclass(frozen=True)
class AcceptedPose:
    """One accepted answer of the node: position (3,) in metres and heading, in the map frame."""

    stamp_ns: int
    position_m: NDArray[np.float64]
    yaw_rad: float


class Standstill:
    """How long the robot has been standing, according to its odometry."""

    def __init__(self, config: InitialPoseConfig) -> None:
        self._config = config
        self._stop: OdometryReading | None = None
        self._order = StampOrder()
        self._last_ns = 0

    def add(self, reading: OdometryReading) -> None:
        """Add a reading unless it is late; start over after a gap or a jump of the clock."""
        if self._order.place(reading.stamp_ns) is Order.LATE:
            return
        gap_ns = reading.stamp_ns - self._last_ns
        self._last_ns = reading.stamp_ns
        if not 0 <= gap_ns <= _ns(self._config.max_odometry_age_s):
            self._stop = None
        if not self._is_slow(reading):
            self._stop = None
        elif self._stop is None or self._has_moved(self._stop, reading):
            self._stop = reading

    def held_at(self, stamp_ns: int) -> bool:
        """Whether the robot stood at that time and during `stand_s` before it."""
        if self._stop is None or stamp_ns - self._last_ns > _ns(self._config.max_odometry_age_s):
            return False
        return stamp_ns - self._stop.stamp_ns >= _ns(self._config.stand_s)

    def _is_slow(self, reading: OdometryReading) -> bool:
        """Also False for velocities that are not finite."""
        return (
            reading.speed_m_s <= self._config.stand_speed_m_s
            and reading.turn_rad_s <= self._config.max_turn_rad_s
        )

    def _has_moved(self, stop: OdometryReading, reading: OdometryReading) -> bool:
        moved_m = float(np.linalg.norm(reading.position_m - stop.position_m))
        return moved_m > self._config.max_move_m


class InitialPoseRule:
    """Decides which accepted pose may be published as the initial one."""

    def __init__(self, config: InitialPoseConfig) -> None:
        self._config = config
        self._standstill = Standstill(config)
        self._order = StampOrder()
        self._poses: deque[AcceptedPose] = deque(maxlen=config.frames)
        self._is_done = False

    def add_odometry(self, reading: OdometryReading) -> None:
        """Add a reading of the odometry."""
        self._standstill.add(reading)

    def reason_to_wait(self, pose: AcceptedPose) -> str:
        """Add an accepted pose; the reason not to publish it, or an empty text."""
        if self._is_done:
            return 'a pose has been published; call ~/rearm for another one'
        order = self._order.place(pose.stamp_ns)
        if order is Order.JUMP:
            self._poses.clear()
        if not self._standstill.held_at(pose.stamp_ns):
            self._poses.clear()
            return (
                f'odometry does not show that the robot has been standing for '
                f'{self._config.stand_s:g} s'
            )
        if order is not Order.LATE:
            self._poses.append(pose)
        agreeing = sum(self._agree(each, pose) for each in self._poses)
        if agreeing < self._config.frames:
            return f'{agreeing} of {self._config.frames} accepted poses agree'
        return ''

    def published(self) -> None:
        """Publish no further pose until `rearm`."""
        self._is_done = True
        self._poses.clear()

    def rearm(self) -> None:
        """Allow one more pose, based on later answers."""
        self._is_done = False
        self._poses.clear()

    def _agree(self, one: AcceptedPose, last: AcceptedPose) -> bool:
        turn_rad = abs(np.angle(np.exp(1j * (one.yaw_rad - last.yaw_rad))))
        return bool(
            last.stamp_ns - one.stamp_ns <= _ns(self._config.within_s)
            and horizontal_distance_m(one.position_m, last.position_m) <= self._config.radius_m
            and turn_rad <= np.radians(self._config.max_turn_apart_deg)
        )


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)


class InitialPoseAdapter(Node):
    """Publishes one accepted pose on `initialpose`, and the next only after `~/rearm`."""

    def __init__(self) -> None:
        """Subscribe.

        Raises:
            ConfigError: a parameter is not allowed.
            MessagePackageError: the mount is to come from TF, whose messages are not installed.
        """
        super().__init__(NODE_NAME)
        config = InitialPoseConfig.from_dict(declare_settings(self, InitialPoseConfig))
        self._rule = InitialPoseRule(config)
        pose_type = PoseWithCovarianceStamped
        self._publisher = self.create_publisher(pose_type, 'initialpose', RELIABLE)
        subscribe_poses(self, self._take_pose)
        subscribe_odometry(self, self._take_odometry)
        self.create_service(Trigger, '~/rearm', self._rearm)

    def _take_odometry(self, message: Odometry, pose: Pose) -> None:
        self._rule.add_odometry(reading_of(message, pose.position_m))

    def _take_pose(self, header: Header, map_T_base: Matrix, covariance: Matrix) -> None:
        yaw_rad = quaternion_to_yaw(rotation_to_quaternion(map_T_base[:3, :3]))
        stamp_ns = stamp_to_ns(header.stamp)
        reason = self._rule.reason_to_wait(AcceptedPose(stamp_ns, map_T_base[:3, 3], yaw_rad))
        if not reason and self._publisher.get_subscription_count() == 0:
            reason = f'{self._publisher.topic_name} has no subscriber'
        if reason:
            self.get_logger().info(
                f'no initial pose yet: {reason}', throttle_duration_sec=COMPLAINT_PERIOD_S
            )
            return
        self._publish(header, map_T_base, covariance)

    def _publish(self, header: Header, map_T_base: Matrix, covariance: Matrix) -> None:
        message = PoseWithCovarianceStamped(header=header)
        write_translation(map_T_base, message.pose.pose.position)
        write_rotation(map_T_base, message.pose.pose.orientation)
        message.pose.covariance = covariance.reshape(-1)
        self._publisher.publish(message)
        self._rule.published()
        x_m, y_m, _ = map_T_base[:3, 3]
        self.get_logger().info(
            f'initial pose published: x {x_m:.2f} y {y_m:.2f} m in {header.frame_id}'
        )

    def _rearm(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._rule.rearm()
        response.success = True
        response.message = 'the next poses that agree, while the robot stands, are published'
        return response


def reading_of(message: Odometry, position_m: NDArray[np.float64]) -> OdometryReading:
    """Stamp, position and speeds of an odometry message."""
    linear, angular = message.twist.twist.linear, message.twist.twist.angular
    return OdometryReading(
        stamp_ns=stamp_to_ns(message.header.stamp),
        position_m=position_m,
        speed_m_s=float(np.linalg.norm([linear.x, linear.y, linear.z])),
        turn_rad_s=float(np.linalg.norm([angular.x, angular.y, angular.z])),
    )
