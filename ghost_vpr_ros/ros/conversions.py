"""Hypotheses and keyframes to ROS messages; free functions without state.

Every message carries the image's stamp, never the time of publishing, and a frame id.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from geometry_msgs.msg import Point, PoseStamped, PoseWithCovarianceStamped, Quaternion
from geometry_msgs.msg import Pose as PoseMessage
from nav_msgs.msg import Path
from sensor_msgs.msg import CameraInfo, NavSatFix, NavSatStatus, PointCloud2, PointField
from std_msgs.msg import Header

from ghost_vpr_ros.core.camera import CameraIntrinsics
from ghost_vpr_ros.core.datatypes import (
    Candidate,
    GeoPoint,
    Hypothesis,
    Keyframe,
    LoopClosure,
    Pose,
    Reason,
)
from ghost_vpr_ros.core.geodesy import position_of_fix
from ghost_vpr_ros.core.recognition.decision import missing_text
from ghost_vpr_ros.ros.image_conversions import byte_array

_CANDIDATE_FIELDS = {
    'x': '<f4',
    'y': '<f4',
    'z': '<f4',
    'similarity': '<f4',
    'probability': '<f4',
    'keyframe_id': '<u4',
    'session': '<u4',
    'stamp_sec': '<i4',
    'stamp_nanosec': '<u4',
    'inliers': '<i4',
}
CANDIDATE_DTYPE = np.dtype(list(_CANDIDATE_FIELDS.items()))
"""One point of `~/candidates`; `session` is the number of the session in the map's order."""

_POINT_TYPES = {
    '<f4': PointField.FLOAT32,
    '<u4': PointField.UINT32,
    '<i4': PointField.INT32,
}
_FIELD_BYTES = 4
_SECONDS = 2**32
KEYFRAME_PREFIX = 'keyframe/'
"""Frames of `~/loop_closure` begin with it; session and stamp of the keyframe follow."""

_FIELDS = [
    PointField(name=name, offset=_FIELD_BYTES * place, datatype=_POINT_TYPES[kind], count=1)
    for place, (name, kind) in enumerate(_CANDIDATE_FIELDS.items())
]
"""The same for every frame: made once, they are half of the time of the message."""

_DEGRADED = (Reason.EMPTY_MAP, Reason.IMAGE_QUALITY, Reason.STALE, Reason.FAILURE)


def stamp_to_ns(stamp: Time) -> int:
    """Integer nanoseconds of a message's stamp; after 2038 its seconds wrap to negative ones."""
    return int(stamp.sec) % _SECONDS * 1_000_000_000 + int(stamp.nanosec)


def ns_to_stamp(stamp_ns: int) -> Time:
    """Stamp of a message; zero, which ROS reads as "not set", where the time is unknown.

    A message has 32 bits for the seconds: from 2038 to 2106 they wrap to negative ones, and later
    times are not known.
    """
    sec, nanosec = _sec_and_nanosec(stamp_ns)
    return Time(sec=sec, nanosec=nanosec)


def _sec_and_nanosec(stamp_ns: int) -> tuple[int, int]:
    """The numbers of `ns_to_stamp`."""
    sec, nanosec = divmod(max(stamp_ns, 0), 1_000_000_000)
    if sec >= _SECONDS:
        return 0, 0
    return sec - _SECONDS if sec >= _SECONDS // 2 else sec, nanosec


def header_at(stamp_ns: int, frame_id: str) -> Header:
    """Header with the given stamp and frame."""
    return Header(stamp=ns_to_stamp(stamp_ns), frame_id=frame_id)


def candidates_message(
    hypothesis: Hypothesis, session_numbers: Mapping[str, int], map_frame: str
) -> PointCloud2:
    """`~/candidates`: one point for each candidate, best first; NaN where a position is unknown.

    Args:
        hypothesis: the answer to one image.
        session_numbers: number of each of the map's sessions.
        map_frame: frame of x, y, z.
    """
    points = np.array(
        [_candidate_row(c, session_numbers) for c in hypothesis.candidates], CANDIDATE_DTYPE
    )
    message = PointCloud2(header=header_at(hypothesis.stamp_ns, map_frame), height=1)
    message.width = len(points)
    message.fields = _FIELDS
    message.point_step = CANDIDATE_DTYPE.itemsize
    message.row_step = points.nbytes
    message.is_dense = bool(np.isfinite(points['x']).all())
    message.data = byte_array(points.tobytes())
    return message


