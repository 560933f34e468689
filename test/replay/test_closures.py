"""Accepted answers become closures, and those that stand alone are left out."""

import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import Candidate, Hypothesis, Pose, Reason, State
from ghost_vpr_ros.replay.closures import ClosureConfig, closures_of, with_support
from test.replay.circles import keyframe, map_closure, own_closure


def answer(state: State, number: int, estimate: Pose) -> Hypothesis:
    found = Candidate(keyframe(number, np.array([10.0, 0, 0])), 0.9)
    return Hypothesis(0, state, Reason.NONE, (found,), estimate)


def test_only_accepted_answers_are_closures() -> None:
    pose = Pose(np.array([10.0, 0, 0]), None, np.eye(6))
    answers = [answer(State.TENTATIVE, 1, pose), answer(State.ACCEPTED, 2, pose)]
    found = closures_of(answers, {2: 0})
    assert [(c.query, c.keyframe.keyframe_id, c.earlier) for c in found] == [(1, 2, 0)]
    assert closures_of(answers, {})[0].earlier is None


def test_deviation_holds_the_covariance_and_the_distance_to_the_keyframe() -> None:
    covariance = np.diag([4.0, 9.0, 16.0, 1, 1, 1])
    pose = Pose(np.array([14.0, 0, 3.0]), None, covariance)
    (closure,) = closures_of([answer(State.ACCEPTED, 1, pose)], {})
    assert (closure.sigma_m, closure.height_sigma_m) == pytest.approx((17**0.5, 5.0))


def line(count: int) -> tuple[np.ndarray, np.ndarray]:
    along = 5.0 * np.arange(count)
    return np.stack([along, 0 * along, 0 * along], axis=1), along


def test_a_closure_without_company_is_left_out() -> None:
    positions, along = line(60)
    right = [own_closure(40, 10), own_closure(41, 11)]
    lonely, disagreeing = own_closure(55, 3), own_closure(42, 30)
    kept = with_support([*right, lonely, disagreeing], positions, along, ClosureConfig())
    assert kept == right


def test_company_is_counted_by_the_place_in_the_map() -> None:
    positions, along = line(20)
    closures = [map_closure(k, positions[k] + [100.0, 0, 0]) for k in (5, 6)]
    wrong = map_closure(7, np.array([500.0, 0, 0]))
    assert with_support([*closures, wrong], positions, along, ClosureConfig()) == closures
    assert with_support(closures, positions, along, ClosureConfig(min_support=2)) == []


def test_no_support_wanted_keeps_all() -> None:
    positions, along = line(20)
    lonely, all_kept = [own_closure(9, 1)], ClosureConfig(min_support=0)
    assert with_support(lonely, positions, along, all_kept) == lonely
    assert with_support([], positions, along, ClosureConfig()) == []
