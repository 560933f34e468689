"""A street whose descriptors are given, calibrated on a drive that loses its sight slowly."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.errors import CalibrationError, SourceError
from ghost_vpr_ros.core.recognition.odometry import StampedMemory
from ghost_vpr_ros.replay.calibration.calibrator import (
    calibrate,
    check,
    query_all,
)
from ghost_vpr_ros.replay.calibration.judged_drive import Elsewhere, judged_drive, query_drive
from ghost_vpr_ros.replay.calibration.report import write_calibration_report
from ghost_vpr_ros.replay.config import CalibrationConfig
from ghost_vpr_ros.replay.evaluation.calibration_fit import expected_calibration_error
from ghost_vpr_ros.replay.evaluation.replayer import replay
from test.core.calibrations import calibration
from test.core.model.tiny_model import tiny_model
from test.replay.drives import drive_along, drive_frames, street, street_recognizer

PLACES = 120
RADIUS_M = 25.0


@pytest.fixture(scope='module')
def model():
    return tiny_model()


@pytest.fixture
def asked(model, tmp_path):
    """Function (blur) -> drive and recogniser of a street of 120 places."""

    def make(blur=2.5, mapped=PLACES):
        places = street(PLACES)
        recognizer = street_recognizer(
            tmp_path / 'street.map', model, places[:mapped], drive_along(places, blur)
        )
        return judged_drive(drive_frames(PLACES), recognizer.place_map, RADIUS_M), recognizer

    return make


def learn(drive, recognizer, **config):
    settings = CalibrationConfig(**config)
    return calibrate([(drive, recognizer)], settings, RADIUS_M, 'second drive')


def test_probabilities_hold_on_another_drive(asked, model, tmp_path):
    learned = learn(*asked()).calibration
    places = street(PLACES, seed=7)
    again = street_recognizer(
        tmp_path / 'other.map', model, places, drive_along(places, 2.5, seed=8)
    )
    after = check(judged_drive(drive_frames(PLACES), again.place_map, RADIUS_M), again, learned)
    error = expected_calibration_error(
        after.after.column('probability'), after.after.flags('is_right'), after.after.weights
    )
    assert error < 0.1
    assert after.calibration is learned


def test_the_threshold_reaches_the_stated_precision_and_counts_agree(asked):
    run = learn(*asked(), precision=0.95)
    learned, after = run.calibration, run.after
    accepted = after.column('probability') >= learned.min_probability
    right = after.flags('is_right')
    weights = after.weights
    assert learned.achieved_precision == pytest.approx(
        (weights * right)[accepted].sum() / weights[accepted].sum()
    )
    assert learned.achieved_precision >= 0.95
    assert learned.num_accepted == accepted.sum()
    assert learned.achieved_recall == pytest.approx((accepted & right).sum() / PLACES)
    assert learned.num_right == right.sum() > 20
    assert learned.num_right + learned.num_wrong == 2 * PLACES


def test_two_drives_together_teach_one_calibration_of_all_their_frames(model, tmp_path):
    asked = []
    for seed in (0, 7):
        places = street(PLACES, seed=seed)
        path, script = tmp_path / f'{seed}.map', drive_along(places, 2.5, seed=seed + 1)
        recognizer = street_recognizer(path, model, places, script)
        drive = judged_drive(drive_frames(PLACES), recognizer.place_map, RADIUS_M)
        asked.append((drive, recognizer))
    run = calibrate(asked, CalibrationConfig(), RADIUS_M, 'two drives')
    learned = run.calibration
    assert learned.num_frames == 2 * PLACES
    assert learned.num_right + learned.num_wrong == len(run.after.answers) == 4 * PLACES
    assert [recognizer.calibration for _, recognizer in asked] == [learned, learned]
    alone = [learn(*each).calibration.slope for each in asked]
    assert min(alone) < learned.slope < max(alone)


@pytest.mark.parametrize('set_back_from', [PLACES, PLACES // 2])
def test_the_filter_gets_the_odometry_of_the_drive(model, tmp_path, set_back_from):
    places = street(PLACES)
    recognizer = street_recognizer(
        tmp_path / 'street.map', model, places, drive_along(places, 2.5)
    )
    frames = drive_frames(PLACES, seconds_apart=8.0)
    frames[set_back_from:] = [
        replace(frame, stamp_ns=first.stamp_ns)
        for frame, first in zip(frames[set_back_from:], frames, strict=False)
    ]
    known = StampedMemory()
    for number, frame in enumerate(frames):
        east_m = 40.0 * max(0, number - set_back_from)
        upright = np.array([0.0, 0.0, 0.0, 1.0])
        known.add(frame.stamp_ns, Pose(np.array([east_m, 0.0, 0.0]), upright))
    recognizer.use_calibration(calibration(model_hash=model.model_hash))
    told, untold = (
        query_drive(judged_drive(frames, recognizer.place_map, RADIUS_M, odometry), recognizer)
        for odometry in (known, None)
    )
    replayed = replay(frames, recognizer, known)
    best = [answer.hypothesis.candidates[0].probability for answer in replayed]
    assert [answer.probability for answer in told] == best
    assert [answer.probability for answer in untold] != best


def test_the_recogniser_is_left_with_what_was_learned_and_the_map_as_it_was(asked):
    drive, recognizer = asked()
    learned = learn(drive, recognizer).calibration
    assert recognizer.calibration == learned
    assert recognizer.place_map.calibration is None


def test_hidden_places_are_never_right_and_have_the_stated_weight(asked):
    answers = query_all(*asked(blur=0.2), unknown_share=0.2)
    hidden = answers.flags('is_hidden')
    assert hidden.sum() == PLACES
    assert answers.flags('is_right')[~hidden].all()
    assert not answers.flags('is_right')[hidden].any()
    assert answers.weights[hidden].sum() / answers.weights.sum() == pytest.approx(0.2)


def test_a_drive_elsewhere_is_asked_in_place_of_hidden_places(asked):
    drive, recognizer = asked(blur=0.2, mapped=90)
    frames = drive.frames
    known = judged_drive(frames[:90], recognizer.place_map, RADIUS_M)
    elsewhere = replace(known, elsewhere=Elsewhere(frames[90:]))
    answers = query_all(elsewhere, recognizer, unknown_share=0.2)
    hidden = answers.flags('is_hidden')
    assert [each.image for each in answers.answers] == [frame.name for frame in frames]
    assert hidden.tolist() == [False] * 90 + [True] * 30
    assert not answers.flags('is_right')[hidden].any()
    assert answers.weights[hidden].sum() / answers.weights.sum() == pytest.approx(0.2)
    alone = query_drive(drive, recognizer)
    margins = [each.margin for each in alone]
    np.testing.assert_array_equal(answers.column('margin'), margins)


def test_places_that_the_map_lacks_are_wrong_and_not_hidden_again(asked):
    drive, recognizer = asked(blur=0.2, mapped=90)
    seen = query_drive(drive, recognizer)
    assert [answer.is_right for answer in seen] == [True] * 90 + [False] * 30
    assert [answer.has_place for answer in seen] == [True] * 90 + [False] * 30
    assert len(query_drive(drive, recognizer, is_hidden=True)) == 90


def test_each_pass_over_a_drive_starts_over(model, tmp_path):
    places = street(PLACES)
    recognizer = street_recognizer(
        tmp_path / 'street.map', model, places, drive_along(places, 2.5)
    )
    frames = drive_frames(PLACES, seconds_apart=8.0)
    drive = judged_drive(frames, recognizer.place_map, RADIUS_M)
    learn(drive, recognizer)
    first = query_drive(drive, recognizer)
    assert query_drive(drive, recognizer) == first
    recognizer.config = replace(recognizer.config, temporal='none')
    alone = query_drive(drive, recognizer)
    right, right_alone = (sum(answer.is_right for answer in each) for each in (first, alone))
    assert right > right_alone


def test_without_hidden_places_a_good_drive_has_too_few_wrong_matches(asked):
    with pytest.raises(CalibrationError, match='found 120 right and 0 wrong'):
        learn(*asked(blur=0.2), unknown_share=0.0)


def test_a_blind_drive_has_too_few_right_matches(asked):
    with pytest.raises(CalibrationError, match=r'at least 20 right and 20 wrong'):
        learn(*asked(blur=500.0))


def test_the_images_of_the_map_are_refused(model, tmp_path):
    places = street(PLACES)
    recognizer = street_recognizer(tmp_path / 'own.map', model, places, places)
    drive = judged_drive(drive_frames(PLACES), recognizer.place_map, RADIUS_M)
    with pytest.raises(SourceError, match='found 120 of 120 that are'):
        learn(drive, recognizer)


def test_a_precision_out_of_reach_is_refused_and_states_the_best(asked):
    with pytest.raises(
        CalibrationError, match=r'lower bound of the precision of 99\.9 %.*at best'
    ):
        learn(*asked(), precision=0.999, by_lower_bound=True)


def test_the_files_hold_what_was_found(asked, tmp_path):
    run = learn(*asked())
    folder = tmp_path / 'report'
    folder.mkdir()
    figures = write_calibration_report(run, {'map': 'street'}, 'street', folder)
    stored = json.loads((folder / 'calibration.json').read_text())
    assert stored['ece_after'] == figures['ece_after']
    assert stored['calibration']['slope'] == run.calibration.slope
    with (folder / 'per_frame.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * PLACES
    found = [float(row['probability']) for row in rows]
    np.testing.assert_allclose(found, run.after.column('probability'), atol=1e-5)
    assert (folder / 'reliability.png').read_bytes().startswith(b'\x89PNG')


def test_a_checked_calibration_of_its_own_is_used_as_given(asked, model):
    given = calibration(model_hash=model.model_hash, unknown_share=0.0)
    run = check(*asked(), given)
    np.testing.assert_allclose(
        run.after.column('probability'), given.probability(run.after.column('margin'))
    )
    assert len(run.after.answers) == PLACES
