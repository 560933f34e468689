"""Wheel and gyro odometry that drifts, with the covariance that such a drift has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.poses import pose_of
from ghost_vpr_ros.replay.sample_town.camera import planar_pose, yaw_of
from ghost_vpr_ros.replay.sample_town.config import TownConfig
from ghost_vpr_ros.replay.sample_town.seeding import stream
from ghost_vpr_ros.replay.sample_town.trajectory import Trajectory

X, Y, YAW, SCALE, BIAS = range(5)
UPRIGHT_SIGMA = 0.01
STEP_FLOOR_M = 0.01


class Odometer:
    """Integrates noisy steps; its error state is x, y, yaw, wheel scale and yaw-rate bias.

    Attributes:
        odom_T_base: (4, 4) in the odometry frame, which starts at the first pose.
        errors: (5, 5) covariance of the error state, propagated to first order.
    """

    def __init__(self, config: TownConfig, rng: np.random.Generator) -> None:
        self._config, self._rng = config, rng
        self.scale = float(rng.normal(0, config.odometry_scale_sigma))
        self.bias_rad_s = float(rng.normal(0, np.radians(config.gyro_bias_sigma_deg_s)))
        self.odom_T_base = np.eye(4)
        self.errors = np.zeros((5, 5))
        self.errors[SCALE, SCALE] = config.odometry_scale_sigma**2
        self.errors[BIAS, BIAS] = np.radians(config.gyro_bias_sigma_deg_s) ** 2

    def step(self, base_T_next: NDArray[np.float64], seconds: float) -> None:
        """Advance by an exact step (4, 4), measured with errors."""
        config, rng = self._config, self._rng
        forward, left = base_T_next[0, 3], base_T_next[1, 3]
        distance = float(np.hypot(forward, left))
        slip = config.odometry_slip_sigma * np.sqrt(distance)
        turn_sigma = np.radians(config.gyro_noise_deg) * np.sqrt(seconds)
        self._propagate(forward, left, seconds, slip, turn_sigma)
        gain = 1 + self.scale
        turn = yaw_of(base_T_next) + self.bias_rad_s * seconds + rng.normal(0, turn_sigma)
        noise = rng.normal(0, slip, 2) * (1.0, 0.3)
        measured = planar_pose(forward * gain + noise[0], left * gain + noise[1], turn)
        self.odom_T_base = self.odom_T_base @ measured
        walk = np.radians(config.gyro_walk_deg_s) * np.sqrt(seconds)
        self.bias_rad_s += float(rng.normal(0, walk))

    def pose(self) -> Pose:
        """The estimate of odometry, with covariance (6, 6)."""
        covariance = np.eye(6) * UPRIGHT_SIGMA**2
        index = np.ix_((0, 1, 5), (0, 1, 5))
        floor = np.diag([STEP_FLOOR_M**2, STEP_FLOOR_M**2, 1e-6])
        covariance[index] = self.errors[:3, :3] + floor
        return replace(pose_of(self.odom_T_base), covariance=covariance)

    def _propagate(
        self, forward: float, left: float, seconds: float, slip: float, turn_sigma: float
    ) -> None:
        yaw = yaw_of(self.odom_T_base)
        c, s = np.cos(yaw), np.sin(yaw)
        dx, dy = c * forward - s * left, s * forward + c * left
        jacobian = np.eye(5)
        jacobian[X, YAW], jacobian[Y, YAW] = -dy, dx
        jacobian[X, SCALE], jacobian[Y, SCALE] = dx, dy
        jacobian[YAW, BIAS] = seconds
        rotation = np.array([[c, -s], [s, c]])
        fresh = np.zeros((5, 5))
        fresh[:2, :2] = rotation @ np.diag([slip**2, (0.3 * slip) ** 2]) @ rotation.T
        fresh[YAW, YAW] = turn_sigma**2
        fresh[BIAS, BIAS] = np.radians(self._config.gyro_walk_deg_s) ** 2 * seconds
        self.errors = jacobian @ self.errors @ jacobian.T + fresh


def measure_odometry(trajectory: Trajectory, config: TownConfig, drive: int) -> list[Pose]:
    """Odometry at each image, in a frame that starts at the first one."""
    odometer = Odometer(config, stream(config.seed, 'odometry', drive))
    poses = [odometer.pose()]
    seconds = np.diff(trajectory.stamps_ns) * 1e-9
    for before, after, elapsed in zip(
        trajectory.map_T_base[:-1], trajectory.map_T_base[1:], seconds, strict=True
    ):
        odometer.step(_level(before, after), float(elapsed))
        poses.append(odometer.pose())
    return poses


def _level(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    """The step between two poses as wheels see it: on the ground, without the body's tilt."""
    start = planar_pose(before[0, 3], before[1, 3], yaw_of(before))
    end = planar_pose(after[0, 3], after[1, 3], yaw_of(after))
    return np.linalg.inv(start) @ end
