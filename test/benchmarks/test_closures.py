"""The figures and the kept files of the benchmark of accepted answers, on numbers made here."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.closure_answers import WrongAnswer, config_of
from benchmarks.closure_drives import (
    RememberingVerifier,
    descriptor_file,
    keep_descriptors,
    kept_descriptors,
)
from benchmarks.closure_figures import (
    Outcome,
    figures,
    joined,
    nees_per_dimension,
    precision_and_bound,
)
from benchmarks.closure_report import worst_of
from benchmarks.closure_variants import CALIBRATIONS, HEADLINE, MAP_ALONE, SOURCES, VARIANTS
from ghost_vpr_ros.core.datatypes import Candidate, Keyframe
from ghost_vpr_ros.core.verification.geometric import VerifiedCandidate
from ghost_vpr_ros.replay.descriptors.remembering_engine import RememberingEngine


def outcome(accepted, right, has_place, probability, unknown=(), nees=(), **stage_ms):
    return Outcome(
        np.array(accepted, bool),
        np.array(right, bool),
        np.array(has_place, bool),
        np.array(probability, float),
        np.array(nees or [np.nan] * len(accepted), float),
        stage_ms,
        np.array(unknown, float),
    )


def test_nees_counts_each_direction_by_its_own_deviation():
    # (2 m / 1 m)^2 + (6 m / 2 m)^2 = 13, over two dimensions.
    assert nees_per_dimension(np.array([2.0, 6.0]), np.diag([1.0, 4.0])) == pytest.approx(6.5)


def test_nees_takes_correlations_into_account():
    # The inverse of [[2, 1], [1, 2]] is [[2, -1], [-1, 2]] / 3; along (1, 1) it is 2 / 3.
    covariance = np.array([[2.0, 1.0], [1.0, 2.0]])
    assert nees_per_dimension(np.ones(2), covariance) == pytest.approx(1.0 / 3.0)


def test_the_bound_of_a_precision_is_wilsons():
    # All of n right: n / (n + z^2), z = 1.6449.
    share, bound = precision_and_bound(100, 100)
    assert share == 1.0
    assert bound == pytest.approx(100.0 / (100.0 + 1.6449**2))


def test_nothing_accepted_has_no_precision():
    assert np.isnan(precision_and_bound(0, 0)).all()


def test_recall_counts_only_frames_whose_place_the_map_holds():
    found = figures(outcome([1, 1, 0, 1], [1, 0, 1, 0], [1, 1, 1, 0], [0.9, 0.9, 0.1, 0.9]), 0.2)
    assert found['recall'] == pytest.approx(1.0 / 3.0)
    assert found['precision'] == pytest.approx(1.0 / 3.0)
    assert (found['accepted'], found['wrong'], found['with_place']) == (3, 2, 3)


def test_unknown_places_count_as_their_share_in_the_calibration_error():
    found = figures(outcome([0] * 4, [1] * 4, [1] * 4, [1.0] * 4, unknown=[1.0, 1.0]), 0.2)
    assert found['ece'] == pytest.approx(0.0)
    assert found['ece_with_unknown'] == pytest.approx(0.2)


def test_the_chain_is_search_and_decision_of_each_frame():
    times = {'search': [1.0, 2.0, 9.0], 'decide': [1.0, 1.0, 1.0], 'describe': [50.0] * 3}
    found = figures(outcome([0] * 3, [0] * 3, [0] * 3, [0.1] * 3, **times), 0.2)
    assert found['chain_ms'] == pytest.approx(3.0)


def test_nees_is_that_of_accepted_answers_alone():
    nees = [1.0, 4.0, np.nan]
    found = figures(outcome([1, 1, 0], [1, 0, 1], [1, 1, 1], [0.9] * 3, nees=nees), 0.2)
    assert found['nees_mean'] == pytest.approx(2.5)
    assert found['nees_mean_of_right'] == pytest.approx(1.0)


def test_what_is_accepted_elsewhere_is_counted_apart():
    one = replace(outcome([1], [1], [1], [0.9]), unknown_accepted=np.array([1, 0, 0, 0], bool))
    found = figures(one, 0.2)
    assert found['elsewhere_share'] == pytest.approx(0.25)
    assert found['precision'] == 1.0


def test_drives_are_joined_frame_by_frame():
    one = outcome([1], [1], [1], [0.9], unknown=[0.1], search=[1.0])
    other = outcome([0, 0], [0, 1], [1, 1], [0.2, 0.3], search=[2.0, 3.0])
    both = joined([one, other])
    assert both.accepted.tolist() == [True, False, False]
    assert both.stage_ms == {'search': [1.0, 2.0, 3.0]}
    assert both.unknown.tolist() == [0.1]


def test_descriptors_of_other_weights_or_sources_are_kept_apart():
    kept = {
        descriptor_file(Path('work'), source, weights)
        for source in ('town0', 'town1')
        for weights in ('ab' * 32, 'cd' * 32)
    }
    assert len(kept) == 4


class CountingEngine:
    """Describes inputs by their mean; counts how often."""

    name, model_hash, descriptor_dim = 'counting', 'ab' * 32, 2

    def __init__(self):
        self.count = 0

    def describe(self, batch):
        self.count += 1
        return np.full((1, 2), batch.mean(), np.float32)

    def close(self):
        pass


def test_descriptors_that_were_kept_are_not_computed_again(tmp_path):
    batches = [np.full((1, 3, 2, 2), value, np.float32) for value in (1.0, 2.0)]
    path = tmp_path / 'new' / 'kept.npz'
    first = RememberingEngine(CountingEngine())
    told = [first.describe(batch) for batch in batches]
    for key, row in first.known.items():
        keep_descriptors(path, {key: row})
    inner = CountingEngine()
    again = RememberingEngine(inner)
    again.known.update(kept_descriptors(path))
    for batch, descriptor in zip(batches, told, strict=True):
        np.testing.assert_array_equal(again.describe(batch), descriptor)
    assert inner.count == 0


class CountingVerifier:
    """Finds as many inliers as the keyframe's id says; remembers the keyframes of its calls."""

    def __init__(self):
        self.asked = []

    def verify(self, image, candidates, rival=None):
        self.asked += [each.keyframe.keyframe_id for each in candidates]
        return [
            VerifiedCandidate(Candidate(c.keyframe, 0.0, 0.0, inliers=c.keyframe.keyframe_id))
            for c in candidates
        ]


