"""Figures of `benchmarks/closures.py`, computed from arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.replay.evaluation.calibration_fit import (
    error_if_perfect,
    expected_calibration_error,
    wilson_lower_bound,
)

CHAIN = ('search', 'decide')
"""Stages from descriptor to answer, without verification."""


@dataclass(frozen=True)
class Outcome:
    """Results of the Q frames of one drive, or of several joined drives.

    Attributes:
        accepted: (Q,) bool whether the answer was accepted.
        right: (Q,) bool whether the best candidate is the frame's place.
        has_place: (Q,) bool whether the map has the frame's place.
        probability: (Q,) of the best candidate; NaN without one.
        nees: (Q,) of the published position, per dimension; NaN if not accepted or unknown.
        stage_ms: milliseconds by stage, of the frames in which it ran.
        unknown: (U,) probabilities of the best candidates of a drive elsewhere.
        unknown_accepted: (U,) bool whether these were accepted.
    """

    accepted: NDArray[np.bool_]
    right: NDArray[np.bool_]
    has_place: NDArray[np.bool_]
    probability: NDArray[np.float64]
    nees: NDArray[np.float64]
    stage_ms: dict[str, list[float]]
    unknown: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    unknown_accepted: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))


def joined(parts: Sequence[Outcome]) -> Outcome:
    """The results of several drives joined into one."""
    columns = {
        each.name: np.concatenate([getattr(part, each.name) for part in parts])
        for each in fields(Outcome)
        if each.name != 'stage_ms'
    }
    stages = sorted({stage for part in parts for stage in part.stage_ms})
    times = {s: [ms for part in parts for ms in part.stage_ms.get(s, [])] for s in stages}
    return Outcome(**columns, stage_ms=times)


def nees_per_dimension(error_m: NDArray[np.float64], covariance: NDArray[np.float64]) -> float:
    """Normalised estimation error squared e^T C^-1 e / d of an error (d,); expected value 1."""
    return float(error_m @ np.linalg.solve(covariance, error_m)) / len(error_m)


def precision_and_bound(right: int, accepted: int) -> tuple[float, float]:
    """Share of right answers among the accepted, and its one-sided 95 % Wilson bound."""
    if accepted == 0:
        return float('nan'), float('nan')
    return right / accepted, wilson_lower_bound(right / accepted, accepted)


def figures(outcome: Outcome, unknown_share: float) -> dict[str, Any]:
    """All figures of one variant; shares from 0 to 1, times in milliseconds, NaN if unknown."""
    accepted, good = outcome.accepted, outcome.accepted & outcome.right
    precision, bound = precision_and_bound(int(good.sum()), int(accepted.sum()))
    nees = outcome.nees[np.isfinite(outcome.nees)]
    of_right = outcome.nees[good & np.isfinite(outcome.nees)]
    return {
        'frames': len(accepted),
        'with_place': int(outcome.has_place.sum()),
        'accepted': int(accepted.sum()),
        'wrong': int((accepted & ~outcome.right).sum()),
        'accepted_share': float(accepted.mean()),
        'precision': precision,
        'precision_lower_bound': bound,
        'elsewhere_share': _mean(outcome.unknown_accepted),
        'recall': _mean(good[outcome.has_place]),
        'recall_at_1': _mean(outcome.right[outcome.has_place]),
        **calibration_errors(outcome, unknown_share),
        'nees_mean': _mean(nees),
        'nees_median': _median(nees),
        'nees_mean_of_right': _mean(of_right),
        'chain_ms': _median(_chain_ms(outcome.stage_ms)),
        'verify_ms': _median(np.array(outcome.stage_ms.get('verify', []))),
        'verified': len(outcome.stage_ms.get('verify', [])),
    }


def calibration_errors(outcome: Outcome, unknown_share: float) -> dict[str, float]:
    """ECE of the drive, and with a drive elsewhere weighted to `unknown_share`."""
    stated, right, weights = reliability_examples(outcome, unknown_share)
    known = np.isfinite(outcome.probability)
    if not known.any():
        return {}
    return {
        'ece': expected_calibration_error(outcome.probability, outcome.right),
        'ece_if_perfect': error_if_perfect(outcome.probability[known]),
        'ece_with_unknown': expected_calibration_error(stated, right, weights),
    }


def reliability_examples(
    outcome: Outcome, unknown_share: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    """Probability, correctness and weight of each frame, including frames elsewhere."""
    seen, unknown = len(outcome.right), len(outcome.unknown)
    weight = unknown_share / (1.0 - unknown_share) * seen / max(1, unknown)
    return (
        np.concatenate([outcome.probability, outcome.unknown]),
        np.concatenate([outcome.right, np.zeros(unknown, bool)]),
        np.concatenate([np.ones(seen), np.full(unknown, weight)]),
    )


def _chain_ms(stage_ms: dict[str, list[float]]) -> NDArray[np.float64]:
    """Milliseconds of the stages in `CHAIN`, which run in the same frames."""
    return np.sum([stage_ms.get(stage, []) for stage in CHAIN], axis=0)


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float('nan')


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values)) if len(values) else float('nan')
