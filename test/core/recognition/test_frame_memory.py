"""The recogniser with previous frames: which method is used, and when it starts over."""

from dataclasses import replace

import numpy as np
import pytest

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import Pose, Reason, State
from ghost_vpr_ros.core.poses import yaw_to_quaternion
from test.core.calibrations import calibration
from test.core.model.tiny_model import pictures, tiny_model
from test.core.scripted import scripted_recognizer

FRAMES, PLACES = 12, 30
RADIUS_M = 3.0
CONFIG = RecognizerConfig(group_radius_m=RADIUS_M, top_k=4)
IMAGE = pictures(1, seed=3)[0]


def image(number: int) -> np.ndarray:
    """One picture, never twice the same to the last bit: the camera is alive."""
    return IMAGE + np.uint8(number % 7)


@pytest.fixture(scope='module')
def model():
    return tiny_model(images=16)


@pytest.fixture
def twin_streets(model, tmp_path):
    """Two streets of 30 places, each 2 m long, with the same looks; in the second in disorder."""
    rng = np.random.default_rng(4)
    looks = rng.standard_normal((PLACES, 64))
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    descriptors = np.vstack([looks, looks[rng.permutation(PLACES)]])
    along_m = 2.0 * np.arange(2 * PLACES)
    along_m[PLACES:] += 500.0
    positions = np.column_stack([along_m, np.zeros_like(along_m), np.zeros_like(along_m)])
    with scripted_recognizer(
        tmp_path / 'streets.map', model, descriptors, positions, looks, CONFIG
    ) as opened:
        opened.use_calibration(calibration(group_radius_m=RADIUS_M))
        yield opened


def recognize(recognizer, number: int, temporal: str):
    """The answer to the n-th frame of the first street, one second and 2 m after the last."""
    recognizer.config = replace(recognizer.config, temporal=temporal)
    odometry = Pose(np.array([2.0 * number, 0.0, 0.0]), yaw_to_quaternion(0.0))
    return recognizer.recognize(image(number), number * 10**9, odometry)


def test_a_sequence_separates_what_no_image_can(twin_streets) -> None:
    for number in range(FRAMES):
        found = recognize(twin_streets, number, 'sequence')
        assert found.candidates[0].by_itself < 0.5
    best = found.candidates[0]
    assert best.keyframe.pose.position_m[0] == 2.0 * (FRAMES - 1)
    assert best.probability > 0.99
    assert (found.state, found.reason) == (State.TENTATIVE, Reason.TEMPORAL)


def test_without_the_frames_before_no_image_can(twin_streets) -> None:
    for number in range(FRAMES):
        best = recognize(twin_streets, number, 'none').candidates[0]
        assert best.probability == best.by_itself < 0.5


@pytest.mark.parametrize('temporal', ['filter', 'sequence'])
@pytest.mark.parametrize('between', ['filter', 'sequence', 'none'])
def test_another_way_starts_over(twin_streets, temporal: str, between: str) -> None:
    for number in range(FRAMES):
        before = recognize(twin_streets, number, temporal).candidates[0]
    assert before.probability != pytest.approx(before.by_itself, abs=0.01)
    recognize(twin_streets, FRAMES, between)
    after = recognize(twin_streets, FRAMES + 1, temporal).candidates[0]
    assert (after.probability == after.by_itself) is (between != temporal)


@pytest.mark.parametrize('temporal', ['filter', 'sequence'])
def test_a_reset_forgets_the_frames_before(twin_streets, temporal: str) -> None:
    for number in range(FRAMES):
        recognize(twin_streets, number, temporal)
    twin_streets.reset()
    after = recognize(twin_streets, FRAMES, temporal).candidates[0]
    assert after.probability == after.by_itself


def test_hidden_keyframes_do_not_answer_in_a_sequence(twin_streets) -> None:
    twin_streets.config = replace(CONFIG, temporal='sequence')
    hidden = np.arange(2 * PLACES) < PLACES
    for number in range(FRAMES):
        found = twin_streets.recognize(image(number), number * 10**9, hidden_rows=hidden)
    assert all(c.keyframe.keyframe_id > PLACES for c in found.candidates)


def test_a_map_that_grows_starts_the_sequence_over(twin_streets) -> None:
    for number in range(FRAMES):
        recognize(twin_streets, number, 'sequence')
    place_map = twin_streets.place_map
    twin_streets.admit(place_map.keyframe(1), place_map.descriptors()[0])
    after = recognize(twin_streets, FRAMES, 'sequence').candidates[0]
    assert after.probability == after.by_itself
