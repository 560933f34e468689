"""Listening to `~/loop_closure` of the node."""

from __future__ import annotations

from collections.abc import Callable

from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from ghost_vpr_ros.ros.adapters.camera_mount import MountConfig, closure_of_base
from ghost_vpr_ros.ros.adapters.closure_message import StampedClosure, closure_from_message
from ghost_vpr_ros.ros.adapters.errors import ClosureError
from ghost_vpr_ros.ros.parameters import declare_settings

CLOSURE_TOPIC = 'place_recognition/loop_closure'
COMPLAINT_PERIOD_S = 5.0
"""The same complaint is logged at most this often."""


def subscribe_closures(node: Node, take: Callable[[StampedClosure], None]) -> None:
    """Call `take` with each closure, brought from the camera to the robot's base.

    What cannot be used is logged and left out.

    Raises:
        ConfigError: a parameter of the camera's mount is not allowed.
    """
    base_T_camera = MountConfig.from_dict(declare_settings(node, MountConfig)).base_T_camera

    def receive(message: PoseWithCovarianceStamped) -> None:
        try:
            closure = closure_from_message(message)
        except ClosureError as error:
            node.get_logger().error(str(error), throttle_duration_sec=COMPLAINT_PERIOD_S)
            return
        take(closure_of_base(closure, base_T_camera))

    qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
    node.create_subscription(PoseWithCovarianceStamped, CLOSURE_TOPIC, receive, qos)
