"""Whether a paper's "A finds more than B" holds in our rows, given seeds and queries."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONFIRMED, REFUTED, OPEN = 'confirmed', 'refuted', 'no difference'
_ERRORS = 2.0
"""A difference counts beyond so many standard errors."""


@dataclass(frozen=True)
class Verdict:
    """One comparison by one protocol.

    Attributes:
        better: row that the paper puts first.
        worse: the other one.
        protocol: its name.
        difference: of recall@1 in points, positive where the paper is right.
        error: its standard error in points.
    """

    better: str
    worse: str
    protocol: str
    difference: float
    error: float

    @property
    def text(self) -> str:
        """`confirmed`, `refuted`, or `no difference` where it is within the noise."""
        if abs(self.difference) <= _ERRORS * self.error:
            return OPEN
        return CONFIRMED if self.difference > 0 else REFUTED


def verdicts(
    claims: Sequence[tuple[str, str]], results: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[Verdict]:
    """A verdict for each claim and protocol whose two rows have been run.

    Args:
        claims: pairs of rows, the better one first.
        results: by row, one result for each seed, as `row_runs.result_of` gives them.
    """
    found = []
    for better, worse in claims:
        if better in results and worse in results:
            protocols = dict.fromkeys(row['protocol'] for row in results[better][0]['rows'])
            found += [_verdict(better, worse, each, results) for each in protocols]
    return found


def _verdict(
    better: str, worse: str, protocol: str, results: Mapping[str, Sequence[Mapping[str, Any]]]
) -> Verdict:
    first, second = (_hits(results[row], protocol) for row in (better, worse))
    difference = 100.0 * float(first.mean() - second.mean())
    return Verdict(better, worse, protocol, difference, 100.0 * difference_error(first, second))


def _hits(results: Sequence[Mapping[str, Any]], protocol: str) -> NDArray[np.float64]:
    """(seeds, queries) whether the first answer is right, at the largest size of descriptor."""
    hits = []
    for result in results:
        rows = [row for row in result['rows'] if row['protocol'] == protocol]
        largest = max(rows, key=lambda row: int(row['descriptor_dim']))
        hits.append(largest['right_at_1'])
    return np.array(hits, np.float64)


def difference_error(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Standard error of the difference of two shares, from seeds and from queries.

    Seeds: variance of the rows' means over their number. Queries: both rows answer the same ones,
    so the variance is that of the differences by query.

    Args:
        first: (S, Q) 0 or 1.
        second: (T, Q) likewise, of the same queries.
    """
    seeds = sum(
        float(np.var(each.mean(axis=1), ddof=1)) / len(each)
        for each in (first, second)
        if len(each) > 1
    )
    by_query = first.mean(axis=0) - second.mean(axis=0)
    queries = float(np.var(by_query, ddof=1)) / len(by_query) if len(by_query) > 1 else 0.0
    return math.sqrt(seeds + queries)
