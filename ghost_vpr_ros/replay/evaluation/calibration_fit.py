"""Probabilities and a threshold from judged answers, and how well they hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from ghost_vpr_ros.core.errors import CalibrationError
from ghost_vpr_ros.core.probability.likelihood import logistic

ECE_BINS = 10
"""Bins of equal width, as the reliability diagrams of Guo et al. 2017."""

MIN_ACCEPTED = 10
"""Least number of accepted answers for a precision."""

_WILSON_Z = 1.6449
_GRADIENT_TOLERANCE = 1e-9
_SIMULATIONS = 200


@dataclass(frozen=True)
class OperatingPoint:
    """What is accepted at a threshold.

    Attributes:
        threshold: the least accepted probability.
        precision: weighted share of right answers among the accepted.
        precision_lower_bound: one-sided 95 % Wilson bound of it.
        num_accepted: accepted answers, each counted once.
    """

    threshold: float
    precision: float
    precision_lower_bound: float
    num_accepted: int


@dataclass(frozen=True)
class ReliabilityBins:
    """Stated against observed: the bars of a reliability diagram.

    Attributes:
        edges: (B + 1,) bounds of the bins, 0 to 1.
        stated: (B,) mean probability in each bin; NaN where it is empty.
        observed: (B,) share of right answers in each bin; NaN where it is empty.
        share: (B,) weight of each bin; their sum is 1.
        count: (B,) int64 answers in each bin.
    """

    edges: NDArray[np.float64]
    stated: NDArray[np.float64]
    observed: NDArray[np.float64]
    share: NDArray[np.float64]
    count: NDArray[np.int64]


def fit_margin_logistic(
    margins: NDArray[np.float64],
    is_right: NDArray[np.bool_],
    weights: NDArray[np.float64] | None = None,
) -> tuple[float, float]:
    """Slope and intercept of the logistic function that makes the examples most likely.

    Platt 1999, "Probabilistic outputs for support vector machines", with its smoothed targets
    (N+ + 1) / (N+ + 2) and 1 / (N- + 2), which keep the fit finite where no margin is shared.

    Args:
        margins: (n,) finite.
        is_right: (n,).
        weights: (n,) weight of each example; 1 where not given.

    Raises:
        CalibrationError: only right or only wrong examples, or right ones do not have the larger
            margins.
    """
    weights = np.ones(len(margins)) if weights is None else weights
    if is_right.all() or not is_right.any():
        raise CalibrationError('expected right and wrong examples, found only one kind')
    right, wrong = float(weights[is_right].sum()), float(weights[~is_right].sum())
    targets = np.where(is_right, (right + 1.0) / (right + 2.0), 1.0 / (wrong + 2.0))
    inputs = np.stack([margins, np.ones(len(margins))], axis=1)
    start = np.array([0.0, np.log((right + 1.0) / (wrong + 1.0))])
    slope, intercept = map(float, most_likely(inputs, targets, weights, start))
    if slope <= 0.0:
        raise CalibrationError(
            'right matches do not have larger margins than wrong ones on this drive: nothing to '
            'calibrate by; check the positions of drive and map'
        )
    return slope, intercept


def most_likely(
    inputs: NDArray[np.float64],
    targets: NDArray[np.float64],
    weights: NDArray[np.float64],
    start: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(2,) parameters of the least weighted cross-entropy, by Newton's method.

    Args:
        inputs: (n, 2) of the examples.
        targets: (n,) probabilities that they should have.
        weights: (n,) of the examples.
        start: (2,) where the search begins.
    """

    def loss(parameters: NDArray[np.float64]) -> float:
        value = inputs @ parameters
        return float((weights * (np.logaddexp(0.0, value) - targets * value)).sum())

    def gradient(parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        return inputs.T @ (weights * (logistic(inputs @ parameters) - targets))

    def hessian(parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        probability = logistic(inputs @ parameters)
        curvature = weights * probability * (1.0 - probability)
        return inputs.T @ (curvature[:, np.newaxis] * inputs)

    options = {'gtol': _GRADIENT_TOLERANCE, 'initial_trust_radius': 10.0, 'max_trust_radius': 1e4}
    found = minimize(
        loss, start, jac=gradient, hess=hessian, method='trust-exact', options=options
    )
    return np.asarray(found.x)


def threshold_for(
    probabilities: NDArray[np.float64],
    is_right: NDArray[np.bool_],
    precision: float,
    weights: NDArray[np.float64] | None = None,
    *,
    by_lower_bound: bool = False,
    min_accepted: int = MIN_ACCEPTED,
) -> OperatingPoint:
    """The lowest threshold whose accepted answers have at least this precision.

    Judged by the share that was observed; or, stricter, by its one-sided 95 % Wilson bound, which
    takes many answers: 99 % needs 268 of 268 right.

    Args:
        probabilities: (n,) final probabilities; NaN is never accepted.
        is_right: (n,).
        precision: 0 to 1.
        weights: (n,) weight of each answer; 1 where not given.
        by_lower_bound: judge by the bound.
        min_accepted: thresholds that accept fewer answers are not considered.

    Raises:
        CalibrationError: no threshold reaches it; the message states the best precision.
    """
    falling = np.unique(probabilities[~np.isnan(probabilities)])[::-1]
    points = [operating_point(probabilities, is_right, float(p), weights) for p in falling]
    points = [point for point in points if point.num_accepted >= min_accepted]
    judged = [p.precision_lower_bound if by_lower_bound else p.precision for p in points]
    reached = [point for point, value in zip(points, judged, strict=True) if value >= precision]
    if reached:
        return reached[-1]
    kind = 'lower bound of the precision' if by_lower_bound else 'precision'
    found = 'too few answers'
    if points:
        best = int(np.argmax(judged))
        found = (
            f'at best {100 * judged[best]:.1f} % ({points[best].num_accepted} answers from '
            f'probability {points[best].threshold:.3f})'
        )
    raise CalibrationError(
        f'expected a {kind} of {100 * precision:g} % among at least {min_accepted} accepted '
        f'answers, found {found}; calibrate on a longer drive or on more drives; a lower '
        '--precision allows wrong closures into a SLAM system'
    )


def operating_point(
    probabilities: NDArray[np.float64],
    is_right: NDArray[np.bool_],
    threshold: float,
    weights: NDArray[np.float64] | None = None,
) -> OperatingPoint:
    """What is accepted at a threshold; precision and bound are NaN where nothing is."""
    weights = np.ones(len(probabilities)) if weights is None else weights
    kept = probabilities >= threshold
    if not kept.any():
        return OperatingPoint(threshold, float('nan'), float('nan'), 0)
    weight = weights[kept]
    share = float((weight * is_right[kept]).sum() / weight.sum())
    # Kish 1965: effective number of equally weighted answers.
    size = float(weight.sum() ** 2 / (weight**2).sum())
    return OperatingPoint(threshold, share, wilson_lower_bound(share, size), int(kept.sum()))


def wilson_lower_bound(share: float, count: float) -> float:
    """One-sided 95 % lower bound of a share observed on `count` answers (Wilson 1927)."""
    square = _WILSON_Z**2 / count
    spread = _WILSON_Z * np.sqrt(share * (1.0 - share) / count + square / (4.0 * count))
    return float(max(0.0, (share + 0.5 * square - spread) / (1.0 + square)))


def expected_calibration_error(
    probabilities: NDArray[np.float64],
    is_right: NDArray[np.bool_],
    weights: NDArray[np.float64] | None = None,
) -> float:
    """Mean |stated - observed| over 10 bins of equal width, by their weight (Guo et al. 2017).

    NaN without any known probability.
    """
    bins = reliability_bins(probabilities, is_right, weights)
    if not bins.count.any():
        return float('nan')
    return float(np.nansum(bins.share * np.abs(bins.stated - bins.observed)))


def error_if_perfect(
    probabilities: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> float:
    """The calibration error that perfect probabilities (n,) show by chance on so few answers.

    The mean over simulated outcomes, the same in every run; it falls with the root of n, and an
    error of this size is no sign of a fault.
    """
    generator = np.random.default_rng(0)
    rounds = [
        expected_calibration_error(
            probabilities, generator.random(len(probabilities)) < probabilities, weights
        )
        for _ in range(_SIMULATIONS)
    ]
    return float(np.mean(rounds))


def reliability_bins(
    probabilities: NDArray[np.float64],
    is_right: NDArray[np.bool_],
    weights: NDArray[np.float64] | None = None,
) -> ReliabilityBins:
    """Answers (n,) by their probability in `ECE_BINS` bins; NaN is left out, 1 is in the last."""
    weights = np.ones(len(probabilities)) if weights is None else weights
    known = ~np.isnan(probabilities)
    stated, right, weight = probabilities[known], is_right[known], weights[known]
    number = np.minimum((stated * ECE_BINS).astype(np.int64), ECE_BINS - 1)

    def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(number, values, minlength=ECE_BINS).astype(np.float64)

    mass = total(weight)
    filled = np.where(mass > 0.0, mass, np.nan)
    return ReliabilityBins(
        np.linspace(0.0, 1.0, ECE_BINS + 1),
        total(weight * stated) / filled,
        total(weight * right) / filled,
        mass / max(float(mass.sum()), np.finfo(float).tiny),
        np.bincount(number, minlength=ECE_BINS),
    )
