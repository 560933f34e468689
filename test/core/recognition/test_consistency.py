"""Answers of a drive along x, 5 m from frame to frame, judged one after the other."""

import numpy as np
import pytest

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, Pose, Reason
from ghost_vpr_ros.core.recognition.consistency import Consistency
from ghost_vpr_ros.core.recognition.odometry import Reading

CONFIG = RecognizerConfig(odometry_error=0.0)
SURE_M = 0.01
NONE, ODOMETRY, CONSISTENCY = Reason.NONE, Reason.ODOMETRY, Reason.CONSISTENCY


def reading(along_m: float, stretch: int = 1, known: bool = True) -> Reading:
    odometry = Pose(np.array([along_m, 0.0, 0.0])) if known else None
    return Reading(round(along_m * 1e9), stretch, along_m, odometry)


def place(x_m: float, y_m: float = 0.0, sigma_m: float = SURE_M) -> Pose:
    covariance = np.diag([sigma_m**2, sigma_m**2, 1.0, 1.0, 1.0, 1.0])
    return Pose(np.array([x_m, y_m, 0.0]), None, covariance)


def verdicts(steps, config=CONFIG, known: bool = True, by_features: bool = False):
    """Verdicts on answers (metres driven, y of the place), all at x 1000 m + metres driven."""
    stage = Consistency()
    return [
        stage.judge(
            place(1000.0 + along, y), reading(along, known=known), config, by_features=by_features
        )
        for along, y in steps
    ]


def reasons(*arguments, **options) -> list[Reason]:
    return [verdict.reason for verdict in verdicts(*arguments, **options)]


def with_settings(**changes) -> RecognizerConfig:
    return RecognizerConfig(**{**CONFIG.to_dict(), **changes})


def test_answers_that_agree_are_accepted_from_the_first():
    assert reasons([(5.0 * n, 0.0) for n in range(8)]) == [NONE] * 8


def test_one_that_contradicts_the_others_is_refused():
    steps = [(0.0, 0.0), (5.0, 0.0), (10.0, 200.0), (15.0, 0.0), (20.0, 0.0)]
    assert reasons(steps) == [NONE, NONE, ODOMETRY, NONE, NONE]


def test_a_wrong_first_answer_is_outvoted():
    steps = [(0.0, 200.0), (5.0, 0.0), (10.0, 0.0), (15.0, 0.0), (20.0, 0.0)]
    assert reasons(steps) == [NONE, ODOMETRY, ODOMETRY, NONE, NONE]


def test_the_way_between_the_places_is_compared_not_only_its_bound():
    stage = Consistency()
    assert stage.judge(place(0.0), reading(0.0), CONFIG).reason is NONE
    assert stage.judge(place(0.0), reading(20.0), CONFIG).reason is ODOMETRY


@pytest.mark.parametrize(('apart_m', 'reason'), [(23.0, NONE), (23.1, ODOMETRY)])
def test_the_tolerance_is_that_of_the_configuration(apart_m, reason):
    stage = Consistency()
    stage.judge(place(0.0), reading(0.0), CONFIG)
    assert stage.judge(place(apart_m), reading(20.0), CONFIG).reason is reason


@pytest.mark.parametrize(('apart_m', 'reason'), [(25.9, NONE), (26.1, ODOMETRY)])
def test_places_that_are_known_roughly_agree_roughly(apart_m, reason):
    stage = Consistency()
    stage.judge(place(0.0, sigma_m=1.0), reading(0.0), CONFIG)
    found = stage.judge(place(apart_m, sigma_m=2.0), reading(20.0), CONFIG)
    assert found.reason is reason


def test_odometry_that_errs_by_a_share_of_the_way_is_given_it():
    lenient = with_settings(odometry_error=0.2)
    stage = Consistency()
    stage.judge(place(0.0), reading(0.0), lenient)
    assert stage.judge(place(26.9), reading(20.0), lenient).reason is NONE
    assert stage.judge(place(27.2), reading(20.0), lenient).reason is ODOMETRY


def test_answers_behind_the_window_have_no_vote():
    assert reasons([(0.0, 200.0), (30.5, 0.0)]) == [NONE, NONE]


def test_a_closure_is_supported_by_answers_that_lie_back():
    steps = [(0.0, 0.0), (4.0, 0.0), (7.9, 0.0), (8.0, 0.0), (16.0, 0.0)]
    assert [verdict.support for verdict in verdicts(steps)] == [0, 0, 0, 1, 3]


def test_a_place_that_stays_while_the_robot_drives_on_contradicts_itself():
    """The same far view, matched on and on: near answers agree, those that lie back do not."""
    stage = Consistency()
    found = [stage.judge(place(0.0), reading(along), CONFIG) for along in (0.0, 2.5, 5.0, 7.5)]
    assert [verdict.reason for verdict in found] == [NONE, NONE, ODOMETRY, ODOMETRY]
    assert [verdict.support for verdict in found] == [0] * 4


