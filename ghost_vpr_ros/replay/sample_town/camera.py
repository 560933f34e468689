"""The camera: pinhole intrinsics, its place on the vehicle, and rigid transforms."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.camera import BODY_R_OPTICAL, CameraIntrinsics


@dataclass(frozen=True)
class PinholeCamera(CameraIntrinsics):
    """An undistorted camera on a vehicle.

    Attributes:
        mount_height_m: camera above `base_link`, looking along its x axis.
    """

    mount_height_m: float = field(kw_only=True)

    def base_T_optical(self) -> NDArray[np.float64]:
        """(4, 4) pose of the optical frame in `base_link`."""
        transform = np.eye(4)
        transform[:3, :3] = BODY_R_OPTICAL
        transform[2, 3] = self.mount_height_m
        return transform


def make_camera(
    width_px: int, height_px: int, focal_ratio: float, height_m: float
) -> PinholeCamera:
    """A camera with square pixels and the principal point in the middle of the image."""
    focal = focal_ratio * width_px
    centre_x, centre_y = (width_px - 1) / 2, (height_px - 1) / 2
    return PinholeCamera(
        focal, focal, centre_x, centre_y, width_px, height_px, mount_height_m=height_m
    )


def planar_pose(
    x: float, y: float, yaw_rad: float, pitch_rad: float = 0.0, roll_rad: float = 0.0
) -> NDArray[np.float64]:
    """(4, 4) pose on the ground: yaw from east counter-clockwise, then pitch (nose down), roll."""
    cy, sy = np.cos(yaw_rad), np.sin(yaw_rad)
    cp, sp = np.cos(pitch_rad), np.sin(pitch_rad)
    cr, sr = np.cos(roll_rad), np.sin(roll_rad)
    yaw = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    pitch = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    roll = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    pose = np.eye(4)
    pose[:3, :3] = yaw @ pitch @ roll
    pose[:2, 3] = x, y
    return pose


def yaw_of(pose: NDArray[np.float64]) -> float:
    """Yaw of a (4, 4) pose in radians, counter-clockwise from the x axis."""
    return float(np.arctan2(pose[1, 0], pose[0, 0]))
