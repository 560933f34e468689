"""Where everything looks alike nothing is accepted: tunnels, and streets that have a twin."""

import cv2
import numpy as np
import pytest

from ghost_vpr_ros.core.config.map import MapConfig
from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import Pose, Reason, State
from ghost_vpr_ros.core.image import encode_jpeg
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.poses import yaw_to_quaternion
from ghost_vpr_ros.core.probability.likelihood import learn_likelihood
from ghost_vpr_ros.core.recognizer import PlaceRecognizer
from test.core.model.tiny_model import tiny_model
from test.core.rounds import DIM, MAPPING, SECOND, open_mapper
from test.core.scripted import ScriptedEngine

STEP_M = 4.0
KEYFRAMES, FRAMES = 70, 40


@pytest.fixture(scope='module')
def model():
    return tiny_model()


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def tunnel_views(rng: np.random.Generator, count: int) -> np.ndarray:
    """One picture with corners enough for hundreds of inliers, each time with other noise."""
    base = rng.integers(40, 215, (30, 40), dtype=np.uint8)
    base = cv2.resize(base, (320, 240), interpolation=cv2.INTER_NEAREST)
    picture = np.repeat(cv2.GaussianBlur(base, (0, 0), 1.5)[..., None], 3, axis=2)
    noise = rng.normal(0.0, 2.0, (count, *picture.shape))
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def tunnel_rows(rng: np.random.Generator, count: int, noise: float) -> np.ndarray:
    """Descriptors of one picture and noise, which drifts a little along the way, as light does."""
    one = np.random.default_rng(99).normal(size=DIM) / np.sqrt(DIM)
    drift = np.cumsum(rng.normal(0.0, 0.1, (count, DIM)), axis=0)
    return unit(one + noise / np.sqrt(DIM) * (rng.normal(size=(count, DIM)) + drift))


def tunnel(tmp_path, model, seed: int, noise: float):
    """Answers to a second drive through a tunnel."""
    rng = np.random.default_rng(seed)
    views = tunnel_views(rng, KEYFRAMES)
    content = (model.model_hash, DIM, model.preprocessing, b'none')
    with PlaceMap.create(tmp_path / 'tunnel.map', *content) as place_map:
        place_map.add_session('walk')
        for number, row in enumerate(tunnel_rows(rng, KEYFRAMES, noise)):
            pose = Pose(np.array([number * STEP_M, 0.0, 0.0]), yaw_to_quaternion(0.0))
            jpeg = encode_jpeg(views[number], 85)
            place_map.add('walk', number, row, pose=pose, view_jpeg=jpeg)
    engine = ScriptedEngine(model.model_hash, tunnel_rows(rng, FRAMES, noise))
    place_map = PlaceMap.open(tmp_path / 'tunnel.map')
    with PlaceRecognizer(model, engine, place_map, RecognizerConfig()) as recognizer:
        answers = []
        for number, image in enumerate(tunnel_views(rng, FRAMES)):
            odometry = Pose(np.array([number * STEP_M, 0.0, 0.0]), yaw_to_quaternion(0.0))
            answers.append(recognizer.recognize(image, (number + 1) * SECOND, odometry))
    return answers


@pytest.mark.parametrize(('seed', 'noise'), [(0, 0.005), (1, 0.05), (2, 0.3)])
def test_nothing_is_accepted_in_a_tunnel(tmp_path, model, seed, noise):
    answers = tunnel(tmp_path, model, seed, noise)
    assert [answer.state for answer in answers].count(State.ACCEPTED) == 0
    assert not any(answer.closure for answer in answers)


@pytest.mark.parametrize('noise', [0.003, 0.01, 0.03, 0.1, 0.3, 1.0])
def test_noise_teaches_no_likelihood(noise):
    positions = np.zeros((KEYFRAMES, 3))
    positions[:, 0] = STEP_M * np.arange(KEYFRAMES)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        one = rng.normal(size=DIM) / np.sqrt(DIM)
        rows = unit(one + noise / np.sqrt(DIM) * rng.normal(size=(KEYFRAMES, DIM)))
        assert learn_likelihood(rows, positions, 25.0) is None


def test_equal_images_teach_nothing():
    positions = np.zeros((KEYFRAMES, 3))
    positions[:, 0] = STEP_M * np.arange(KEYFRAMES)
    rows = np.repeat(unit(np.ones((1, DIM))), KEYFRAMES, axis=0)
    assert learn_likelihood(rows, positions, 25.0) is None


def street(seed: int, place: int) -> np.ndarray:
    """(64,) what a place of a street looks like: twins have the same places."""
    directions = np.random.default_rng(5).normal(size=(60, DIM)) / 8.0
    near = np.exp(-0.5 * (np.arange(60) - place) ** 2)
    return unit(near @ directions + 0.02 * np.random.default_rng(seed).normal(size=DIM))


def along(driven_m: float) -> Pose:
    return Pose(np.array([driven_m, 0.0, 0.0]), yaw_to_quaternion(0.0))


def drive_by(tmp_path, model, second_at_m: float):
    """A street, other places for a while, then the same sights again `second_at_m` after."""
    places = 55
    other = round((second_at_m - 2.0 * places) / 2.0)
    elsewhere = unit(np.random.default_rng(8).normal(size=(other, DIM)))
    script = [
        *(street(n, n) for n in range(places)),
        *elsewhere,
        *(street(1000 + n, n) for n in range(places)),
    ]
    mapper = open_mapper(tmp_path / 'twin.map', model, np.array(script), MAPPING, MapConfig())
    rng = np.random.default_rng(0)
    answers = []
    for number in range(len(script)):
        picture = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
        answers.append(mapper.recognize(picture, (number + 1) * SECOND, along(2.0 * number)))
    positions = mapper.recognizer.place_map.positions()
    mapper.recognizer.close()
    return answers[places + other :], positions


def test_a_twin_of_a_street_is_not_the_street(tmp_path, model):
    """Continuous odometry, 1 km on: what looks alike is rejected, and the map stays straight."""
    answers, positions = drive_by(tmp_path, model, 1000.0)
    assert [answer.state for answer in answers].count(State.ACCEPTED) == 0
    assert not any(answer.closure for answer in answers)
    assert [answer.reason for answer in answers].count(Reason.ODOMETRY) > 20
    assert np.isfinite(positions).all()
    assert positions[-1, 0] > 1000.0
    assert (np.diff(positions[:, 0]) > 0.0).all()
