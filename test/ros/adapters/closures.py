"""Loop closures for the tests, and their messages."""

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped
from scipy.spatial.transform import Rotation

from ghost_vpr_ros.ros.adapters.subscriptions import StampedClosure
from ghost_vpr_ros.ros.conversions import header_at, keyframe_frame_id

QUERY_NS = 1_700_000_100_123_456_789
KEYFRAME_NS = 1_700_000_000_987_654_321

# Keyframe at the origin heading east; the query is 2 m ahead of it and turned by 90 deg to the
# left, so it heads north.
AHEAD_AND_LEFT = np.array(
    [[0.0, -1.0, 0.0, 2.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
)
COVARIANCE = np.diag([4.0, 1.0, 0.25, 0.01, 0.02, 0.09])


def transform(x, y, z, *rpy_deg):
    """(4, 4) of metres and degrees about fixed axes."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler('xyz', rpy_deg, degrees=True).as_matrix()
    matrix[:3, 3] = x, y, z
    return matrix


def full_covariance():
    """(6, 6), positive, every element different from zero."""
    factor = np.random.default_rng(3).normal(0.0, 0.3, (6, 6))
    return factor @ factor.T + np.diag([0.5, 0.4, 0.3, 0.2, 0.1, 0.05])


def closure(keyframe_T_query=AHEAD_AND_LEFT, covariance=COVARIANCE, **changes):
    values = {'session': 'town/morning', 'keyframe_stamp_ns': KEYFRAME_NS}
    values |= {'query_stamp_ns': QUERY_NS, **changes}
    return StampedClosure(keyframe_T_query=keyframe_T_query, covariance=covariance, **values)


def closure_message(given):
    """What the node publishes on `~/loop_closure` for a closure."""
    frame_id = keyframe_frame_id(given.session, given.keyframe_stamp_ns)
    message = PoseWithCovarianceStamped(header=header_at(given.query_stamp_ns, frame_id))
    position, orientation = message.pose.pose.position, message.pose.pose.orientation
    position.x, position.y, position.z = map(float, given.keyframe_T_query[:3, 3])
    quaternion = Rotation.from_matrix(given.keyframe_T_query[:3, :3]).as_quat()
    orientation.x, orientation.y, orientation.z, orientation.w = map(float, quaternion)
    message.pose.covariance = given.covariance.reshape(-1)
    return message


def matrix_from(translation, rotation):
    """(4, 4) out of the two parts of a Pose or Transform message."""
    matrix = np.eye(4)
    quaternion = [rotation.x, rotation.y, rotation.z, rotation.w]
    matrix[:3, :3] = Rotation.from_quat(quaternion).as_matrix()
    matrix[:3, 3] = translation.x, translation.y, translation.z
    return matrix


def perturbed(matrix, error):
    """The transform that is off by dt and dr (6,) as geometry_msgs has it: t + dt, exp(dr) R."""
    moved = matrix.copy()
    moved[:3, 3] += error[:3]
    moved[:3, :3] = Rotation.from_rotvec(error[3:]).as_matrix() @ matrix[:3, :3]
    return moved


def difference(moved, matrix):
    """The error (6,) that `perturbed` would turn `matrix` into `moved` with."""
    turn = Rotation.from_matrix(moved[:3, :3] @ matrix[:3, :3].T).as_rotvec()
    return np.concatenate([moved[:3, 3] - matrix[:3, 3], turn])


def numeric_jacobian(function):
    """(6, 6) of a function of an error (6,) at 0, by central differences."""
    step = 1e-6
    columns = [(function(step * e) - function(-step * e)) / (2.0 * step) for e in np.eye(6)]
    return np.stack(columns, axis=1)
