"""The general likelihood of similarities, by which small maps are decided."""

import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import State
from ghost_vpr_ros.core.errors import CalibrationError
from ghost_vpr_ros.core.model.default_weights import default_weights, default_weights_path
from ghost_vpr_ros.core.probability.general import (
    GeneralCalibration,
    general_calibration,
)
from ghost_vpr_ros.core.probability.likelihood import MIN_SAMPLES, margins_within, num_teaching
from training.general_calibration import best_matches, learn

RIGHT = np.linspace(0.5, 0.9, 50)
WRONG = np.linspace(0.0, 0.45, 200)


def test_the_most_similar_wrong_match_is_even_odds_at_best():
    learned = learn(RIGHT, WRONG, 'here', 'a hash')
    assert learned.probability(np.array([0.45]))[0] <= 0.5 + 1e-9
    rising = learned.probability(np.array([0.06, 0.3, 0.6, 0.9]))
    assert (np.diff(rising) > 0).all()
    assert rising[0] < 0.05
    assert rising[-1] > 0.9
    assert learned.right_similarity == pytest.approx(0.54)


def test_too_few_examples_are_refused():
    with pytest.raises(CalibrationError, match='expected at least 20 right and 20 wrong'):
        learn(RIGHT[:5], WRONG, 'here', 'a hash')


def test_matches_are_found_near_by_and_far_away():
    descriptors = np.eye(4, dtype=np.float32)
    descriptors[1] = [0.8, 0.6, 0.0, 0.0]
    points = np.array([[0.0, 0.0], [5.0, 0.0], [100.0, 0.0], [130.0, 0.0]])
    right, wrong = best_matches(descriptors, points)
    assert right == pytest.approx([0.8, 0.8])
    assert wrong == pytest.approx([0.0, 0.0, 0.0, 0.0])
    assert len(best_matches(descriptors, points, ['a', 'a', 'b', 'c'])[0]) == 0


def test_it_belongs_to_one_network(tmp_path):
    learned = GeneralCalibration(10.0, -5.0, 0.4, 50, 200, 'here', 'a hash')
    other = GeneralCalibration(9.0, -4.0, 0.3, 50, 200, 'there', 'a third')
    (tmp_path / 'general_calibration.json').write_text(learned.to_json())
    (tmp_path / 'general_calibration_of_another.json').write_text(other.to_json())
    assert general_calibration(tmp_path, 'a third') == other
    assert general_calibration(tmp_path, 'a hash') == learned
    assert general_calibration(tmp_path, 'another') is None
    assert general_calibration(tmp_path / 'nowhere', 'a hash') is None
    (tmp_path / 'general_calibration.json').write_text('{"slope": 1}')
    with pytest.raises(CalibrationError, match='unreadable'):
        general_calibration(tmp_path, 'a hash')


def test_the_weights_of_the_package_have_one():
    """After a change of the weights: `python -m training.general_calibration`, see docs."""
    found = general_calibration(default_weights_path().parent, default_weights().model_hash)
    if found is None:
        pytest.skip('not learned for these weights yet: run training.general_calibration')
    assert found.probability(np.array([0.06]))[0] < 0.1
    assert found.probability(np.array([1.0]))[0] > 0.9


def test_how_many_keyframes_teach_is_counted():
    generator = np.random.default_rng(0)
    places = generator.standard_normal((MIN_SAMPLES, 32))
    twice = np.repeat(places, 2, axis=0) + 0.01 * generator.standard_normal((2 * MIN_SAMPLES, 32))
    descriptors = (twice / np.linalg.norm(twice, axis=1, keepdims=True)).astype(np.float32)
    positions = np.zeros((len(twice), 3))
    positions[:, 0] = np.repeat(100.0 * np.arange(MIN_SAMPLES), 2)
    assert counted(descriptors, positions) == 2 * MIN_SAMPLES
    assert counted(descriptors, np.full_like(positions, np.nan)) == 0
    assert counted(descriptors[:1], positions[:1]) == 0


def counted(descriptors, positions):
    return num_teaching(margins_within(descriptors, positions, 25.0))


def test_a_small_map_is_decided(small_map_answers):
    same, other = small_map_answers
    assert same.state is State.ACCEPTED
    assert other.state is State.UNKNOWN_PLACE


@pytest.fixture
def small_map_answers(tmp_path, monkeypatch):
    """A map of six places without positions, and queries with the same and another descriptor."""
    from ghost_vpr_ros.core import recognizer as page
    from test.core.model.tiny_model import pictures, tiny_model
    from test.core.scripted import scripted_recognizer

    model = tiny_model()
    learned = GeneralCalibration(20.0, -10.0, 0.4, 50, 200, 'here', model.model_hash)
    monkeypatch.setattr(page, 'general_calibration', lambda *_: learned)
    places = np.eye(16, dtype=np.float32)[:6]
    script = np.eye(16, dtype=np.float32)[[3, 10]]
    recognizer = scripted_recognizer(tmp_path / 'a.map', model, places, None, script)
    answers = [recognizer.recognize(image, -1) for image in pictures(2)]
    recognizer.close()
    return answers
