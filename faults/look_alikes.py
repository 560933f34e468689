"""Tunnels, look-alike streets and identical images, where no answer may be accepted."""

from __future__ import annotations

import numpy as np

from faults.tally import Tally
from ghost_vpr_ros.core.config.map import MappingConfig
from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.mapping.tracker import MapTracker
from ghost_vpr_ros.core.poses import yaw_to_quaternion
from ghost_vpr_ros.core.probability.likelihood import learn_likelihood
from ghost_vpr_ros.core.recognition.odometry import Reading

DIM, STEP_M, RADIUS_M = 64, 4.0, 25.0


def tunnels(seed: int, count: int) -> Tally:
    """Maps of noisy copies of one image: no likelihood may be learned from them."""
    tally = Tally('tunnels and equal images')
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        length = int(rng.integers(1, 400))
        positions = np.zeros((length, 3))
        positions[:, 0] = STEP_M * np.arange(length)
        noise = 10.0 ** rng.uniform(-4.0, 0.0) * (number % 10 != 0)
        rows = rng.normal(size=DIM) / 8.0 + noise / 8.0 * rng.normal(size=(length, DIM))
        rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        learned = learn_likelihood(rows, positions, RADIUS_M)
        detail = f'{length} keyframes, noise {noise:.2g}'
        tally.add('refused' if learned is None else 'silent', detail)
    return tally


def twin_streets(seed: int, count: int) -> Tally:
    """A new street that looks like an earlier one far away: the two must not be merged."""
    tally, config = Tally('twin streets'), MappingConfig()
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        away_m, length = rng.uniform(1_000.0, 5_000.0), int(rng.integers(5, 200))
        tracker = MapTracker()
        tracker.start(_reading(0.0))
        # Driven in steps: the drift grows with the distance.
        for along_m in np.linspace(10.0, away_m, 100):
            tracker.follow(_reading(along_m), config)
        contradicted = 0
        for step in range(length):
            reading = _reading(away_m + 2.0 * step)
            tracker.follow(reading, config)
            look_alike = _pose(2.0 * step, spread_m=5.0)
            contradicted += tracker.contradicts(reading, look_alike)
            tracker.correct(reading, look_alike)
        is_kept = tracker.is_sure and contradicted == length
        tally.add('refused' if is_kept else 'silent', f'{away_m:.0f} m away, {length} answers')
    return tally


def _pose(x_m: float, spread_m: float = 0.0) -> Pose:
    covariance = np.diag([spread_m, spread_m, spread_m, 1.0, 1.0, 0.1]) ** 2
    return Pose(np.array([x_m, 0.0, 0.0]), yaw_to_quaternion(0.0), covariance)


def _reading(along_m: float) -> Reading:
    return Reading(round(1e9 * along_m), 1, along_m, _pose(along_m))