def status_message(
    hypothesis: Hypothesis, frame_id: str, latency_ms: float, detail: str = ''
) -> DiagnosticStatus:
    """`~/status`: state and reason in words, then key and value pairs for programs.

    Args:
        hypothesis: the answer to one image.
        frame_id: frame of the image.
        latency_ms: from the image's stamp to this answer.
        detail: one sentence on an image that could not be used.
    """
    state, reason = hypothesis.state.value, hypothesis.reason.value
    values = {
        'state': state,
        'reason': reason,
        'stamp_ns': str(hypothesis.stamp_ns),
        'frame_id': frame_id,
        'map_revision': str(hypothesis.map_revision),
        'calibrated': 'yes' if hypothesis.is_calibrated else 'no',
        'missing': missing_text(hypothesis),
        **_threshold(hypothesis),
        'latency_ms': f'{latency_ms:.1f}',
        **{f'{stage}_ms': f'{ms:.1f}' for stage, ms in hypothesis.stage_ms.items()},
        **_best_candidate_values(hypothesis),
    }
    message = DiagnosticStatus(name='place_recognition: answer', hardware_id=frame_id)
    message.level = (
        DiagnosticStatus.WARN if hypothesis.reason in _DEGRADED else DiagnosticStatus.OK
    )
    short = state if hypothesis.reason is Reason.NONE else f'{state}: {reason}'
    message.message = f'{short}; {detail}' if detail else short
    message.values = [KeyValue(key=key, value=value) for key, value in values.items()]
    return message


def pose_from_message(message: PoseMessage) -> Pose | None:
    """Position and unit quaternion of a pose; None where a number is not finite or all are 0."""
    point, rotation = message.position, message.orientation
    position_m = np.array([point.x, point.y, point.z])
    quaternion_xyzw = np.array([rotation.x, rotation.y, rotation.z, rotation.w])
    length = float(np.linalg.norm(quaternion_xyzw))
    if not np.isfinite(position_m).all() or not math.isfinite(length) or length == 0.0:
        return None
    return Pose(position_m, quaternion_xyzw / length)


def pose_message(pose: Pose, stamp_ns: int, map_frame: str) -> PoseWithCovarianceStamped:
    """`~/pose`: an accepted pose in the map frame with its covariance.

    Where the heading is unknown the rotation is the identity with a large covariance.

    Raises:
        ValueError: the pose has no covariance; a pose without one is never published.
    """
    if pose.covariance is None:
        raise ValueError('a pose without covariance cannot be published')
    message = PoseWithCovarianceStamped(header=header_at(stamp_ns, map_frame))
    message.pose.pose = to_pose(pose)
    message.pose.covariance = pose.covariance.reshape(-1)
    return message


def closure_message(closure: LoopClosure) -> PoseWithCovarianceStamped:
    """`~/loop_closure`: pose of the query camera in the frame of the keyframe that it saw again.

    Both cameras' body frames (x forward, y left, z up). The stamp is that of the query image, the
    frame id names the keyframe: both stamps and the direction are in the message.
    """
    keyframe = closure.keyframe
    frame_id = keyframe_frame_id(keyframe.session, keyframe.stamp_ns)
    return pose_message(closure.keyframe_T_query, closure.stamp_ns, frame_id)


def keyframe_frame_id(session: str, stamp_ns: int) -> str:
    """`header.frame_id` of `~/loop_closure`."""
    return f'{KEYFRAME_PREFIX}{session}/{stamp_ns}'


def camera_from_message(message: CameraInfo) -> CameraIntrinsics:
    """The camera of a CameraInfo.

    Raises:
        ConfigError: it is not filled in, or has an unknown distortion model.
    """
    return CameraIntrinsics.from_camera_info(
        np.asarray(message.k),
        np.asarray(message.d),
        message.distortion_model,
        message.width,
        message.height,
    )


