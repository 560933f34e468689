"""What adapters subscribe to: closures and accepted poses of the node, and odometry.

Closures and poses are transformed from the camera to the robot's base, which SLAM systems use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import Header

from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.errors import GhostVprError
from ghost_vpr_ros.core.poses import matrix_of
from ghost_vpr_ros.ros.adapters.camera_mount import CameraMount, pose_of_base
from ghost_vpr_ros.ros.adapters.rigid_transform import (
    Matrix,
    inverse,
    is_covariance,
    moved_covariance,
)
from ghost_vpr_ros.ros.conversions import KEYFRAME_PREFIX, pose_from_message, stamp_to_ns

_FORM = f"'{KEYFRAME_PREFIX}<session>/<stamp in ns>'"

CLOSURE_TOPIC = 'place_recognition/loop_closure'

RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)

COMPLAINT_PERIOD_S = 5.0
"""The same complaint is logged at most this often."""


class ClosureError(GhostVprError):
    """A loop closure cannot be forwarded: its frame id, stamps, pose or covariance are invalid."""


@dataclass(frozen=True)
class StampedClosure:
    """One accepted answer: where the query camera is, seen from the matched keyframe.

    Attributes:
        session: of the matched keyframe in the map.
        keyframe_stamp_ns: stamp of the keyframe's image.
        query_stamp_ns: stamp of the query image.
        keyframe_T_query: (4, 4) pose of the query's body frame (x forward, y left, z up) in the
            body frame of the keyframe, metres.
        covariance: (6, 6) x, y, z (m^2), roll, pitch, yaw (rad^2) in the keyframe's axes.
    """

    session: str
    keyframe_stamp_ns: int
    query_stamp_ns: int
    keyframe_T_query: Matrix
    covariance: Matrix


def parse_frame_id(frame_id: str) -> tuple[str, int]:
    """Session and stamp (ns) of the keyframe; a session may hold slashes of its own.

    Raises:
        ClosureError: not of this form, or the keyframe has no stamp to identify it by.
    """
    session, _, stamp = frame_id.removeprefix(KEYFRAME_PREFIX).rpartition('/')
    is_number = stamp.removeprefix('-').isdecimal()
    if not frame_id.startswith(KEYFRAME_PREFIX) or not session or not is_number:
        raise ClosureError(
            f'loop closure: expected a frame_id of the form {_FORM}, found {frame_id!r}; '
            "subscribe to the node's ~/loop_closure"
        )
    if int(stamp) <= 0:
        raise ClosureError(
            f'loop closure: keyframe of session {session!r} has no stamp, so no other system can '
            'find it; build the map from a bag, or from images with stamps'
        )
    return session, int(stamp)


def closure_from_message(message: PoseWithCovarianceStamped) -> StampedClosure:
    """The values of a message of `~/loop_closure`, checked.

    Raises:
        ClosureError: frame id, stamp, pose or covariance cannot be used.
    """
    session, keyframe_stamp_ns = parse_frame_id(message.header.frame_id)
    query_stamp_ns = stamp_to_ns(message.header.stamp)
    pose = pose_from_message(message.pose.pose)
    if query_stamp_ns == 0 or pose is None:
        fault = 'a pose that is not finite' if pose is None else 'stamp 0'
        raise ClosureError(
            f'loop closure to {message.header.frame_id}: expected the stamp of the query image '
            f'and a finite pose, found {fault}; the camera driver has to stamp its images'
        )
    covariance = np.asarray(message.pose.covariance, np.float64).reshape(6, 6)
    if not is_covariance(covariance):
        raise ClosureError(
            f'loop closure to {message.header.frame_id}: expected a symmetric covariance that is '
            f'positive in every direction, found the diagonal {covariance.diagonal().tolist()}; '
            'it has no inverse that a pose graph could weigh the closure with'
        )
    return StampedClosure(session, keyframe_stamp_ns, query_stamp_ns, matrix_of(pose), covariance)


def closure_of_base(closure: StampedClosure, base_T_camera: Matrix) -> StampedClosure:
    """The same closure between the robot's base at the keyframe and at the query.

    The map was made with the camera at the same place of the same base.
    """
    camera_T_base = inverse(base_T_camera)
    covariance = moved_covariance(
        base_T_camera, closure.keyframe_T_query, camera_T_base, closure.covariance
    )
    keyframe_T_query = base_T_camera @ closure.keyframe_T_query @ camera_T_base
    return replace(closure, keyframe_T_query=keyframe_T_query, covariance=covariance)


def subscribe_closures(node: Node, take: Callable[[StampedClosure], None]) -> None:
    """Call `take` with each closure, transformed from the camera to the robot's base.

    Invalid closures are logged and skipped.

    Raises:
        ConfigError: a parameter of the camera's mount is not allowed.
        MessagePackageError: the mount is to come from TF, whose messages are not installed.
    """
    mount = CameraMount(node)

    def receive(message: PoseWithCovarianceStamped) -> None:
        try:
            closure = closure_from_message(message)
        except ClosureError as error:
            node.get_logger().error(str(error), throttle_duration_sec=COMPLAINT_PERIOD_S)
            return
        take(closure_of_base(closure, mount.base_T_camera))

    node.create_subscription(PoseWithCovarianceStamped, CLOSURE_TOPIC, receive, RELIABLE)


def subscribe_poses(node: Node, take: Callable[[Header, Matrix, Matrix], None]) -> None:
    """Call `take` with each accepted pose: its header, `map_T_base` (4, 4), covariance (6, 6).

    Poses that are not finite are skipped.

    Raises:
        ConfigError: a parameter of the camera's mount is not allowed.
        MessagePackageError: the mount is to come from TF, whose messages are not installed.
    """
    mount = CameraMount(node)

    def receive(message: PoseWithCovarianceStamped) -> None:
        pose = pose_from_message(message.pose.pose)
        if pose is not None:
            covariance = np.asarray(message.pose.covariance).reshape(6, 6)
            moved = pose_of_base(matrix_of(pose), covariance, mount.base_T_camera)
            take(message.header, *moved)

    topic = 'place_recognition/pose'
    node.create_subscription(PoseWithCovarianceStamped, topic, receive, RELIABLE)


def subscribe_odometry(node: Node, take: Callable[[Odometry, Pose], None]) -> None:
    """Call `take` with each message of `odom` whose pose is finite, and that pose."""

    def receive(message: Odometry) -> None:
        pose = pose_from_message(message.pose.pose)
        if pose is not None:
            take(message, pose)

    qos = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)
    node.create_subscription(Odometry, 'odom', receive, qos)
