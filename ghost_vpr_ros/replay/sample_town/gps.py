"""A receiver in a street: white noise on a slowly wandering error, reflections, gaps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import GeoPoint
from ghost_vpr_ros.core.geodesy import LocalFrame
from ghost_vpr_ros.replay.sample_town.config import TownConfig
from ghost_vpr_ros.replay.sample_town.seeding import stream
from ghost_vpr_ros.replay.sample_town.trajectory import Trajectory

VERTICAL_FACTOR = 1.6
RUN_OF_GAPS = 3.0
RUN_OF_REFLECTIONS = 4.0
REFLECTION_M = (6.0, 16.0)


def town_origin(config: TownConfig) -> GeoPoint:
    """WGS84 position of the map frame's origin."""
    return GeoPoint(config.latitude_deg, config.longitude_deg, config.altitude_m)


def announced_sigma_m(config: TownConfig) -> float:
    """The deviation that the receiver states, without reflections."""
    return float(np.hypot(config.gps_bias_sigma_m, config.gps_white_sigma_m))


def measure_gps(trajectory: Trajectory, config: TownConfig, drive: int) -> list[GeoPoint | None]:
    """A fix at each image, None where there is none."""
    rng = stream(config.seed, 'gps', drive)
    exact = trajectory.map_T_base[:, :3, 3]
    seconds = (trajectory.stamps_ns - trajectory.stamps_ns[0]) * 1e-9
    spread = np.array([1.0, 1.0, VERTICAL_FACTOR])
    error = _wander(rng, seconds, config) * spread
    error += rng.normal(0, config.gps_white_sigma_m, exact.shape) * spread
    error[:, :2] += _reflections(rng, len(exact), config.gps_multipath_share)
    missing = _runs(rng, len(exact), config.gps_dropout_share, RUN_OF_GAPS)
    degrees = LocalFrame(town_origin(config)).to_geo(exact + error)
    return [
        None if gap else GeoPoint(*(float(value) for value in row))
        for gap, row in zip(missing, degrees, strict=True)
    ]


def _wander(
    rng: np.random.Generator, seconds: NDArray[np.float64], config: TownConfig
) -> NDArray[np.float64]:
    """A Gauss-Markov process (N, 3) of the configured deviation and correlation time."""
    sigma = config.gps_bias_sigma_m
    values = [rng.normal(0, sigma, 3)]
    for step in np.diff(seconds):
        keep = np.exp(-step / config.gps_bias_time_s)
        values.append(keep * values[-1] + rng.normal(0, sigma * np.sqrt(1 - keep**2), 3))
    return np.array(values)


def _reflections(rng: np.random.Generator, count: int, share: float) -> NDArray[np.float64]:
    """Offsets (N, 2): the same for the length of a run, zero elsewhere."""
    struck = _runs(rng, count, share, RUN_OF_REFLECTIONS)
    offsets = np.zeros((count, 2))
    for k in np.flatnonzero(struck):
        if k == 0 or not struck[k - 1]:
            length, angle = rng.uniform(*REFLECTION_M), rng.uniform(0, 2 * np.pi)
            current = length * np.array([np.cos(angle), np.sin(angle)])
        offsets[k] = current
    return offsets


def _runs(
    rng: np.random.Generator, count: int, share: float, mean_length: float
) -> NDArray[np.bool_]:
    """A two-state chain (N,) that is true for `share` of the time, in runs."""
    leave = 1 / mean_length
    enter = leave * share / (1 - share)
    state = bool(rng.random() < share)
    states = []
    for _ in range(count):
        states.append(state)
        state = rng.random() >= leave if state else rng.random() < min(enter, 1.0)
    return np.array(states, bool)
