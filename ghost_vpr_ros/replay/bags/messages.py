"""ROS 2 messages of the bags that are written, built without a ROS installation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.typesys import Stores, get_typestore

from ghost_vpr_ros.core.camera import CameraIntrinsics
from ghost_vpr_ros.core.datatypes import GeoPoint, Pose

MAP_FRAME = 'map'
ODOM_FRAME = 'odom'
BASE_FRAME = 'base_link'
CAMERA_FRAME = 'camera'
OPTICAL_FRAME = 'camera_optical'

BODY_Q_OPTICAL = np.array([-0.5, 0.5, -0.5, 0.5])
"""Orientation (x, y, z, w) of an optical frame (z forward, x right) in its body (REP-103)."""

_UNKNOWN_VARIANCE = 1e6
_NO_ORIENTATION = np.zeros(4)

typestore = get_typestore(Stores.ROS2_JAZZY)


def message(msgtype: str, *fields: Any) -> Any:
    """A message of `package/Name` with its fields in the order of its definition."""
    package, name = msgtype.split('/')
    return typestore.types[f'{package}/msg/{name}'](*fields)


def header(stamp_ns: int, frame_id: str) -> Any:
    """std_msgs/Header with an integer nanosecond stamp."""
    time = message('builtin_interfaces/Time', stamp_ns // 10**9, stamp_ns % 10**9)
    return message('std_msgs/Header', time, frame_id)


def compressed_image(stamp_ns: int, jpeg: bytes) -> Any:
    """sensor_msgs/CompressedImage in the optical frame."""
    data = np.frombuffer(jpeg, np.uint8)
    return message(
        'sensor_msgs/CompressedImage',
        header(stamp_ns, OPTICAL_FRAME),
        'jpeg',
        data,
    )


def raw_image(stamp_ns: int, rgb: NDArray[np.uint8]) -> Any:
    """sensor_msgs/Image, rgb8 without padding, from RGB uint8 (H, W, 3)."""
    height, width = rgb.shape[:2]
    data = np.ascontiguousarray(rgb).reshape(-1)
    head = header(stamp_ns, OPTICAL_FRAME)
    return message('sensor_msgs/Image', head, height, width, 'rgb8', 0, 3 * width, data)


def camera_info(stamp_ns: int, camera: CameraIntrinsics) -> Any:
    """sensor_msgs/CameraInfo of an unrectified camera."""
    fx, fy, cx, cy = camera.fx, camera.fy, camera.cx, camera.cy
    distortion = np.array(camera.distortion or (0.0,) * 5)
    k = np.array([fx, 0, cx, 0, fy, cy, 0, 0, 1], float)
    p = np.array([fx, 0, cx, 0, 0, fy, cy, 0, 0, 0, 1, 0], float)
    whole_image = message('sensor_msgs/RegionOfInterest', 0, 0, 0, 0, False)
    return message(
        'sensor_msgs/CameraInfo',
        header(stamp_ns, OPTICAL_FRAME),
        camera.height,
        camera.width,
        camera.model,
        distortion,
        k,
        np.eye(3).reshape(-1),
        p,
        0,
        0,
        whole_image,
    )


def nav_sat_fix(stamp_ns: int, geo: GeoPoint, sigma_m: float | None) -> Any:
    """sensor_msgs/NavSatFix; the covariance's type is UNKNOWN without `sigma_m`."""
    status = message('sensor_msgs/NavSatStatus', 0, 1)
    covariance = np.eye(3).reshape(-1) * (sigma_m or 0.0) ** 2
    kind = 0 if sigma_m is None else 2
    altitude_m = math.nan if geo.altitude_m is None else geo.altitude_m
    return message(
        'sensor_msgs/NavSatFix',
        header(stamp_ns, BASE_FRAME),
        status,
        geo.latitude_deg,
        geo.longitude_deg,
        altitude_m,
        covariance,
        kind,
    )


def pose_stamped(stamp_ns: int, pose: Pose) -> Any:
    """geometry_msgs/PoseStamped in the map; an all-zero quaternion marks an unknown heading."""
    return message(
        'geometry_msgs/PoseStamped',
        header(stamp_ns, MAP_FRAME),
        message('geometry_msgs/Pose', *_point_and_quaternion(pose, 'geometry_msgs/Point')),
    )


def odometry(stamp_ns: int, pose: Pose) -> Any:
    """nav_msgs/Odometry of the base in the odometry frame; the twist is marked as unknown."""
    unknown = np.eye(6).reshape(-1) * _UNKNOWN_VARIANCE
    given = unknown if pose.covariance is None else pose.covariance.reshape(-1)
    placed = message('geometry_msgs/Pose', *_point_and_quaternion(pose, 'geometry_msgs/Point'))
    still = message('geometry_msgs/Vector3', 0.0, 0.0, 0.0)
    return message(
        'nav_msgs/Odometry',
        header(stamp_ns, ODOM_FRAME),
        BASE_FRAME,
        message('geometry_msgs/PoseWithCovariance', placed, np.asarray(given, float)),
        message(
            'geometry_msgs/TwistWithCovariance',
            message('geometry_msgs/Twist', still, still),
            unknown,
        ),
    )


def transforms(stamp_ns: int, links: Sequence[tuple[str, str, Pose]]) -> Any:
    """tf2_msgs/TFMessage of parent frame, child frame and the child's pose in the parent."""
    stamped = [
        message(
            'geometry_msgs/TransformStamped',
            header(stamp_ns, parent),
            child,
            message(
                'geometry_msgs/Transform', *_point_and_quaternion(pose, 'geometry_msgs/Vector3')
            ),
        )
        for parent, child, pose in links
    ]
    return message('tf2_msgs/TFMessage', stamped)


def _point_and_quaternion(pose: Pose, point_type: str) -> tuple[Any, Any]:
    quaternion = _NO_ORIENTATION if pose.quaternion_xyzw is None else pose.quaternion_xyzw
    return (
        message(point_type, *map(float, pose.position_m)),
        message('geometry_msgs/Quaternion', *map(float, quaternion)),
    )
