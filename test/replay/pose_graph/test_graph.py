"""The pose graph on synthetic drives: closures take the drift away, false ones do no harm."""

from dataclasses import replace

import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.poses import pose_of, rotation_about_z
from ghost_vpr_ros.replay.config import DriftConfig, PoseGraphConfig
from ghost_vpr_ros.replay.pose_graph.drift import drifting_odometry
from ghost_vpr_ros.replay.pose_graph.graph import PoseGraph
from ghost_vpr_ros.replay.pose_graph.odometry_track import Break
from ghost_vpr_ros.replay.pose_graph.run import absolute_trajectory_error_m
from test.replay.circles import circle, map_closure, own_closure, track

LAP, COUNT = 50, 150
TRUTH = circle(COUNT, LAP)
RIGHT = [own_closure(query, query - LAP) for query in range(LAP, COUNT, 5)]


@pytest.fixture(autouse=True)
def gtsam() -> None:
    pytest.importorskip('gtsam')


def error_m(poses: np.ndarray) -> float:
    return absolute_trajectory_error_m(poses[:, :3, 3], TRUTH[:, :3, 3])


def optimised(odometry, closures, robust: bool = True) -> np.ndarray:
    return PoseGraph(odometry, closures, PoseGraphConfig()).optimise(robust=robust)


@pytest.mark.parametrize('robust', [False, True])
def test_without_a_loop_the_result_is_the_odometry(robust: bool) -> None:
    odometry = drifting_odometry(TRUTH, DriftConfig(), 0)
    assert optimised(track(odometry), [], robust) == pytest.approx(odometry, abs=1e-6)


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('robust', [False, True])
def test_loops_take_the_drift_away(seed: int, robust: bool) -> None:
    odometry = drifting_odometry(TRUTH, DriftConfig(), seed)
    assert error_m(optimised(track(odometry), RIGHT, robust)) <= 0.2 * error_m(odometry)


def test_the_robust_kernel_stands_false_closures_that_ruin_the_plain_result() -> None:
    odometry = drifting_odometry(TRUTH, DriftConfig(), 1)
    false = [own_closure(query, query - LAP // 2) for query in range(LAP, COUNT, 30)]
    closures = [*RIGHT, *false]
    assert error_m(optimised(track(odometry), closures)) < 0.4 * error_m(odometry)
    assert error_m(optimised(track(odometry), closures, robust=False)) > error_m(odometry)


def test_a_false_closure_on_a_drive_without_loops_changes_little() -> None:
    odometry = drifting_odometry(TRUTH, DriftConfig(), 2)[:LAP]
    found = optimised(track(odometry), [own_closure(40, 15)])
    assert np.abs(found - odometry)[:, :3, 3].max() < 0.5


def test_relative_poses_of_local_features_are_used() -> None:
    odometry = drifting_odometry(TRUTH, DriftConfig(), 0)
    closures = []
    for query in range(LAP, COUNT, 5):
        earlier = query - LAP + 3
        relative = pose_of(np.linalg.inv(TRUTH[earlier]) @ TRUTH[query])
        pose = Pose(relative.position_m, relative.quaternion_xyzw, 1e-4 * np.eye(6))
        closures.append(replace(own_closure(query, earlier), relative=pose))
    assert error_m(optimised(track(odometry), closures)) <= 0.1 * error_m(odometry)


def test_the_covariance_of_a_relative_pose_is_that_of_the_keyframes_axes() -> None:
    odometry = np.array([np.eye(4), rotation_about_z(np.pi / 2)])
    odometry[1, 0, 3] = 10.0
    turned = pose_of(rotation_about_z(np.pi / 2)).quaternion_xyzw
    covariance = np.diag([1e6, 1e-4, 1e-4, 1e-4, 1e-4, 1e-4])
    relative = Pose(np.array([12.0, 3.0, 0.0]), turned, covariance)
    closure = replace(own_closure(1, 0), relative=relative)
    loose = PoseGraphConfig(odometry_sigma_m=5.0)
    found = PoseGraph(track(odometry), [closure], loose).optimise(robust=False)
    np.testing.assert_allclose(found[1, :2, 3], [10.0, 3.0], atol=0.1)


def test_closures_with_a_map_put_the_drive_into_its_frame() -> None:
    odometry = rotation_about_z(3.0) @ drifting_odometry(TRUTH, DriftConfig(), 0)
    closures = [map_closure(query, TRUTH[query, :3, 3]) for query in range(0, COUNT, 10)]
    found = optimised(track(odometry), closures)
    assert np.linalg.norm((found - TRUTH)[:, :2, 3], axis=1).max() < 1.5


def test_closures_hold_the_parts_together_that_a_jump_separates() -> None:
    odometry = drifting_odometry(TRUTH, DriftConfig(), 0)
    odometry[75:, :3, 3] += [500.0, 300.0, 0.0]
    broken = track(odometry, (Break(74 * 10**9, 75 * 10**9, 'jump'),))
    assert error_m(optimised(broken, RIGHT)) < 2.0
    assert error_m(odometry) > 100.0
    assert optimised(broken, []) == pytest.approx(odometry, abs=1e-6)


def test_images_without_odometry_stay_unknown() -> None:
    odometry = drifting_odometry(TRUTH, DriftConfig(), 0)
    odometry[1:4] = np.nan
    found = optimised(track(odometry), RIGHT)
    assert np.isnan(found[1:4]).all()
    assert np.isfinite(np.delete(found, [1, 2, 3], axis=0)).all()
