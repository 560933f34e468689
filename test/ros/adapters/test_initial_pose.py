"""When a pose may be published: standing, agreeing, once."""

import math

import numpy as np
import pytest

from ghost_vpr_ros.ros.adapters.initial_pose_node import (
    AcceptedPose,
    InitialPoseConfig,
    InitialPoseRule,
    OdometryReading,
)

CONFIG = InitialPoseConfig(frames=3, radius_m=1.0, stand_s=2.0)
NS = 1_000_000_000


def stand(rule, start_s, end_s, position=(0.0, 0.0, 0.0), speed_m_s=0.0, turn_rad_s=0.0):
    """Odometry at 10 Hz from start to end."""
    for tenth in range(round(10 * start_s), round(10 * end_s) + 1):
        stamp_ns = tenth * NS // 10
        rule.add_odometry(OdometryReading(stamp_ns, np.array(position), speed_m_s, turn_rad_s))


def offer(rule, at_s, x_m=0.0, yaw_deg=0.0):
    """The reason to wait."""
    position_m = np.array([x_m, 0.0, 0.0])
    return rule.reason_to_wait(AcceptedPose(round(at_s * NS), position_m, math.radians(yaw_deg)))


@pytest.fixture
def rule():
    """A robot that stands from 1 s to 10 s."""
    made = InitialPoseRule(CONFIG)
    stand(made, 1.0, 10.0)
    return made


def test_poses_that_agree_are_enough_after_the_last_is_there(rule):
    assert offer(rule, 4.0) == '1 of 3 accepted poses agree'
    assert offer(rule, 5.0) == '2 of 3 accepted poses agree'
    assert offer(rule, 6.0) == ''


def test_a_pose_that_disagrees_has_to_leave_the_last_frames_first(rule):
    offers = [offer(rule, at_s, x_m) for at_s, x_m in [(4, 0), (5, 9), (6, 0), (7, 0), (8, 0)]]
    assert [reason == '' for reason in offers] == [False, False, False, False, True]


def test_headings_have_to_agree_too_across_the_half_turn(rule):
    assert offer(rule, 4.0, yaw_deg=175.0) and offer(rule, 5.0, yaw_deg=-175.0)
    assert offer(rule, 6.0, yaw_deg=90.0)
    assert offer(rule, 7.0, yaw_deg=175.0) and offer(rule, 8.0, yaw_deg=-175.0)
    assert offer(rule, 9.0, yaw_deg=180.0) == ''


def test_poses_from_before_the_stop_was_long_enough_do_not_count(rule):
    # Standing since 1.0 s: 2 s of standing are over at 3.0 s.
    assert [offer(rule, at_s) != '' for at_s in (2.0, 2.5, 2.9)] == [True] * 3
    assert offer(rule, 3.0).startswith('1 of 3')


@pytest.mark.parametrize('motion', [{'speed_m_s': 0.2}, {'turn_rad_s': 0.3}])
def test_a_robot_that_drives_or_turns_on_the_spot_gets_nothing(motion):
    rule = InitialPoseRule(CONFIG)
    stand(rule, 0.0, 10.0, **motion)
    assert [offer(rule, at_s).startswith('odometry') for at_s in (5, 6, 7, 8)] == [True] * 4


def test_nor_does_one_whose_odometry_has_no_twist_but_moves():
    rule = InitialPoseRule(CONFIG)
    for tenth in range(100):
        position_m = np.array([0.05 * tenth, 0.0, 0.0])
        rule.add_odometry(OdometryReading(tenth * NS // 10, position_m, 0.0, 0.0))
    assert [offer(rule, at_s).startswith('odometry') for at_s in (5, 6, 7)] == [True] * 3


@pytest.mark.parametrize('number', [math.nan, math.inf])
def test_nor_does_one_whose_speed_is_no_number(number):
    rule = InitialPoseRule(CONFIG)
    stand(rule, 0.0, 10.0, speed_m_s=number)
    assert offer(rule, 5.0).startswith('odometry')


def test_driving_on_starts_again_from_nothing(rule):
    offer(rule, 4.0)
    offer(rule, 5.0)
    stand(rule, 10.1, 10.5, speed_m_s=1.0)
    assert offer(rule, 6.0).startswith('odometry')
    stand(rule, 10.6, 20.0)
    assert offer(rule, 14.0).startswith('1 of 3')


def test_without_odometry_nothing_is_published():
    rule = InitialPoseRule(CONFIG)
    assert [offer(rule, at_s).startswith('odometry') for at_s in (4, 5, 6)] == [True] * 3


def test_silent_odometry_is_no_evidence(rule):
    # Its last word was at 10.0 s, and it may be silent for 0.5 s.
    assert offer(rule, 10.5).startswith('1 of 3')
    assert offer(rule, 10.6).startswith('odometry')


def test_a_gap_in_the_odometry_begins_a_new_stop(rule):
    stand(rule, 12.0, 13.0)
    assert offer(rule, 13.0).startswith('odometry')


def test_agreeing_poses_have_to_be_near_in_time():
    rule = InitialPoseRule(InitialPoseConfig(frames=3, stand_s=2.0, within_s=5.0))
    stand(rule, 0.0, 30.0)
    assert offer(rule, 10.0) and offer(rule, 14.0)
    assert offer(rule, 15.1).startswith('2 of 3')
    assert offer(rule, 16.0) == ''


def test_one_pose_is_published_until_another_is_requested(rule):
    reasons = [offer(rule, at_s) for at_s in (4.0, 4.1, 4.2)]
    assert reasons[-1] == ''
    rule.published()
    assert all('rearm' in offer(rule, at_s) for at_s in (4.3, 4.4, 4.5, 4.6))
    rule.rearm()
    assert [offer(rule, at_s) == '' for at_s in (5.0, 5.1, 5.2)] == [False, False, True]


def test_a_pose_that_nobody_took_may_follow_again(rule):
    assert [offer(rule, at_s) == '' for at_s in (4.0, 4.1, 4.2, 4.3)] == [False, False, True, True]


def test_a_clock_that_jumps_back_starts_over(rule):
    offer(rule, 8.0)
    offer(rule, 9.0)
    stand(rule, 0.0, 1.9)
    assert offer(rule, 1.9).startswith('odometry')
    stand(rule, 2.0, 3.0)
    assert offer(rule, 2.5).startswith('1 of 3')


def test_the_same_image_answered_twice_counts_once(rule):
    assert [offer(rule, 5.0) for _ in range(3)] == ['1 of 3 accepted poses agree'] * 3
