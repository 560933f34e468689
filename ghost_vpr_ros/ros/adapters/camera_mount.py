"""Where the camera sits on the robot: SLAM systems speak of the robot's base frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.ros.adapters.closure_message import StampedClosure
from ghost_vpr_ros.ros.adapters.rigid_transform import Matrix, inverse, moved_covariance


@dataclass(frozen=True)
class MountConfig(Config):
    """Pose of the camera's body frame (x forward, y left, z up) in the robot's base frame."""

    camera_position_m: tuple[float, float, float] = setting(
        (0.0, 0.0, 0.0), 'position x y z of the camera in the base frame', unit='m',
        low=-100.0, high=100.0,
    )  # fmt: skip
    camera_rpy_deg: tuple[float, float, float] = setting(
        (0.0, 0.0, 0.0), 'roll pitch yaw of its body frame (x along the view) in the base frame',
        unit='deg', low=-360.0, high=360.0,
    )  # fmt: skip

    @property
    def base_T_camera(self) -> Matrix:
        """(4, 4); roll, pitch and yaw about the fixed axes x, y, z as in URDF."""
        matrix = np.eye(4)
        matrix[:3, :3] = Rotation.from_euler('xyz', self.camera_rpy_deg, degrees=True).as_matrix()
        matrix[:3, 3] = self.camera_position_m
        return matrix


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


def pose_of_base(
    map_T_camera: Matrix, covariance: Matrix, base_T_camera: Matrix
) -> tuple[Matrix, Matrix]:
    """`map_T_base` (4, 4) and its covariance (6, 6)."""
    camera_T_base = inverse(base_T_camera)
    moved = moved_covariance(np.eye(4), map_T_camera, camera_T_base, covariance)
    return map_T_camera @ camera_T_base, moved
