"""The pose of a hypothesis against numbers worked by hand."""

import dataclasses
import math

import numpy as np
import pytest

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import GeoPoint
from ghost_vpr_ros.core.poses import quaternion_to_yaw
from ghost_vpr_ros.core.recognition.pose_estimate import (
    UNKNOWN_HEADING_VARIANCE_RAD2,
    estimate_pose,
)
from test.core.scripted import candidate

CONFIG = RecognizerConfig(group_radius_m=10.0, position_floor_m=0.5, heading_floor_rad=0.2)
A_THIRD = 0.9 - 0.02 * math.log(3.0)
"""Similarity of a candidate that weighs a third of one of 0.9."""


def test_position_and_covariance_are_the_weighted_mean_and_scatter_plus_the_floor():
    """Weights 0.75 and 0.25 at (0, 0, 0) and (4, 8, 0): mean (1, 2, 0)."""
    group = [candidate((0, 0, 0), 0.6, 0.0), candidate((4, 8, 0), 0.2, 0.0, A_THIRD)]
    pose = estimate_pose(group, CONFIG)
    np.testing.assert_allclose(pose.position_m, [1.0, 2.0, 0.0])
    # 0.75 * (-1, -2)^T(-1, -2) + 0.25 * (3, 6)^T(3, 6) = (3, 6; 6, 12); the floor adds 0.25.
    expected = [[3.25, 6.0, 0.0], [6.0, 12.25, 0.0], [0.0, 0.0, 0.25]]
    np.testing.assert_allclose(pose.covariance[:3, :3], expected)
    np.testing.assert_allclose(np.diag(pose.covariance)[3:], [0.04, 0.04, 0.04])
    np.testing.assert_array_equal(pose.covariance[:3, 3:], 0.0)


def test_a_single_candidate_has_the_floor_as_its_covariance():
    pose = estimate_pose([candidate((3, 4, 5), 0.9, 1.0)], CONFIG)
    np.testing.assert_allclose(pose.position_m, [3.0, 4.0, 5.0])
    np.testing.assert_allclose(pose.covariance, np.diag([0.25, 0.25, 0.25, 0.04, 0.04, 0.04]))


def test_heights_neither_divide_a_place_nor_are_trusted_when_unknown():
    best, above = candidate((0, 0, 0), 0.5, 0.0), candidate((0, 0, 40), 0.5, 0.0)
    assert estimate_pose([best, above], CONFIG).position_m[2] == pytest.approx(20.0)
    tagged = dataclasses.replace(best.keyframe, geo=GeoPoint(52.0, 0.1))
    flat = estimate_pose([dataclasses.replace(best, keyframe=tagged)], CONFIG)
    assert flat.covariance[2, 2] == pytest.approx(1e4 + 0.25)
    assert flat.covariance[0, 0] == pytest.approx(0.25)


def test_candidates_elsewhere_do_not_pull_the_pose():
    near = [candidate((0, 0, 0), 0.5, 0.0), candidate((10, 0, 0), 0.5, 0.0)]
    far = [candidate((10.001, 0, 0), 0.9, 2.0), candidate(None, 0.9)]
    np.testing.assert_allclose(
        estimate_pose(near + far, CONFIG).covariance, estimate_pose(near, CONFIG).covariance
    )
    assert estimate_pose(near + far, CONFIG).position_m[0] == pytest.approx(5.0)


def test_candidates_that_are_equally_similar_weigh_the_same_whatever_their_probability():
    group = [candidate((0, 0, 0), float('nan'), 0.0), candidate((6, 0, 0), 0.2, 0.0)]
    assert estimate_pose(group, CONFIG).position_m[0] == pytest.approx(3.0)


def test_what_is_much_less_similar_does_not_count():
    group = [candidate((0, 0, 0), 0.5, 0.0), candidate((6, 0, 0), 0.5, 0.0, similarity=0.6)]
    assert estimate_pose(group, CONFIG).position_m[0] == pytest.approx(0.0, abs=1e-5)


def test_without_a_position_of_the_best_there_is_no_pose():
    assert estimate_pose([], CONFIG) is None
    assert estimate_pose([candidate(None), candidate((0, 0, 0))], CONFIG) is None


def test_the_orientation_is_that_of_the_best():
    pose = estimate_pose([candidate(yaw_rad=2.5), candidate(yaw_rad=2.0)], CONFIG)
    assert quaternion_to_yaw(pose.quaternion_xyzw) == pytest.approx(2.5)


def test_headings_scatter_on_the_circle():
    """179 and -179 degrees are 2 degrees apart: with equal weights half of (2 degrees)^2."""
    group = [candidate(yaw_rad=math.radians(a)) for a in (179.0, -179.0)]
    expected = 0.5 * math.radians(2.0) ** 2 + 0.2**2
    assert estimate_pose(group, CONFIG).covariance[5, 5] == pytest.approx(expected)


def test_the_scatter_of_headings_is_weighted():
    group = [candidate(yaw_rad=0.0), candidate(yaw_rad=0.4, similarity=A_THIRD)]
    expected = 0.25 * 0.4**2 + 0.2**2
    assert estimate_pose(group, CONFIG).covariance[5, 5] == pytest.approx(expected)


def test_an_unknown_heading_has_the_variance_of_the_whole_circle():
    pose = estimate_pose([candidate(), candidate(yaw_rad=1.0)], CONFIG)
    assert pose.quaternion_xyzw is None
    assert pose.covariance[5, 5] == pytest.approx(math.pi**2 / 3.0 + 0.04)
    assert math.pi**2 / 3.0 == UNKNOWN_HEADING_VARIANCE_RAD2


def test_opposite_headings_are_no_worse_than_an_unknown_one():
    group = [candidate(yaw_rad=0.0), *[candidate(yaw_rad=math.pi) for _ in range(9)]]
    found = estimate_pose(group, CONFIG).covariance[5, 5]
    assert found == pytest.approx(UNKNOWN_HEADING_VARIANCE_RAD2 + 0.04)


def test_candidates_without_a_heading_do_not_narrow_it():
    known = [candidate(yaw_rad=0.0), candidate(yaw_rad=0.4)]
    with_unknown = [*known, candidate(), candidate()]
    assert estimate_pose(with_unknown, CONFIG).covariance[5, 5] == pytest.approx(
        estimate_pose(known, CONFIG).covariance[5, 5]
    )


@pytest.mark.parametrize('seed', range(20))
def test_the_covariance_is_symmetric_and_positive_definite(seed):
    rng = np.random.default_rng(seed)
    group = [
        candidate(
            rng.uniform(-1e3, 1e3) + rng.uniform(-4, 4, 3),
            rng.choice([1e-26, 0.3, 1.0]),
            rng.choice([None, *rng.uniform(-4, 4, 3)]),
            rng.uniform(-1.0, 1.0),
        )
        for _ in range(rng.integers(1, 12))
    ]
    wide = RecognizerConfig(group_radius_m=1e4, position_floor_m=0.001, heading_floor_rad=0.0001)
    covariance = estimate_pose(group, wide).covariance
    np.testing.assert_array_equal(covariance, covariance.T)
    np.linalg.cholesky(covariance)
