"""Node `map_transform_adapter`: accepted poses and odometry become the transform map -> odom.

Use it only if no other node publishes that transform: two publishers contradict each other. The
transform jumps with each accepted pose, which REP-105 allows for corrections.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import Header

from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.poses import rotation_about_z
from ghost_vpr_ros.ros.adapters.message_packages import TF, load_interfaces
from ghost_vpr_ros.ros.adapters.rigid_transform import (
    Matrix,
    inverse,
    write_rotation,
    write_translation,
)
from ghost_vpr_ros.ros.adapters.rtabmap_nodes import PoseTrack
from ghost_vpr_ros.ros.adapters.subscriptions import (
    COMPLAINT_PERIOD_S,
    subscribe_odometry,
    subscribe_poses,
)
from ghost_vpr_ros.ros.conversions import stamp_to_ns
from ghost_vpr_ros.ros.parameters import declare_settings

NODE_NAME = 'map_transform_adapter'
_UNKNOWN_YAW_RAD2 = 1.0
"""A larger variance of the yaw means that the map knows no headings."""


@dataclass(frozen=True)
class MapTransformConfig(Config):
    """How the transform is published."""

    rate_hz: float = setting(
        10.0, 'rate at which the last transform is republished', unit='Hz', low=0.1, high=100.0
    )
    ahead_s: float = setting(
        0.2,
        'time by which its stamp is ahead of the odometry, so that listeners need not wait for it',
        unit='s',
        low=0.0,
        high=10.0,
    )


def map_T_odom(map_T_base: Matrix, odom_T_base: Matrix) -> Matrix:
    """(4, 4) level transform, which corrects position and yaw only."""
    full = map_T_base @ inverse(odom_T_base)
    level = rotation_about_z(float(np.arctan2(full[1, 0], full[0, 0])))
    level[:3, 3] = map_T_base[:3, 3] - level[:3, :3] @ odom_T_base[:3, 3]
    return level


class MapTransformAdapter(Node):
    """Publishes map -> odom from the first accepted pose on."""

    def __init__(self) -> None:
        """Subscribe.

        Raises:
            ConfigError: a parameter is not allowed.
            MessagePackageError: tf2_msgs is not installed.
        """
        self._tf_message = load_interfaces(TF, 'msg').TFMessage
        super().__init__(NODE_NAME)
        config = MapTransformConfig.from_dict(declare_settings(self, MapTransformConfig))
        self._ahead_ns = round(config.ahead_s * 1e9)
        self._odometry = PoseTrack()
        self._newest: Odometry | None = None
        self._found: tuple[str, Matrix] | None = None
        self._publisher = self.create_publisher(
            self._tf_message, '/tf', QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
        )
        subscribe_poses(self, self._take_pose)
        subscribe_odometry(self, self._take_odometry)
        self.create_timer(1.0 / config.rate_hz, self._publish)

    def _take_odometry(self, message: Odometry, pose: Pose) -> None:
        self._odometry.add(stamp_to_ns(message.header.stamp), pose)
        self._newest = message

    def _take_pose(self, header: Header, map_T_base: Matrix, covariance: Matrix) -> None:
        odom_T_base = self._odometry.at(stamp_to_ns(header.stamp))
        if odom_T_base is None:
            reason = f'no odometry at its stamp on {self.resolve_topic_name("odom")}'
        elif covariance[5, 5] > _UNKNOWN_YAW_RAD2:
            reason = 'the map knows no heading there'
        else:
            self._found = header.frame_id, map_T_odom(map_T_base, odom_T_base)
            self._publish()
            return
        self.get_logger().warning(
            f'no transform from {header.frame_id} to odom from this pose: {reason}',
            throttle_duration_sec=COMPLAINT_PERIOD_S,
        )

    def _publish(self) -> None:
        if self._found is None or self._newest is None:
            return
        frame, matrix = self._found
        item = TransformStamped()
        item.header.frame_id, item.child_frame_id = frame, self._newest.header.frame_id
        stamp_ns = stamp_to_ns(self._newest.header.stamp) + self._ahead_ns
        item.header.stamp.sec, item.header.stamp.nanosec = divmod(stamp_ns, 10**9)
        write_translation(matrix, item.transform.translation)
        write_rotation(matrix, item.transform.rotation)
        message: Any = self._tf_message()
        message.transforms = [item]
        self._publisher.publish(message)
