"""Accepted answers become closures of a pose graph."""

import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import (
    Candidate,
    Hypothesis,
    Keyframe,
    LoopClosure,
    Pose,
    Reason,
    State,
)
from ghost_vpr_ros.replay.pose_graph.closures import closures_of

ESTIMATE = Pose(np.array([10.0, 0, 0]), None, np.eye(6))
HERE = Pose(np.array([10.0, 0, 0]))


def answer(
    number: int, session: str = 'map', estimate: Pose = ESTIMATE, inliers: int = -1
) -> Hypothesis:
    """An accepted answer at second `number` that names the keyframe of second `number - 5`."""
    keyframe = Keyframe(100 + number, session, (number - 5) * 10**9, 'k', HERE)
    closure = LoopClosure(keyframe, number * 10**9, Pose(np.ones(3)), True, inliers)
    found = (Candidate(keyframe, 0.9),)
    stamp_ns = number * 10**9
    return Hypothesis(stamp_ns, State.ACCEPTED, Reason.NONE, found, estimate, closure=closure)


def silent(number: int) -> Hypothesis:
    return Hypothesis(number * 10**9, State.TENTATIVE, Reason.TEMPORAL)


def test_keyframes_of_the_own_session_are_earlier_images_of_the_drive() -> None:
    answers = [silent(n) for n in range(6)] + [answer(6, 'drive'), answer(7, 'map')]
    found = closures_of(answers, 'drive')
    assert [(c.query, c.earlier) for c in found] == [(6, 1), (7, None)]
    assert [c.earlier for c in closures_of(answers, '')] == [None, None]


def test_what_is_not_accepted_or_adds_nothing_is_no_closure() -> None:
    assert closures_of([silent(0), silent(1)], '') == []


def test_local_features_give_the_relative_pose() -> None:
    alone, proved = closures_of([answer(0), answer(1, inliers=30)], '')
    assert alone.relative is None
    np.testing.assert_array_equal(proved.relative.position_m, np.ones(3))


def test_deviation_holds_the_covariance_and_the_distance_to_the_keyframe() -> None:
    covariance = np.diag([4.0, 9.0, 16.0, 1, 1, 1])
    estimate = Pose(np.array([14.0, 0, 3.0]), None, covariance)
    (closure,) = closures_of([answer(1, estimate=estimate)], '')
    assert (closure.sigma_m, closure.height_sigma_m) == pytest.approx((17**0.5, 5.0))
