"""Poses as matrices: what replay, adapters and pose graph multiply."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ghost_vpr_ros.core.datatypes import Pose


def matrix_of(pose: Pose) -> NDArray[np.float64]:
    """(4, 4) matrix of a pose; an unknown orientation is taken to be level and along x."""
    matrix = np.eye(4)
    if pose.quaternion_xyzw is not None:
        matrix[:3, :3] = Rotation.from_quat(pose.quaternion_xyzw).as_matrix()
    matrix[:3, 3] = pose.position_m
    return matrix
