"""Answers of a drive along x, 5 m from frame to frame, judged one after the other."""

import numpy as np
import pytest

from ghost_vpr_ros.core.consistency import Consistency
from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, Pose, Reason
from ghost_vpr_ros.core.odometer import Reading
from ghost_vpr_ros.core.recognizer_config import RecognizerConfig

CONFIG = RecognizerConfig(
    consistency_tolerance_m=3.0, odometry_error=0.0, consistency_window_m=30.0, lockout_s=0.0
)
NONE, ODOMETRY, CONSISTENCY = Reason.NONE, Reason.ODOMETRY, Reason.CONSISTENCY


def reading(along_m: float, stretch: int = 1, known: bool = True) -> Reading:
    odometry = Pose(np.array([along_m, 0.0, 0.0])) if known else None
    return Reading(round(along_m * 1e9), stretch, along_m, odometry)


def judge(steps, config=CONFIG, known: bool = True) -> list[Reason]:
    """Reasons for answers (metres driven, y of the place), all at x 1000 m + metres driven."""
    stage = Consistency()
    return [
        stage.judge(np.array([1000.0 + along, y, 0.0]), reading(along, known=known), config)
        for along, y in steps
    ]


def test_answers_that_agree_are_accepted_from_the_first():
    assert judge([(5.0 * n, 0.0) for n in range(8)]) == [NONE] * 8


def test_one_that_contradicts_the_others_is_refused():
    steps = [(0.0, 0.0), (5.0, 0.0), (10.0, 200.0), (15.0, 0.0), (20.0, 0.0)]
    assert judge(steps) == [NONE, NONE, ODOMETRY, NONE, NONE]


def test_a_wrong_first_answer_is_outvoted():
    steps = [(0.0, 200.0), (5.0, 0.0), (10.0, 0.0), (15.0, 0.0), (20.0, 0.0)]
    assert judge(steps) == [NONE, ODOMETRY, ODOMETRY, NONE, NONE]


def test_the_way_between_the_places_is_compared_not_only_its_bound():
    stage = Consistency()
    assert stage.judge(np.array([0.0, 0.0, 0.0]), reading(0.0), CONFIG) is NONE
    standing = stage.judge(np.array([0.0, 0.0, 0.0]), reading(20.0), CONFIG)
    assert standing is ODOMETRY


@pytest.mark.parametrize(('apart_m', 'reason'), [(23.0, NONE), (23.1, ODOMETRY)])
def test_the_tolerance_is_that_of_the_configuration(apart_m, reason):
    stage = Consistency()
    stage.judge(np.zeros(3), reading(0.0), CONFIG)
    assert stage.judge(np.array([apart_m, 0.0, 0.0]), reading(20.0), CONFIG) is reason


def test_answers_behind_the_window_have_no_vote():
    steps = [(0.0, 200.0), (30.5, 0.0)]
    assert judge(steps) == [NONE, NONE]


def test_support_is_awaited_where_it_is_asked_for():
    strict = RecognizerConfig(**{**CONFIG.to_dict(), 'min_support': 2})
    steps = [(5.0 * n, 0.0) for n in range(4)]
    assert judge(steps, strict) == [CONSISTENCY, CONSISTENCY, NONE, NONE]


def test_what_only_local_features_made_sure_waits_for_a_second():
    stage = Consistency()
    places = [np.array([1000.0 + along, 0.0, 0.0]) for along in (0.0, 5.0)]
    found = [
        stage.judge(place, reading(along), CONFIG, by_features=True)
        for place, along in zip(places, (0.0, 5.0), strict=True)
    ]
    assert found == [CONSISTENCY, NONE]


def test_a_camera_that_stands_still_gives_itself_no_support():
    strict = RecognizerConfig(**{**CONFIG.to_dict(), 'min_support': 1})
    assert judge([(1.0, 0.0)] * 5, strict) == [CONSISTENCY] * 5


def test_after_a_contradiction_nothing_is_accepted_for_a_while():
    locked = RecognizerConfig(**{**CONFIG.to_dict(), 'lockout_s': 10.0})
    steps = [(0.0, 0.0), (5.0, 0.0), (8.0, 200.0), (10.0, 0.0), (15.0, 0.0), (20.0, 0.0)]
    expected = [NONE, NONE, ODOMETRY, Reason.LOCKOUT, Reason.LOCKOUT, NONE]
    assert judge(steps, locked) == expected


def test_another_stretch_of_odometry_is_not_compared():
    stage = Consistency()
    stage.judge(np.zeros(3), reading(0.0, stretch=1), CONFIG)
    assert stage.judge(np.array([500.0, 0.0, 0.0]), reading(5.0, stretch=2), CONFIG) is NONE


def test_without_odometry_only_what_is_too_far_contradicts():
    config = RecognizerConfig(max_speed_m_s=2.0, match_spread_m=5.0, memory_s=10.0, lockout_s=0.0)
    stage = Consistency()
    stage.judge(np.zeros(3), reading(0.0, known=False), config)
    near = stage.judge(np.array([20.0, 0.0, 0.0]), reading(5.0, known=False), config)
    far = stage.judge(np.array([50.0, 0.0, 0.0]), reading(9.0, known=False), config)
    assert (near, far) == (NONE, ODOMETRY)


def test_images_without_a_stamp_have_no_order_to_compare():
    stage = Consistency()
    frame = Reading(UNKNOWN_STAMP_NS, 1, 0.0, None)
    places = [np.zeros(3), np.array([500.0, 0.0, 0.0])]
    assert [stage.judge(place, frame, CONFIG) for place in places] == [NONE, NONE]
