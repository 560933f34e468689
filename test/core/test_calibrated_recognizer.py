"""The recogniser judges by the map's calibration where it has one for its radius."""

import numpy as np
import pytest

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import State
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.recognizer import PlaceRecognizer
from test.core.calibrations import calibration
from test.core.model.tiny_model import pictures, tiny_model
from test.core.scripted import ScriptedEngine, scripted_recognizer

ALONG_M = np.array([[100.0 * place, 0.0, 0.0] for place in range(4)])
PLACES = np.eye(4, dtype=np.float32)
QUERY = np.array([[0.8, 0.6, 0.0, 0.0]], np.float32)
IMAGE = pictures(1)[0]
"""Searched with `QUERY`: similarities 0.8 and 0.6, margin 0.2, calibrated probability 0.88."""


@pytest.fixture(scope='module')
def model():
    return tiny_model()


@pytest.fixture
def path(model, tmp_path):
    scripted_recognizer(tmp_path / 'line.map', model, PLACES, ALONG_M, QUERY).close()
    with PlaceMap.open(tmp_path / 'line.map', writable=True) as place_map:
        place_map.set_calibration(calibration(model_hash=model.model_hash))
    return tmp_path / 'line.map'


def answer(model, path, hidden_rows=None, **config):
    engine = ScriptedEngine(model.model_hash, QUERY)
    settings = RecognizerConfig(**config)
    with PlaceRecognizer(model, engine, PlaceMap.open(path), settings) as recognizer:
        return recognizer.recognize(IMAGE, 0, hidden_rows=hidden_rows)


def test_the_probability_is_the_calibrated_one(model, path):
    best = answer(model, path).candidates[0]
    assert best.margin == pytest.approx(0.2, abs=1e-6)
    assert best.probability == pytest.approx(1.0 / (1.0 + np.exp(-2.0)), abs=1e-6)


def test_the_calibrated_threshold_accepts(model, path):
    found = answer(model, path)
    assert (found.state, found.is_calibrated) == (State.ACCEPTED, True)


def test_a_threshold_of_the_user_stands(model, path):
    assert answer(model, path, min_probability=0.89).state is State.TENTATIVE


def test_for_another_radius_the_map_alone_judges(model, path):
    found = answer(model, path, group_radius_m=30.0)
    assert (found.state, found.is_calibrated) == (State.TENTATIVE, False)
    assert found.candidates[0].margin == pytest.approx(0.2, abs=1e-6)


def test_hidden_keyframes_are_never_found(model, path):
    found = answer(model, path, np.array([True, False, False, False]))
    assert [candidate.keyframe.keyframe_id for candidate in found.candidates] == [2, 3, 4]
    assert found.candidates[0].margin == pytest.approx(0.6, abs=1e-6)


def test_with_everything_hidden_nothing_is_found(model, path):
    assert answer(model, path, np.ones(4, bool)).candidates == ()
