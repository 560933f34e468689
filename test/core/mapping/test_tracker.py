"""Is the tracked pose as certain as its covariance? Drives with the drift of the settings."""

import math

import numpy as np
import pytest

from ghost_vpr_ros.core.config.map import MappingConfig
from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.mapping.tracker import MapTracker, relocated
from ghost_vpr_ros.core.poses import quaternion_to_yaw, yaw_to_quaternion
from ghost_vpr_ros.core.recognition.odometry import Reading

CONFIG = MappingConfig(position_drift_m=0.1, heading_drift_rad=0.005)
DRIFT = np.array([0.1, 0.1, 0.1, 0.005])
SIGMA = np.array([2.0, 2.0, 0.6, 0.03])
PARTS = [0, 1, 2, 5]


def stepped(state, forward_m, left_m, up_m, turn_rad) -> np.ndarray:
    """(4,) x, y, z, yaw after a step in the body's frame."""
    x, y, z, yaw = state
    cosine, sine = math.cos(yaw), math.sin(yaw)
    x, y = x + cosine * forward_m - sine * left_m, y + sine * forward_m + cosine * left_m
    return np.array([x, y, z + up_m, math.remainder(yaw + turn_rad, math.tau)])


def pose(state, deviations=None) -> Pose:
    covariance = None if deviations is None else np.diag([*deviations[:3], 1, 1, deviations[3]])
    return Pose(
        np.array(state[:3]),
        yaw_to_quaternion(state[3]),
        None if covariance is None else covariance**2,
    )


def error_of(found: Pose, truth) -> np.ndarray:
    error = np.array([*found.position_m, quaternion_to_yaw(found.quaternion_xyzw)]) - truth
    error[3] = math.remainder(error[3], math.tau)
    return error


def nees(found: Pose, truth) -> float:
    """Squared error in units of the stated covariance; 4 on average where that is right."""
    error = error_of(found, truth)
    return float(error @ np.linalg.solve(found.covariance[np.ix_(PARTS, PARTS)], error))


def drifting(seed: int, steps: int):
    """Readings of odometry, the true states, and answers, of a drive of this length in metres."""
    noise = np.random.default_rng(seed)
    truth, odometry = np.zeros(4), np.zeros(4)
    for number in range(steps):
        if number:
            turn = 0.1 * math.sin(number / 20)
            truth = stepped(truth, 1.0, 0.0, 0.0, turn)
            ahead, left, up, more = noise.normal(0.0, DRIFT)
            odometry = stepped(odometry, 1.0 + ahead, left, up, turn + more)
        reading = Reading(number, 1, float(number), pose(odometry))
        yield reading, truth, pose(truth + noise.normal(0.0, SIGMA), SIGMA)


def test_a_drive_without_answers_is_as_unsure_as_it_drifts():
    found = []
    for seed in range(100):
        tracker = MapTracker()
        drive = list(drifting(seed, 120))
        for reading, *_ in drive:
            tracker.follow(reading, CONFIG)
            if reading.stamp_ns == 0:
                tracker.start(reading)
        found.append(nees(tracker.pose(), drive[-1][1]))
    assert np.mean(found) == pytest.approx(4.0, abs=0.8)


@pytest.mark.parametrize('back_m', [0, 50, 100, 150])
def test_a_frame_that_lies_back_is_as_unsure_as_the_way_to_it(back_m):
    """From a pose that is known within its covariance back to where odometry led from."""
    found = []
    for seed in range(200):
        drive = list(drifting(seed, 151))
        (now, _, answer), (then, truth, _) = drive[150], drive[150 - back_m]
        found.append(nees(relocated(answer, now, then, CONFIG), truth))
    assert np.mean(found) == pytest.approx(4.0, abs=1.0)


def test_a_wrong_first_answer_is_survived():
    tracker = MapTracker()
    wrong = np.array([80.0, 30.0, 0.0, 1.5])
    for reading, truth, answer in drifting(1, 60):
        tracker.follow(reading, CONFIG)
        if reading.stamp_ns == 10:
            tracker.correct(reading, pose(truth + wrong, SIGMA))
            assert not tracker.is_sure
        elif reading.stamp_ns > 10 and reading.stamp_ns % 3 == 0:
            tracker.correct(reading, answer)
    assert tracker.is_sure
    assert np.linalg.norm(error_of(tracker.pose(), truth)[:2]) < 4.0


def test_after_a_break_of_the_odometry_nothing_is_known():
    tracker = MapTracker()
    reading = Reading(0, 1, 0.0, pose(np.zeros(4)))
    tracker.start(reading)
    assert tracker.is_sure
    tracker.follow(Reading(1, 2, 0.0, pose(np.ones(4))), CONFIG)
    assert not tracker.is_sure
    with pytest.raises(ValueError, match='not known yet'):
        tracker.pose()


def refused(tracker: MapTracker, count: int, start: int, away_m: float) -> None:
    for number in range(start, start + count):
        reading = Reading(number, 1, float(number), pose([number, 0.0, 0.0, 0.0]))
        tracker.follow(reading, CONFIG)
        answer = pose([number - away_m, 0.0, 0.0, 0.0], SIGMA)
        assert tracker.contradicts(reading, answer)
        tracker.correct(reading, answer)


def test_look_alikes_never_outweigh_the_odometry_that_the_map_began_with():
    tracker = MapTracker()
    tracker.start(Reading(0, 1, 0.0, pose(np.zeros(4))))
    refused(tracker, 200, 1, 5000.0)
    assert tracker.is_sure
    assert tracker.pose().position_m[0] == pytest.approx(200.0)


@pytest.mark.parametrize(('agreed', 'survives'), [(4, 4), (12, 11), (70, 49)])
def test_it_takes_as_many_answers_to_lose_a_pose_as_have_agreed_with_it(agreed, survives):
    tracker = MapTracker()
    for number in range(agreed):
        reading = Reading(number, 1, float(number), pose([number, 0.0, 0.0, 0.0]))
        tracker.follow(reading, CONFIG)
        tracker.correct(reading, pose([number, 0.0, 0.0, 0.0], SIGMA))
    refused(tracker, survives, agreed, 2000.0)
    assert tracker.is_sure
    refused(tracker, 1, agreed + survives, 2000.0)
    assert not tracker.is_sure


def test_an_answer_within_the_drift_does_not_contradict():
    tracker = MapTracker()
    drive = list(drifting(2, 400))
    tracker.start(drive[0][0])
    for reading, _, answer in drive[1:]:
        tracker.follow(reading, CONFIG)
        assert not tracker.contradicts(reading, answer)
