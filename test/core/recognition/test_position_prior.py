"""Where to look before looking: by GPS, by odometry, and what becomes of wrong advice."""

import numpy as np
import pytest

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import GeoPoint, Pose, Reason, State
from ghost_vpr_ros.core.geodesy import LocalFrame
from ghost_vpr_ros.core.recognition.odometry import (
    LastAnswer,
    PositionPrior,
    Reading,
    prior_of_fix,
)
from test.core.calibrations import calibration
from test.core.map_making import unit_rows
from test.core.model.tiny_model import pictures, tiny_model
from test.core.scripted import scripted_recognizer

DIM, ROWS, STEP_M, RADIUS_M = 64, 200, 2.0, 3.0
IMAGE = pictures(1, seed=3)[0]
CONFIG = RecognizerConfig(
    group_radius_m=RADIUS_M, top_k=4, temporal='none', verify=False, consistency=False
)


@pytest.fixture(scope='module')
def model():
    return tiny_model(images=16)


def street() -> np.ndarray:
    return np.outer(STEP_M * np.arange(ROWS), (1.0, 0.0, 0.0))


def opened(path, model, places, **changes):
    """A street of 200 places, 2 m apart; the camera sees these of its places."""
    looks = unit_rows(ROWS, DIM)
    config = RecognizerConfig(**{**CONFIG.to_dict(), **changes})
    recognizer = scripted_recognizer(path, model, looks, street(), looks[places], config)
    recognizer.use_calibration(calibration(group_radius_m=RADIUS_M))
    return recognizer


def at(metres: float, radius_m: float = 20.0) -> PositionPrior:
    return PositionPrior(np.array([metres, 0.0]), radius_m)


def answer(recognizer, number: int = 0, odometry_m: float | None = None, prior=None):
    odometry = None if odometry_m is None else Pose(np.array([odometry_m, 0.0, 0.0]))
    image = IMAGE + np.uint8(number % 7)
    return recognizer.recognize(image, (number + 1) * 10**9, odometry, prior=prior)


def x_of(found) -> list[float]:
    return [c.keyframe.pose.position_m[0] for c in found.candidates]


def test_within_the_radius_the_place_is_found_and_nothing_else_is_searched(tmp_path, model):
    with opened(tmp_path / 'a.map', model, [50]) as recognizer:
        found = answer(recognizer, prior=at(110.0))
    assert found.state is State.ACCEPTED
    assert x_of(found)[0] == 100.0
    assert all(90.0 <= x <= 130.0 for x in x_of(found))


@pytest.mark.parametrize('radius_m', [2.5, 20.0, 60.0])
def test_gps_that_is_wrong_by_more_than_the_radius_makes_the_place_unknown(
    tmp_path, model, radius_m
):
    """Even where the disc holds a single place, which then is the best match there."""
    with opened(tmp_path / 'a.map', model, [50]) as recognizer:
        found = answer(recognizer, prior=at(300.0, radius_m))
    assert (found.state, found.reason) == (State.UNKNOWN_PLACE, Reason.LOW_SCORE)
    assert all(abs(x - 300.0) <= radius_m for x in x_of(found))


def test_gps_off_the_map_makes_the_place_unknown(tmp_path, model):
    with opened(tmp_path / 'a.map', model, [50]) as recognizer:
        found = answer(recognizer, prior=at(9000.0))
    assert (found.state, found.reason) == (State.UNKNOWN_PLACE, Reason.LOW_SCORE)
    assert not found.candidates


def test_a_disc_with_one_place_is_judged_by_the_looks_of_the_others(tmp_path, model):
    with opened(tmp_path / 'a.map', model, [50]) as recognizer:
        found = answer(recognizer, prior=at(100.0, 0.5))
    assert found.state is State.ACCEPTED
    assert x_of(found) == [100.0]
    far = np.delete(unit_rows(ROWS, DIM), [49, 50, 51], axis=0) @ unit_rows(ROWS, DIM)[50]
    assert found.candidates[0].margin == pytest.approx(1.0 - far.max(), abs=1e-5)


def test_after_an_accepted_answer_odometry_is_the_prior(tmp_path, model):
    with opened(tmp_path / 'a.map', model, [50, 150], prior_radius_m=20.0) as recognizer:
        assert answer(recognizer, 0, 0.0).state is State.ACCEPTED
        found = answer(recognizer, 1, 10.0)
    assert found.state is State.UNKNOWN_PLACE
    assert all(70.0 <= x <= 130.0 for x in x_of(found))


@pytest.mark.parametrize('how', ['no setting', 'no odometry', 'reset', 'too far'])
def test_otherwise_the_whole_map_is_searched(tmp_path, model, how):
    radius_m = 0.0 if how == 'no setting' else 4.0
    with opened(tmp_path / 'a.map', model, [50, 150], prior_radius_m=radius_m) as recognizer:
        assert answer(recognizer, 0, 0.0).state is State.ACCEPTED
        if how == 'reset':
            recognizer.reset()
        odometry_m = {'no odometry': None, 'too far': 14.0}.get(how, 2.0)
        found = answer(recognizer, 1, odometry_m)
    assert (found.state, x_of(found)[0]) == (State.ACCEPTED, 300.0)


def reading(along_m: float, stretch: int = 1, x_m: float | None = None) -> Reading:
    position_m = np.array([along_m if x_m is None else x_m, 0.0, 0.0])
    return Reading(0, stretch, along_m, Pose(position_m))


def test_the_disc_grows_with_the_distance_from_the_answer_and_ends():
    last = LastAnswer()
    assert last.prior(reading(0.0), 10.0) is None
    last.accept(Pose(np.array([5.0, 6.0, 7.0])), reading(100.0))
    disc = last.prior(reading(112.0), 10.0)
    assert (disc.position_m.tolist(), disc.radius_m) == ([5.0, 6.0, 7.0], 22.0)
    assert last.prior(reading(120.0, x_m=103.0), 10.0).radius_m == 13.0
    assert last.prior(reading(130.0), 10.0) is not None
    assert last.prior(reading(130.1), 10.0) is None
    assert last.prior(reading(112.0, stretch=2), 10.0) is None
    last.forget()
    assert last.prior(reading(112.0), 10.0) is None


def test_a_fix_gives_a_disc_in_a_geotagged_map_only():
    here = GeoPoint(52.2, 0.12, 10.0)
    frame = LocalFrame(here)
    north = GeoPoint(52.201, 0.12, 10.0)
    disc = prior_of_fix(north, frame, 30.0)
    assert disc.radius_m == 30.0
    assert disc.position_m[:2] == pytest.approx([0.0, 111.3], abs=0.2)
    assert prior_of_fix(None, frame, 30.0) is None
    assert prior_of_fix(here, None, 30.0) is None
    assert prior_of_fix(here, frame, 0.0) is None
