"""Figures of merit of place recognition: recall@N, precision-recall, latency percentiles.

Queries without any positive are never dropped or counted in silence. Recall is a share of the
queries that have a positive; precision counts every answered query, so an answer for a place that
the database does not hold is a false one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RECALL_RANKS = (1, 5, 10, 20, 25)
"""The N of recall@N that every evaluation reports; the papers' tables and curves end at 25."""


@dataclass(frozen=True)
class PrecisionRecall:
    """Precision and recall of the best candidates as the similarity threshold falls.

    Attributes:
        threshold: (T,) float64, descending; every answer at or above it is given.
        precision: (T,) share of the given answers that are right, 0 to 1.
        recall: (T,) share of the queries with positives that are answered rightly, 0 to 1.
    """

    threshold: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]

    @property
    def average_precision(self) -> float:
        """Precision summed over the steps of recall, 0 to 1; NaN without a query to answer."""
        if np.isnan(self.recall).any():
            return float('nan')
        steps = np.diff(self.recall, prepend=0.0)
        return float(np.sum(steps * self.precision))

    @property
    def recall_at_100_precision(self) -> float:
        """The largest recall without one false answer, 0 to 1; NaN without a query to answer."""
        if np.isnan(self.recall).any():
            return float('nan')
        return float(np.max(self.recall[self.precision == 1.0], initial=0.0))


def recall_at(
    correct: NDArray[np.bool_],
    has_positives: NDArray[np.bool_],
    ranks: Sequence[int] = RECALL_RANKS,
) -> dict[int, float]:
    """Percent of the queries with positives that have one among their first N candidates.

    Args:
        correct: (Q, k) bool, whether the candidate at each rank is a positive, best first.
        has_positives: (Q,) bool, whether the database holds a positive at all.
        ranks: the N; an N above k counts all k candidates.

    Returns:
        recall@N in percent by N; NaN where no query has a positive.
    """
    answerable = correct[has_positives]
    if not len(answerable):
        return {n: float('nan') for n in ranks}
    return {n: 100.0 * float(answerable[:, :n].any(axis=1).mean()) for n in ranks}


def precision_recall(
    similarity: NDArray[np.floating],
    correct: NDArray[np.bool_],
    num_with_positives: int,
) -> PrecisionRecall:
    """Precision and recall at every similarity that occurs among the best candidates.

    Args:
        similarity: (Q,) of the best candidate; NaN where a query has no candidate.
        correct: (Q,) bool, whether the best candidate is a positive.
        num_with_positives: queries that have a positive, the denominator of recall.

    Returns:
        One point for each distinct similarity; equal similarities are answered together. Recall
        is NaN where no query has a positive.
    """
    answered = ~np.isnan(similarity)
    order = np.argsort(-similarity[answered], kind='stable')
    ordered = similarity[answered][order].astype(np.float64)
    true_answers = np.cumsum(correct[answered][order])
    ends = np.flatnonzero(np.diff(ordered, append=-np.inf))
    found = true_answers[ends].astype(np.float64)
    recall = found / num_with_positives if num_with_positives else np.full(len(ends), np.nan)
    return PrecisionRecall(ordered[ends], found / (ends + 1), recall)


def latency_percentiles(stage_ms: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
    """Median and 95th percentile of each stage's milliseconds; stages without a sample left out.

    Args:
        stage_ms: milliseconds of each query by the stage's name.

    Returns:
        `{stage: {'p50': ms, 'p95': ms}}`, interpolated linearly between samples.
    """
    return {
        stage: {'p50': float(np.percentile(ms, 50)), 'p95': float(np.percentile(ms, 95))}
        for stage, ms in stage_ms.items()
        if len(ms)
    }
