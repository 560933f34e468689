"""Drift has the size that its settings state, and is the same for the same seed."""

import numpy as np
import pytest

from ghost_vpr_ros.core.poses import rotation_about_z
from ghost_vpr_ros.replay.config import DriftConfig
from ghost_vpr_ros.replay.pose_graph.drift import drifting_odometry
from test.replay.circles import circle


def straight(count: int) -> np.ndarray:
    poses = np.tile(rotation_about_z(0.7), (count, 1, 1))
    poses[:, :3, 3] = np.arange(count)[:, np.newaxis] * rotation_about_z(0.7)[:3, 0]
    return poses


def test_without_errors_the_odometry_is_the_truth_seen_from_its_first_pose() -> None:
    none = DriftConfig(0.0, (0.0, 0.0), 0.0, 0.0)
    truth = circle(30, 20)
    assert drifting_odometry(truth, none, 0) == pytest.approx(np.linalg.inv(truth[0]) @ truth)


def test_seed_decides() -> None:
    truth, config = circle(30, 20), DriftConfig()
    assert np.array_equal(drifting_odometry(truth, config, 4), drifting_odometry(truth, config, 4))
    assert not np.array_equal(
        drifting_odometry(truth, config, 4), drifting_odometry(truth, config, 5)
    )


def test_yaw_drifts_by_the_stated_degrees_per_metre() -> None:
    bias_only = DriftConfig(0.0, (0.02, 0.02), 0.0, 0.0)
    end = drifting_odometry(straight(101), bias_only, 3)[-1]
    assert abs(np.degrees(np.arctan2(end[1, 0], end[0, 0]))) == pytest.approx(2.0)


def test_scale_errors_of_many_seeds_have_the_stated_deviation() -> None:
    scale_only = DriftConfig(0.01, (0.0, 0.0), 0.0, 0.0)
    ends = [drifting_odometry(straight(2), scale_only, seed)[-1][0, 3] for seed in range(300)]
    assert np.std(ends) == pytest.approx(0.01, rel=0.15)
    assert np.mean(ends) == pytest.approx(1.0, abs=0.003)