def geo_from_fix(message: NavSatFix) -> GeoPoint | None:
    """The position of a fix; None without one."""
    return position_of_fix(
        message.status.status,
        message.latitude,
        message.longitude,
        message.altitude,
        message.position_covariance_type,
        message.position_covariance,
    )


def fix_message(hypothesis: Hypothesis, frame_id: str) -> NavSatFix:
    """`~/fix`: the accepted position in WGS84, covariance in east, north, up (m^2).

    Raises:
        ValueError: the hypothesis has no geographic position or no covariance.
    """
    if hypothesis.geo is None or hypothesis.pose is None or hypothesis.pose.covariance is None:
        raise ValueError('a fix needs a geographic position and its covariance')
    message = NavSatFix(header=header_at(hypothesis.stamp_ns, frame_id))
    # Position filters ignore a fix with another status.
    message.status.status = NavSatStatus.STATUS_FIX
    message.latitude = hypothesis.geo.latitude_deg
    message.longitude = hypothesis.geo.longitude_deg
    altitude_m = hypothesis.geo.altitude_m
    message.altitude = math.nan if altitude_m is None else altitude_m
    message.position_covariance = hypothesis.pose.covariance[:3, :3].reshape(-1)
    message.position_covariance_type = NavSatFix.COVARIANCE_TYPE_KNOWN
    return message


def keyframes_message(keyframes: Iterable[Keyframe], map_frame: str) -> Path:
    """`~/keyframes`: stamp and pose of each keyframe whose pose is known, in the map's order."""
    path = Path(header=header_at(0, map_frame))
    path.poses = [
        PoseStamped(header=header_at(k.stamp_ns, map_frame), pose=to_pose(k.pose))
        for k in keyframes
        if k.pose is not None
    ]
    if path.poses:
        path.header.stamp = max((p.header.stamp for p in path.poses), key=stamp_to_ns)
    return path


def to_pose(pose: Pose) -> PoseMessage:
    """`geometry_msgs/Pose`; no rotation where the heading is unknown."""
    x, y, z = map(float, pose.position_m)
    qx, qy, qz, qw = (0.0, 0.0, 0.0, 1.0)
    if pose.quaternion_xyzw is not None:
        qx, qy, qz, qw = map(float, pose.quaternion_xyzw)
    return PoseMessage(
        position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw)
    )


def _candidate_row(
    candidate: Candidate, session_numbers: Mapping[str, int]
) -> tuple[float | int, ...]:
    keyframe = candidate.keyframe
    x, y, z = _position(keyframe)
    return (
        x,
        y,
        z,
        candidate.similarity,
        candidate.probability,
        keyframe.keyframe_id,
        session_numbers[keyframe.session],
        *_sec_and_nanosec(keyframe.stamp_ns),
        candidate.inliers,
    )


def _threshold(hypothesis: Hypothesis) -> dict[str, str]:
    """From which probability this answer was accepted; nothing for an image without an answer."""
    if math.isnan(hypothesis.min_probability):
        return {}
    return {'min_probability': f'{hypothesis.min_probability:.4f}'}


def _best_candidate_values(hypothesis: Hypothesis) -> dict[str, str]:
    if not hypothesis.candidates:
        return {}
    best = hypothesis.candidates[0]
    x, y, z = _position(best.keyframe)
    return {
        'keyframe_id': str(best.keyframe.keyframe_id),
        'session': best.keyframe.session,
        'keyframe': best.keyframe.name,
        'similarity': f'{best.similarity:.4f}',
        'probability': f'{best.probability:.4f}',
        'position_m': f'{x:.2f} {y:.2f} {z:.2f}',
    }


def _position(keyframe: Keyframe) -> tuple[float, float, float]:
    if keyframe.pose is None:
        return math.nan, math.nan, math.nan
    x, y, z = map(float, keyframe.pose.position_m)
    return x, y, z
