"""Metrics against numbers worked by hand."""

import numpy as np
import pytest

from ghost_vpr_ros.replay.evaluation.metrics import (
    latency_percentiles,
    precision_recall,
    recall_at,
)


def test_recall_is_the_share_of_answerable_queries_found_by_each_rank():
    correct = np.array([[1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 1, 0]], bool)
    recall = recall_at(correct, np.ones(4, bool), ranks=(1, 2, 3))
    assert recall == {1: 25.0, 2: 50.0, 3: 75.0}


def test_recall_leaves_out_queries_without_positives():
    correct = np.array([[1, 0], [0, 0], [0, 0]], bool)
    assert recall_at(correct, np.array([True, True, False]), ranks=(1,)) == {1: 50.0}


def test_recall_beyond_the_candidates_counts_all_of_them():
    assert recall_at(np.array([[0, 1]], bool), np.array([True]), ranks=(20,)) == {20: 100.0}


def test_recall_without_any_answerable_query_is_nan():
    recall = recall_at(np.zeros((2, 3), bool), np.zeros(2, bool), ranks=(1,))
    assert np.isnan(recall[1])


def test_precision_recall_at_every_threshold():
    curve = precision_recall(
        np.array([0.7, 0.9, 0.8, 0.6]), np.array([False, True, True, True]), num_with_positives=4
    )
    np.testing.assert_allclose(curve.threshold, [0.9, 0.8, 0.7, 0.6])
    np.testing.assert_allclose(curve.precision, [1, 1, 2 / 3, 3 / 4])
    np.testing.assert_allclose(curve.recall, [1 / 4, 1 / 2, 1 / 2, 3 / 4])


def test_average_precision_sums_precision_over_the_steps_of_recall():
    curve = precision_recall(
        np.array([0.7, 0.9, 0.8, 0.6]), np.array([False, True, True, True]), num_with_positives=4
    )
    assert curve.average_precision == pytest.approx(0.25 * 1 + 0.25 * 1 + 0.25 * 0.75)
    assert curve.recall_at_100_precision == pytest.approx(0.5)


def test_answers_of_one_similarity_are_given_together():
    curve = precision_recall(np.array([0.5, 0.5]), np.array([True, False]), 2)
    np.testing.assert_allclose(curve.precision, [0.5])
    assert curve.recall_at_100_precision == 0.0


def test_an_answer_where_the_database_holds_no_positive_costs_precision():
    curve = precision_recall(np.array([0.9, 0.8]), np.array([False, True]), num_with_positives=1)
    np.testing.assert_allclose(curve.precision, [0.0, 0.5])
    assert curve.average_precision == pytest.approx(0.5)


def test_a_query_without_candidates_is_not_answered():
    curve = precision_recall(np.array([np.nan, 0.8]), np.array([False, True]), 2)
    np.testing.assert_allclose(curve.precision, [1.0])
    np.testing.assert_allclose(curve.recall, [0.5])


def test_no_answer_at_all_gives_an_empty_curve_and_zeros():
    curve = precision_recall(np.array([np.nan]), np.array([False]), 1)
    assert len(curve.threshold) == 0
    assert curve.average_precision == 0.0
    assert curve.recall_at_100_precision == 0.0


def test_no_query_to_answer_gives_nan_not_zero():
    curve = precision_recall(np.array([0.9]), np.array([False]), 0)
    assert np.isnan(curve.average_precision)
    assert np.isnan(curve.recall_at_100_precision)


def test_latency_percentiles_interpolate_between_samples():
    found = latency_percentiles({'search': [1.0, 2.0, 3.0, 4.0, 5.0], 'decide': []})
    assert found == {'search': {'p50': 3.0, 'p95': pytest.approx(4.8)}}
