"""The pose of the camera on the robot, from `/tf_static` or from parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from scipy.spatial.transform import Rotation

from ghost_vpr_ros.core.camera import BODY_R_OPTICAL, is_optical
from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.ros.adapters.message_packages import TF, load_interfaces
from ghost_vpr_ros.ros.adapters.rigid_transform import Matrix, inverse, moved_covariance
from ghost_vpr_ros.ros.parameters import declare_settings

_WAIT_S = 5.0


@dataclass(frozen=True)
class MountConfig(Config):
    """Pose of the camera's body frame (x forward, y left, z up) in the robot's base frame."""

    base_frame: str = setting(
        '', 'frame of the robot, such as base_link: with it and `camera_frame` the mount is read '
        'from /tf_static, and the parameters below only count until it is there',
    )  # fmt: skip
    camera_frame: str = setting(
        '', 'frame of the images, from their headers; one that ends in optical or optical_frame '
        'is turned into its body',
    )  # fmt: skip
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


class StaticFrames:
    """The tree of `/tf_static`."""

    def __init__(self) -> None:
        self._links: dict[str, tuple[str, Matrix]] = {}

    def add(self, message: Any) -> None:
        """Add the transforms of a `tf2_msgs/TFMessage`; invalid ones are skipped."""
        for item in message.transforms:
            offset, turn = item.transform.translation, item.transform.rotation
            quaternion = np.array([turn.x, turn.y, turn.z, turn.w])
            matrix = np.eye(4)
            matrix[:3, 3] = offset.x, offset.y, offset.z
            if not np.isfinite(matrix).all() or not np.linalg.norm(quaternion) > 0.0:
                continue
            matrix[:3, :3] = Rotation.from_quat(quaternion).as_matrix()
            parent, child = item.header.frame_id.lstrip('/'), item.child_frame_id.lstrip('/')
            self._links[child] = parent, matrix

    def between(self, target: str, source: str) -> Matrix | None:
        """`target_T_source` (4, 4); None if the frames are not connected."""
        target, source = target.lstrip('/'), source.lstrip('/')
        up, down = self._to_root(target), self._to_root(source)
        common = next((frame for frame in down if frame in up), None)
        return None if common is None else inverse(up[common]) @ down[common]

    def _to_root(self, frame: str) -> dict[str, Matrix]:
        """`ancestor_T_frame` for the frame itself and all above it, the nearest first."""
        found = {frame: np.eye(4)}
        at = frame
        while at in self._links and self._links[at][0] not in found:
            parent, parent_T_at = self._links[at]
            found[parent] = parent_T_at @ found[at]
            at = parent
        return found


class CameraMount:
    """The current knowledge of the mount."""

    def __init__(self, node: Node) -> None:
        """Declare the parameters, and subscribe to `/tf_static` if frames are set.

        Raises:
            ConfigError: a parameter is not allowed, or only one of the two frames is given.
            MessagePackageError: tf2_msgs, which is needed then, is not installed.
        """
        self._config = MountConfig.from_dict(declare_settings(node, MountConfig))
        self._node = node
        self._frames = StaticFrames()
        frames = self._config.base_frame, self._config.camera_frame
        self._is_wanted = all(frames)
        if any(frames) and not self._is_wanted:
            raise ConfigError(
                f'parameters base_frame and camera_frame: expected both or none, found {frames}; '
                'name the frame of the robot and that of the images'
            )
        if self._is_wanted:
            latched = QoSProfile(
                depth=100,
                reliability=ReliabilityPolicy.RELIABLE,
                durability=DurabilityPolicy.TRANSIENT_LOCAL,
            )
            kind = load_interfaces(TF, 'msg').TFMessage
            node.create_subscription(kind, '/tf_static', self._frames.add, latched)

    @property
    def base_T_camera(self) -> Matrix:
        """(4, 4) of the camera's body; from the parameters until TF has it."""
        config = self._config
        if not self._is_wanted:
            return config.base_T_camera
        found = self._frames.between(config.base_frame, config.camera_frame)
        if found is None:
            self._node.get_logger().warning(
                f'no static transform from {config.base_frame} to {config.camera_frame} on '
                '/tf_static yet; camera_position_m and camera_rpy_deg are used instead',
                throttle_duration_sec=_WAIT_S,
            )
            return config.base_T_camera
        if is_optical(config.camera_frame):
            found = found.copy()
            found[:3, :3] = found[:3, :3] @ BODY_R_OPTICAL.T
        return found


def pose_of_base(
    map_T_camera: Matrix, covariance: Matrix, base_T_camera: Matrix
) -> tuple[Matrix, Matrix]:
    """`map_T_base` (4, 4) and its covariance (6, 6)."""
    camera_T_base = inverse(base_T_camera)
    moved = moved_covariance(np.eye(4), map_T_camera, camera_T_base, covariance)
    return map_T_camera @ camera_T_base, moved
