"""Position messages of a bag become stamped poses; those marked as invalid are left out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ghost_vpr_ros.core.datatypes import GeoPoint, Pose
from ghost_vpr_ros.core.geodesy import position_of_fix

FIX_TYPE = 'sensor_msgs/msg/NavSatFix'
ODOMETRY_TYPE = 'nav_msgs/msg/Odometry'
POSE_TYPE = 'geometry_msgs/msg/PoseStamped'
POSE_WITH_COVARIANCE_TYPE = 'geometry_msgs/msg/PoseWithCovarianceStamped'
TF_TYPES = ('tf2_msgs/msg/TFMessage', 'tf/msg/tfMessage')


def stamp_of(header: Any, log_ns: int) -> int:
    """The header's stamp in nanoseconds; the time of recording where the header has none."""
    return header_stamp(header) or log_ns


def header_stamp(header: Any) -> int:
    """The header's stamp in nanoseconds; 0 where it is not set. After 2038 the seconds wrap."""
    return int(header.stamp.sec) % 2**32 * 10**9 + int(header.stamp.nanosec)


def pose_of_message(content: Any, msgtype: str) -> Pose | None:
    """Pose of an Odometry, PoseStamped or PoseWithCovarianceStamped; None where it is not finite.

    An all-zero quaternion means that the heading is unknown, an all-zero covariance that it was
    never set.
    """
    if msgtype == POSE_TYPE:
        return pose_of(content.pose.position, content.pose.orientation)
    inner = content.pose.pose
    pose = pose_of(inner.position, inner.orientation)
    covariance = np.asarray(content.pose.covariance, np.float64).reshape(6, 6)
    if pose is None or not covariance.any() or not np.isfinite(covariance).all():
        return pose
    return Pose(pose.position_m, pose.quaternion_xyzw, covariance)


def pose_of(point: Any, quaternion: Any) -> Pose | None:
    """Pose of a point and a quaternion message; None where the point is not finite."""
    position = np.array([point.x, point.y, point.z], np.float64)
    if not np.isfinite(position).all():
        return None
    xyzw = np.array([quaternion.x, quaternion.y, quaternion.z, quaternion.w], np.float64)
    length = float(np.linalg.norm(xyzw))
    has_heading = math.isfinite(length) and length > 0
    return Pose(position, xyzw / length if has_heading else None)


def degrees_of_fix(content: Any) -> Pose | None:
    """Latitude, longitude and altitude (NaN where unknown) of a NavSatFix; None without a fix."""
    geo = position_of_fix(
        int(content.status.status),
        content.latitude,
        content.longitude,
        content.altitude,
        int(content.position_covariance_type),
        content.position_covariance,
    )
    if geo is None:
        return None
    altitude_m = math.nan if geo.altitude_m is None else geo.altitude_m
    return Pose(np.array([geo.latitude_deg, geo.longitude_deg, altitude_m], np.float64))


def geo_of_degrees(degrees: Pose) -> GeoPoint:
    """The GeoPoint of interpolated degrees; the longitude is brought back to -180 .. 180."""
    latitude, longitude, altitude_m = (float(value) for value in degrees.position_m)
    longitude = math.remainder(longitude, 360.0)
    return GeoPoint(latitude, longitude, altitude_m if math.isfinite(altitude_m) else None)
