"""The trajectory error against numbers worked by hand and against evo."""

import numpy as np
import pytest

from ghost_vpr_ros.core.poses import rotation_about_z
from ghost_vpr_ros.replay.pose_graph.run import absolute_trajectory_error_m, aligned


def test_turned_and_moved_trajectory_has_no_error() -> None:
    truth = np.random.default_rng(0).normal(size=(20, 3))
    moved = truth @ rotation_about_z(2.0)[:3, :3].T + [5.0, -3.0, 1.0]
    assert absolute_trajectory_error_m(moved, truth) == pytest.approx(0.0, abs=1e-12)
    assert aligned(moved, truth) == pytest.approx(truth)


def test_scale_is_an_error() -> None:
    truth = np.array([[-1.0, 0, 0], [1, 0, 0]])
    assert absolute_trajectory_error_m(1.5 * truth, truth) == pytest.approx(0.5)


def test_a_mirrored_trajectory_is_not_aligned_by_a_mirror() -> None:
    truth = np.random.default_rng(1).normal(size=(20, 3))
    assert absolute_trajectory_error_m(truth * [1, 1, -1], truth) > 0.1


def test_unknown_positions_do_not_take_part() -> None:
    truth = np.array([[0.0, 0, 0], [1, 0, 0], [2, 5, 0], [9, 9, 9]])
    estimate = truth.copy()
    estimate[3] = np.nan
    truth[1] = np.nan
    assert absolute_trajectory_error_m(estimate, truth) == pytest.approx(0.0, abs=1e-12)
    assert np.isnan(absolute_trajectory_error_m(estimate, np.full((4, 3), np.nan)))


@pytest.mark.parametrize('seed', range(5))
def test_equals_evo_on_random_trajectories(seed: int) -> None:
    pytest.importorskip('evo')
    from evo.core.metrics import APE, PoseRelation, StatisticsType
    from evo.core.trajectory import PosePath3D

    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(50, 3)).cumsum(axis=0)
    estimate = truth @ rotation_about_z(seed)[:3, :3].T + rng.normal(0, 0.5, (50, 3)) + 7.0
    level = np.tile([1.0, 0, 0, 0], (50, 1))
    reference, path = PosePath3D(truth, level), PosePath3D(estimate, level)
    path.align(reference, correct_scale=False)
    ape = APE(PoseRelation.translation_part)
    ape.process_data((reference, path))
    expected = ape.get_statistic(StatisticsType.rmse)
    assert absolute_trajectory_error_m(estimate, truth) == pytest.approx(expected, rel=1e-9)
