"""Odometry with the drift of real vehicles, made from true poses.

The model: over a whole drive the length of each step is off by one constant factor and the yaw
rate by one constant bias per metre; on top of it each step has white noise whose variance grows
with its length. Roll and pitch do not drift, since gravity shows them. Wheel and visual odometry
are typically off by about 1 % of the distance and by 0.01 to 0.05 degrees per metre.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.poses import rotation_about_z, steps_of
from ghost_vpr_ros.replay.config import DriftConfig


def drifting_odometry(
    map_T_body: NDArray[np.float64], config: DriftConfig, seed: int
) -> NDArray[np.float64]:
    """(N, 4, 4) poses in an odometry frame that starts at the first of the true poses (N, 4, 4).

    The same poses, settings and seed give the same drift.
    """
    rng = np.random.default_rng(seed)
    gain = 1.0 + rng.normal(0.0, config.drift_scale_sigma)
    least, most = sorted(config.drift_yaw_deg_m)
    bias = np.radians(rng.uniform(least, most)) * rng.choice([-1.0, 1.0])
    poses = [np.eye(4)]
    for step in steps_of(map_T_body):
        length = float(np.linalg.norm(step[:3, 3]))
        noise = rng.normal(0.0, config.drift_noise_m * np.sqrt(length), 2)
        turn = rng.normal(0.0, np.radians(config.drift_yaw_noise_deg) * np.sqrt(length))
        measured = step @ rotation_about_z(bias * length + turn)
        measured[:3, 3] *= gain
        measured[:2, 3] += noise
        poses.append(poses[-1] @ measured)
    return np.array(poses)
