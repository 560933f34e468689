"""`~/loop_closure` of the node as plain values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped

from ghost_vpr_ros.core.poses import matrix_of
from ghost_vpr_ros.ros.adapters.errors import ClosureError
from ghost_vpr_ros.ros.adapters.rigid_transform import Matrix, is_covariance
from ghost_vpr_ros.ros.conversions import KEYFRAME_PREFIX, pose_from_message, stamp_to_ns

_FORM = f"'{KEYFRAME_PREFIX}<session>/<stamp in ns>'"


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
        ClosureError: not of that form, or the keyframe has no stamp by which others find it.
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
        fault = 'a pose that is no number' if pose is None else 'stamp 0'
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
