"""Matrices and quaternions describe the same poses."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.poses import (
    angle_between,
    matrix_of,
    rotation_to_quaternion,
    steps_of,
    travelled_m,
)
from test.replay.circles import circle


def rotated(unit: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """By the quaternion x, y, z, w itself: v + 2 q x (q x v + w v)."""
    return vector + 2.0 * np.cross(unit[:3], np.cross(unit[:3], vector) + unit[3] * vector)


def test_matrix_turns_vectors_as_the_quaternion_does() -> None:
    rng = np.random.default_rng(0)
    for quaternion in rng.normal(size=(20, 4)):
        unit = quaternion / np.linalg.norm(quaternion)
        vector = rng.normal(size=3)
        matrix = matrix_of(Pose(np.array([1.0, 2, 3]), unit))
        assert matrix[:3, :3] @ vector == pytest.approx(rotated(unit, vector))
        assert matrix[:3, 3].tolist() == [1, 2, 3]


def test_quaternion_comes_back_from_every_matrix_half_turns_included() -> None:
    rng = np.random.default_rng(1)
    for quaternion in [
        *rng.normal(size=(20, 4)),
        np.array([1.0, 0, 0, 0]),
        np.array([0, 0, 1, 0]),
    ]:
        unit = quaternion / np.linalg.norm(quaternion)
        found = rotation_to_quaternion(matrix_of(Pose(np.zeros(3), unit))[:3, :3])
        assert abs(found @ unit) == pytest.approx(1.0)
        assert found[3] >= 0


def test_turns_are_those_of_scipy() -> None:
    turns = Rotation.random(50, random_state=1)
    units, matrices = turns.as_quat(), turns.as_matrix()
    for unit, matrix, before in zip(units, matrices, units[::-1], strict=True):
        expected = unit if unit[3] >= 0.0 else -unit
        np.testing.assert_allclose(rotation_to_quaternion(matrix), expected, atol=1e-12)
        turn = Rotation.from_quat(before).inv() * Rotation.from_quat(unit)
        assert angle_between(before, unit) == pytest.approx(turn.magnitude(), abs=1e-12)


@pytest.mark.parametrize('angle_rad', [0.0, 1e-9, 1.0, np.pi])
def test_an_angle_is_exact_near_nothing_and_near_half_a_turn(angle_rad: float) -> None:
    turned = np.array([0.0, 0.0, np.sin(angle_rad / 2), np.cos(angle_rad / 2)])
    for sign in (1.0, -1.0):
        found = angle_between(np.array([0.0, 0, 0, 1]), 3.0 * sign * turned)
        assert found == pytest.approx(angle_rad, rel=1e-6, abs=1e-15)


def test_steps_lead_from_the_first_pose_to_the_last() -> None:
    poses = circle(10, 7)
    reached = poses[0]
    for step in steps_of(poses):
        reached = reached @ step
    assert reached == pytest.approx(poses[-1])


def test_distance_is_summed_over_gaps() -> None:
    positions = np.array([[0.0, 0, 0], [3, 4, 0], [np.nan] * 3, [3, 4, 2]])
    assert travelled_m(positions).tolist() == [0, 5, 5, 7]
