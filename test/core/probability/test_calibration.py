"""A calibration as text, its refusals, and which threshold decides."""

import json
import math

import numpy as np
import pytest

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.errors import CalibrationError
from ghost_vpr_ros.core.probability.calibration import Calibration
from ghost_vpr_ros.core.recognition.decision import decision_config
from test.core.calibrations import calibration


def test_a_calibration_survives_as_json():
    learned = calibration(min_probability=0.1 + 0.2, learnt_on='Straße 7')
    assert Calibration.from_json(learned.to_json()) == learned


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'schema': 2}, 'schema: expected 1, as this version reads, found 2'),
        ({'slope': 'steep'}, "slope: expected a value of type float, found 'steep'"),
        ({'slope': -1.0}, 'slope: expected a positive number, found -1.0'),
        ({'num_right': 1.5}, 'num_right: expected a value of type int, found 1.5'),
        ({'min_probability': 1.5}, 'min_probability: expected a number from 0 to 1, found 1.5'),
        ({'intercept': math.nan}, 'intercept: expected a finite number, found nan'),
        ({'slope': math.inf}, 'slope: expected a finite number, found inf'),
        ({'right_similarity': math.nan}, 'right_similarity: expected a finite number'),
        ({'right_similarity': 2.0}, 'right_similarity: expected a number from -1 to 1'),
        ({'group_radius_m': math.nan}, 'group_radius_m: expected a finite number'),
        ({'group_radius_m': 0.0}, 'group_radius_m: expected a positive number'),
        ({'positive_distance_m': -math.inf}, 'positive_distance_m: expected a finite number'),
        ({'num_frames': -1}, 'num_frames: expected a number from 0 up'),
        ({'slope': 10**400}, 'slope: expected a number that a double can hold'),
        ({'colour': 'red'}, 'missing or unknown colour'),
    ],
)
def test_a_bad_value_is_named(change, words):
    text = json.dumps({**json.loads(calibration().to_json()), **change})
    with pytest.raises(CalibrationError, match=words):
        Calibration.from_json(text)


def test_a_missing_value_is_named():
    values = json.loads(calibration().to_json())
    del values['intercept']
    with pytest.raises(CalibrationError, match='missing or unknown intercept'):
        Calibration.from_json(json.dumps(values))


@pytest.mark.parametrize('text', ['', '{', '[1]', '"words"', '[' * 100_000, '9' * 5000])
def test_what_is_no_object_is_refused(text):
    with pytest.raises(CalibrationError, match='calibrate again'):
        Calibration.from_json(text)


def test_the_probability_is_logistic_in_the_margin():
    found = calibration().probability(np.array([0.1, 0.2, -1e6, 1e6, np.nan]))
    expected = [0.5, 1.0 / (1.0 + math.exp(-2.0)), 0.0, 1.0, math.nan]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize(
    ('chosen', 'tentative', 'learned', 'decides'),
    [
        (0.0, 0.5, 0.8, (0.8, 0.5)),
        (0.0, 0.5, 0.97, (0.97, 0.5)),
        (0.0, 0.5, 0.3, (0.3, 0.3)),
        (0.9, 0.5, 0.8, (0.9, 0.5)),
        (0.95, 0.5, 0.8, (0.95, 0.5)),
        (0.7, 0.6, 0.8, (0.7, 0.6)),
    ],
)
def test_the_learned_threshold_decides_unless_another_was_chosen(
    chosen, tentative, learned, decides
):
    config = RecognizerConfig(min_probability=chosen, tentative_probability=tentative)
    found = decision_config(config, calibration(min_probability=learned))
    assert (found.min_probability, found.tentative_probability) == decides


def test_without_a_calibration_the_configuration_decides():
    assert decision_config(RecognizerConfig(), None) == RecognizerConfig(min_probability=0.9)
    strict = RecognizerConfig(min_probability=0.95)
    assert decision_config(strict, None) == strict
