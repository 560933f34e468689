"""Fit, threshold and calibration error against numbers worked by hand and searches by loops."""

import numpy as np
import pytest

from ghost_vpr_ros.core.errors import CalibrationError
from ghost_vpr_ros.core.probability.calibration import logistic
from ghost_vpr_ros.replay.evaluation.calibration_fit import (
    error_if_perfect,
    expected_calibration_error,
    fit_margin_logistic,
    operating_point,
    reliability_bins,
    threshold_for,
    wilson_lower_bound,
)


def drawn(count: int, slope: float = 25.0, intercept: float = -2.0, seed: int = 0):
    """Margins and outcomes that follow a logistic function."""
    rng = np.random.default_rng(seed)
    margins = rng.uniform(-0.05, 0.35, count)
    return margins, rng.random(count) < logistic(slope * margins + intercept)


def test_the_fit_finds_the_function_that_made_the_examples():
    slope, intercept = fit_margin_logistic(*drawn(50_000))
    assert slope == pytest.approx(25.0, rel=0.05)
    assert intercept == pytest.approx(-2.0, rel=0.05)


def test_no_parameters_near_by_fit_better():
    margins, right = drawn(60)
    num_right, num_wrong = right.sum(), (~right).sum()
    target = np.where(right, (num_right + 1) / (num_right + 2), 1 / (num_wrong + 2))

    def loss(slope, intercept):
        p = 1 / (1 + np.exp(-(slope * margins + intercept)))
        return -(target * np.log(p) + (1 - target) * np.log(1 - p)).sum()

    slope, intercept = fit_margin_logistic(margins, right)
    least = loss(slope, intercept)
    for step in (1e-3, 1e-1):
        for a, b in [(step, 0), (-step, 0), (0, step), (0, -step)]:
            assert loss(slope + a, intercept + b) > least


def test_margins_that_are_wholly_apart_give_a_finite_function():
    margins = np.array([0.0, 0.01, 0.02, 0.3, 0.31, 0.32])
    slope, intercept = fit_margin_logistic(margins, margins > 0.1)
    probability = logistic(slope * margins + intercept)
    np.testing.assert_allclose(probability, [0.2] * 3 + [0.8] * 3, atol=0.05)


def test_a_weight_counts_as_so_many_examples():
    margins, right = drawn(80)
    weights = np.where(np.arange(80) % 3 == 0, 3.0, 1.0)
    repeated = np.repeat(np.arange(80), weights.astype(int))
    np.testing.assert_allclose(
        fit_margin_logistic(margins, right, weights),
        fit_margin_logistic(margins[repeated], right[repeated]),
        rtol=1e-6,
    )


def test_examples_of_one_kind_teach_nothing():
    with pytest.raises(CalibrationError, match='only one kind'):
        fit_margin_logistic(np.array([0.1, 0.2]), np.array([True, True]))


def test_wrong_matches_with_larger_margins_are_refused():
    margins, right = drawn(200)
    with pytest.raises(CalibrationError, match='do not have larger margins'):
        fit_margin_logistic(margins, ~right)


@pytest.mark.parametrize('seed', range(5))
@pytest.mark.parametrize('precision', [0.6, 0.8, 0.9])
def test_the_threshold_is_the_lowest_that_reaches_the_precision(seed, precision):
    rng = np.random.default_rng(seed)
    probability = rng.random(80).round(2)
    right = rng.random(80) < np.maximum(probability, 0.3) ** 0.5
    right[probability > 0.8] = True
    reaching = [t for t in probability if right[probability >= t].mean() >= precision]
    found = threshold_for(probability, right, precision, min_accepted=1)
    kept = probability >= min(reaching)
    assert found.threshold == min(reaching)
    assert found.precision == pytest.approx(right[kept].mean())
    assert found.num_accepted == kept.sum()


def test_the_lower_bound_is_the_stricter_judge():
    probability = np.linspace(1.0, 0.0, 400)
    right = np.arange(400) < 300
    loose = threshold_for(probability, right, 0.99)
    strict = threshold_for(probability, right, 0.99, by_lower_bound=True)
    assert strict.threshold > loose.threshold
    assert strict.precision_lower_bound >= 0.99 > loose.precision_lower_bound


def test_a_precision_out_of_reach_names_the_best_one():
    probability = np.linspace(1.0, 0.0, 40)
    right = np.arange(40) % 10 != 0
    with pytest.raises(CalibrationError, match=r'at best 90\.0 % \(10 answers from prob'):
        threshold_for(probability, right, 0.95)


def test_a_precision_on_a_few_answers_is_not_believed():
    probability, right = np.linspace(1.0, 0.0, 40), np.arange(40) < 9
    with pytest.raises(CalibrationError, match='at least 10 accepted'):
        threshold_for(probability, right, 0.99)
    assert threshold_for(probability, right, 0.99, min_accepted=9).num_accepted == 9


def test_an_unknown_probability_is_never_accepted():
    probability = np.array([0.9, np.nan, 0.8, np.nan])
    right = np.array([True, False, True, False])
    assert threshold_for(probability, right, 1.0, min_accepted=1).num_accepted == 2


def test_weights_count_in_the_precision():
    point = operating_point(
        np.array([0.9, 0.8, 0.1]), np.array([True, False, False]), 0.5, np.array([1.0, 0.25, 1.0])
    )
    assert (point.precision, point.num_accepted) == (pytest.approx(0.8), 2)


def test_nothing_accepted_has_no_precision():
    point = operating_point(np.array([0.2]), np.array([True]), 0.5)
    assert np.isnan(point.precision)
    assert point.num_accepted == 0


def test_wilsons_bound_by_hand():
    # Nothing wrong among n: n / (n + z^2), z = 1.6449.
    assert wilson_lower_bound(1.0, 268) == pytest.approx(268 / (268 + 2.7057), abs=1e-5)
    # Half of 10: (0.5 + 0.135285 - 1.6449 * sqrt(0.025 + 0.00676425)) / 1.27057.
    assert wilson_lower_bound(0.5, 10) == pytest.approx(0.26926, abs=1e-4)
    assert wilson_lower_bound(0.0, 10) == pytest.approx(0.0, abs=1e-12)


def test_the_calibration_error_by_hand():
    # Bin 0.9-1: stated 0.95, observed 0.5, 4 of 5 answers; bin 0.2-0.3: 0.2 and 0, 1 of 5.
    probability = np.array([0.92, 0.94, 0.94, 1.0, 0.2])
    right = np.array([True, False, True, False, False])
    assert expected_calibration_error(probability, right) == pytest.approx(0.8 * 0.45 + 0.2 * 0.2)


def test_the_calibration_error_of_nothing_is_not_a_number():
    assert np.isnan(expected_calibration_error(np.array([np.nan]), np.array([False])))


def test_empty_bins_are_not_numbers_and_shares_add_up_to_one():
    bins = reliability_bins(
        np.array([0.05, 0.5, 1.0]), np.array([False, True, True]), np.array([1.0, 2.0, 1.0])
    )
    assert bins.count.tolist() == [1, 0, 0, 0, 0, 1, 0, 0, 0, 1]
    assert bins.share[[0, 5, 9]].tolist() == [0.25, 0.5, 0.25]
    assert np.isnan(bins.observed[1])


def test_chance_alone_makes_an_error_that_falls_with_more_answers():
    few, many = (error_if_perfect(np.linspace(0.0, 1.0, n)) for n in (50, 5000))
    assert 0.06 < few < 0.15
    assert many == pytest.approx(few / 10.0, rel=0.35)