def candidates(*ids, probability):
    return [Candidate(Keyframe(i, 'map', 0, str(i)), 0.5, probability) for i in ids]


def test_a_pair_is_verified_once_and_keeps_the_new_probability():
    inner = CountingVerifier()
    verifier = RememberingVerifier(inner, {})
    image = np.zeros((4, 4, 3), np.uint8)
    verifier.verify(image, candidates(1, 2, 3, 4, probability=0.2))
    found = verifier.verify(image, candidates(2, 5, 1, 3, probability=0.7))
    assert inner.asked == [1, 2, 3, 5]
    assert [item.candidate.inliers for item in found] == [2, 5, 1, -1]
    assert {item.candidate.probability for item in found} == {0.7}


def test_the_rival_is_verified_too():
    inner = CountingVerifier()
    image = np.zeros((4, 4, 3), np.uint8)
    five = candidates(1, 2, 3, 4, 5, probability=0.7)
    found = RememberingVerifier(inner, {}).verify(image, five, 4)
    assert inner.asked == [1, 2, 3, 5]
    assert [item.candidate.inliers for item in found] == [1, 2, 3, -1, 5]


def test_another_image_is_another_pair():
    inner = CountingVerifier()
    verifier = RememberingVerifier(inner, {})
    for grey in (0, 9):
        verifier.verify(np.full((4, 4, 3), grey, np.uint8), candidates(1, probability=0.2))
    assert inner.asked == [1, 1]


def test_every_variant_is_a_configuration_and_every_calibration_has_sources():
    assert [config_of(name).to_dict() for name in VARIANTS]
    assert HEADLINE in VARIANTS
    names = {name for each in CALIBRATIONS.values() for name in each} - {MAP_ALONE}
    assert names <= set(SOURCES)


def wrong_answer(query, probability):
    return WrongAnswer('walk', query, 'map/1', 3.0, 'frames', probability, 0.5, 0.5, 0.1, -1, ())


def test_the_sheet_shows_each_query_once_the_surest_first():
    found = worst_of([wrong_answer('a', 0.7), wrong_answer('b', 0.8), wrong_answer('a', 0.9)])
    assert [(each.query, each.probability) for each in found] == [('a', 0.9), ('b', 0.8)]
