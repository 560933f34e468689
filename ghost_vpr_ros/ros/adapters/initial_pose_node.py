"""Node `initial_pose_adapter`: tells Nav2 where the robot is, once, while it stands.

Source: ros-navigation/navigation2 `nav2_amcl/src/amcl_node.cpp`. AMCL takes `initialpose` in its
global frame only, adds the odometry since the stamp, and starts its particle filter anew with the
variances of x, y and yaw. Nothing is kept for an AMCL that listens later, so nothing is published
before somebody listens.
"""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped
from nav_msgs.msg import Odometry
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_srvs.srv import Trigger

from ghost_vpr_ros.core.poses import matrix_of, quaternion_to_yaw, rotation_to_quaternion
from ghost_vpr_ros.ros.adapters.camera_mount import MountConfig, pose_of_base
from ghost_vpr_ros.ros.adapters.closure_subscription import COMPLAINT_PERIOD_S
from ghost_vpr_ros.ros.adapters.initial_pose import (
    AcceptedPose,
    InitialPoseConfig,
    InitialPoseRule,
    OdometryReading,
)
from ghost_vpr_ros.ros.adapters.rigid_transform import (
    Matrix,
    write_rotation,
    write_translation,
)
from ghost_vpr_ros.ros.conversions import pose_from_message, stamp_to_ns
from ghost_vpr_ros.ros.parameters import declare_settings

NODE_NAME = 'initial_pose_adapter'


class InitialPoseAdapter(Node):
    """Publishes one accepted pose on `initialpose`, and the next only after `~/rearm`."""

    def __init__(self) -> None:
        """Subscribe.

        Raises:
            ConfigError: a parameter is not allowed.
        """
        super().__init__(NODE_NAME)
        config = InitialPoseConfig.from_dict(declare_settings(self, InitialPoseConfig))
        mount = MountConfig.from_dict(declare_settings(self, MountConfig))
        self._base_T_camera = mount.base_T_camera
        self._rule = InitialPoseRule(config)
        reliable = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        best_effort = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
        topic, pose_type = 'place_recognition/pose', PoseWithCovarianceStamped
        self._publisher = self.create_publisher(pose_type, 'initialpose', reliable)
        self.create_subscription(pose_type, topic, self._take_pose, reliable)
        self.create_subscription(Odometry, 'odom', self._take_odometry, best_effort)
        self.create_service(Trigger, '~/rearm', self._rearm)

    def _take_odometry(self, message: Odometry) -> None:
        pose = pose_from_message(message.pose.pose)
        if pose is not None:
            self._rule.add_odometry(reading_of(message, pose.position_m))

    def _take_pose(self, message: PoseWithCovarianceStamped) -> None:
        pose = pose_from_message(message.pose.pose)
        if pose is None:
            return
        covariance = np.asarray(message.pose.covariance).reshape(6, 6)
        map_T_base, covariance = pose_of_base(matrix_of(pose), covariance, self._base_T_camera)
        yaw_rad = quaternion_to_yaw(rotation_to_quaternion(map_T_base[:3, :3]))
        stamp_ns = stamp_to_ns(message.header.stamp)
        reason = self._rule.reason_to_wait(AcceptedPose(stamp_ns, map_T_base[:3, 3], yaw_rad))
        if not reason and self._publisher.get_subscription_count() == 0:
            reason = f'nobody listens to {self._publisher.topic_name}'
        if reason:
            self.get_logger().info(
                f'no initial pose yet: {reason}', throttle_duration_sec=COMPLAINT_PERIOD_S
            )
            return
        self._publish(message, map_T_base, covariance)

    def _publish(
        self,
        answer: PoseWithCovarianceStamped,
        map_T_base: Matrix,
        covariance: Matrix,
    ) -> None:
        message = PoseWithCovarianceStamped(header=answer.header)
        write_translation(map_T_base, message.pose.pose.position)
        write_rotation(map_T_base, message.pose.pose.orientation)
        message.pose.covariance = covariance.reshape(-1)
        self._publisher.publish(message)
        self._rule.published()
        x_m, y_m, _ = map_T_base[:3, 3]
        self.get_logger().info(
            f'initial pose published: x {x_m:.2f} y {y_m:.2f} m in {answer.header.frame_id}'
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
