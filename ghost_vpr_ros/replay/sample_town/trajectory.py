"""Where the vehicle is and when: exact poses of a drive along a line, one for each image."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.replay.sample_town.camera import planar_pose
from ghost_vpr_ros.replay.sample_town.config import TownConfig
from ghost_vpr_ros.replay.sample_town.light import Light
from ghost_vpr_ros.replay.sample_town.route import STEP_M, Line
from ghost_vpr_ros.replay.sample_town.seeding import stream

FIRST_DAY = datetime.datetime(2025, 6, 2, tzinfo=datetime.timezone.utc)
LEAST_SPEED_M_S = 1.2
LATERAL_G_M_S2 = 2.0


@dataclass(frozen=True)
class Trajectory:
    """Exact motion of the vehicle at the images of a drive.

    Attributes:
        stamps_ns: (N,) int64, strictly ascending.
        map_T_base: (N, 4, 4) float64.
        along_m: (N,) travelled distance.
    """

    stamps_ns: NDArray[np.int64]
    map_T_base: NDArray[np.float64]
    along_m: NDArray[np.float64]


def drive_along(line: Line, config: TownConfig, drive: int, light: Light) -> Trajectory:
    """Images every `interval_m` or so, at a speed that drops in bends, with one stop."""
    rng = stream(config.seed, 'trajectory', drive)
    steps = config.interval_m * rng.uniform(0.9, 1.1, config.frames - 1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    times = _times(line, along, config.speed_m_s, rng)
    days = 3 * drive + int(rng.integers(3))
    start = FIRST_DAY + datetime.timedelta(days=days, hours=light.hour)
    start_ns = int(start.timestamp()) * 10**9
    stamps = start_ns + np.rint(times * 1e9).astype(np.int64)
    return Trajectory(stamps, _poses(line, along, rng), along)


def _times(
    line: Line, along: NDArray[np.float64], cruise_m_s: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Seconds at each distance: slow in bends, a stop of some seconds on the way."""
    bend = np.abs(np.gradient(line.yaw_rad, STEP_M)) + 1e-6
    speed = np.minimum(cruise_m_s, np.sqrt(LATERAL_G_M_S2 / bend))
    stop = float(rng.uniform(0.35, 0.6)) * along[-1]
    # Braking and starting at 2 m/s^2, never slower than walking until the stop itself.
    speed = np.minimum(speed, np.sqrt(4 * np.abs(line.along_m - stop)))
    speed = np.maximum(speed, min(LEAST_SPEED_M_S, cruise_m_s))
    clock = np.concatenate([[0.0], np.cumsum(STEP_M / speed[:-1])])
    wait = float(rng.uniform(5, 12))
    return np.interp(along, line.along_m, clock) + wait * (along > stop)


def _poses(
    line: Line, along: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    lateral = float(rng.normal(0, 0.25)) + _sway(rng, along, 0.22, 25.0)
    yaw_jitter = np.radians(_sway(rng, along, 1.2, 10.0))
    pitch, roll = (np.radians(_sway(rng, along, 0.35, 6.0)) for _ in range(2))
    poses = []
    for k, distance in enumerate(along):
        position, yaw = line.at(float(distance), float(lateral[k]))
        tilt = (float(pitch[k]), float(roll[k]))
        poses.append(planar_pose(position[0], position[1], yaw + float(yaw_jitter[k]), *tilt))
    return np.array(poses)


def _sway(
    rng: np.random.Generator, along: NDArray[np.float64], sigma: float, length_m: float
) -> NDArray[np.float64]:
    """A smooth random course over the distance, of deviation `sigma`."""
    knots = np.arange(along[0], along[-1] + 2 * length_m, length_m)
    return np.interp(along, knots, rng.normal(0, sigma, len(knots)))