def test_what_only_local_features_made_sure_waits_for_others():
    steps = [(5.0 * n, 0.0) for n in range(4)]
    patient = with_settings(min_support=2)
    found = reasons(steps, patient, by_features=True)
    assert found == [CONSISTENCY, CONSISTENCY, NONE, NONE]
    assert reasons(steps, patient) == [NONE] * 4


def test_a_camera_that_stands_still_gives_itself_no_support():
    assert reasons([(1.0, 0.0)] * 5, by_features=True) == [CONSISTENCY] * 5


def test_after_a_contradiction_nothing_is_accepted_for_a_while():
    steps = [(0.0, 0.0), (5.0, 0.0), (8.0, 200.0), (10.0, 0.0), (15.0, 0.0), (20.0, 0.0)]
    expected = [NONE, NONE, ODOMETRY, Reason.LOCKOUT, Reason.LOCKOUT, NONE]
    assert reasons(steps, with_settings(lockout_s=10.0)) == expected


def test_another_stretch_of_odometry_is_not_compared():
    stage = Consistency()
    stage.judge(place(0.0), reading(0.0, stretch=1), CONFIG)
    assert stage.judge(place(500.0), reading(5.0, stretch=2), CONFIG).reason is NONE


def test_without_odometry_only_what_is_too_far_contradicts():
    config = RecognizerConfig(max_speed_m_s=2.0, match_spread_m=5.0, memory_s=10.0)
    stage = Consistency()
    stage.judge(place(0.0), reading(0.0, known=False), config)
    near = stage.judge(place(20.0), reading(5.0, known=False), config)
    far = stage.judge(place(50.0), reading(9.0, known=False), config)
    assert (near.reason, far.reason) == (NONE, ODOMETRY)
    assert near.support == 1


def test_without_odometry_places_that_could_be_reached_are_no_witnesses():
    """A look-alike 40 m off, seen on after right answers: most of those are old, and allow it."""
    config = RecognizerConfig(max_speed_m_s=15.0, match_spread_m=5.0, memory_s=10.0)
    stage = Consistency()
    right = [stage.judge(place(2.5 * n), driven(n / 3), config).reason for n in range(20)]
    wrong = [stage.judge(place(47.5, 40.0), driven(n / 3), config).reason for n in (20, 21, 22)]
    assert right == [NONE] * 20
    assert wrong == [ODOMETRY] * 3


def driven(seconds: float) -> Reading:
    """A frame at that time, without odometry."""
    return Reading(round(seconds * 1e9), 1, 0.0, None)


def test_images_without_a_stamp_have_no_order_to_compare():
    stage = Consistency()
    frame = Reading(UNKNOWN_STAMP_NS, 1, 0.0, None)
    found = [stage.judge(place(x_m), frame, CONFIG).reason for x_m in (0.0, 500.0)]
    assert found == [NONE, NONE]


def on_a_street(start_m: float, count: int, place_m: float) -> list[tuple[float, float]]:
    """Metres driven, and x of the place: a street whose places begin at `place_m`."""
    return [(start_m + 5.0 * n, place_m + 5.0 * n) for n in range(count)]


def reasons_along(steps, stage=None, stretch=1):
    stage = stage or Consistency()
    return [stage.judge(place(x), reading(along, stretch), CONFIG).reason for along, x in steps]


def test_a_street_that_looks_like_an_earlier_one_is_not_taken_for_it():
    steps = on_a_street(0.0, 20, 1000.0) + on_a_street(1000.0, 15, 1000.0)
    found = reasons_along([*steps, *on_a_street(1150.0, 3, 2150.0)])
    assert found[:20] == [NONE] * 20
    assert found[20:35] == [ODOMETRY] * 15
    assert found[35:] == [NONE] * 3


def test_as_many_answers_as_were_trusted_give_them_up():
    steps = on_a_street(0.0, 11, 1000.0) + on_a_street(1000.0, 14, 1000.0)
    found = reasons_along(steps)
    # The first of the eleven had nobody to agree with.
    assert found[11:20] == [ODOMETRY] * 9
    assert found[20:] == [NONE] * 5


def test_a_few_answers_are_not_trusted_against_later_ones():
    steps = on_a_street(0.0, 5, 1000.0) + on_a_street(1000.0, 3, 1000.0)
    assert reasons_along(steps) == [NONE] * 8


def test_another_stretch_of_odometry_trusts_nothing_of_the_one_before():
    stage = Consistency()
    assert reasons_along(on_a_street(0.0, 20, 1000.0), stage) == [NONE] * 20
    assert reasons_along(on_a_street(1000.0, 5, 1000.0), stage, stretch=2) == [NONE] * 5
