"""Test a paper's claims on our rows: paired bootstrap over queries and seeds, Holm's correction.

Both rows of a claim are measured on the same queries with the same seeds, so differences are taken
by query and seed before resampling.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONFIRMED, REFUTED, OPEN = 'confirmed', 'refuted', 'not decided'
NOT_TESTED = 'not tested'

PANEL = 'panel'
"""Name of the mean over the parts of a panel, each part being the mean of its protocols."""

LEVEL = 0.05
"""Family-wise error rate of the verdicts of a table."""

INTERVAL = (2.5, 97.5)
"""Bootstrap percentiles of the 95 % interval, which is not corrected."""

DRAWS = 20_000

Results = Mapping[str, Sequence[Mapping[str, Any]]]
"""Row -> one result for each seed, from `row_runs.result_of`."""


@dataclass(frozen=True)
class Verdict:
    """One comparison of two rows by one protocol.

    Attributes:
        better: row with the higher recall according to the paper.
        worse: the other row.
        protocol: its name, or `PANEL`.
        difference: of recall@1 in points, positive if it agrees with the paper.
        low: lower bound of its 95 % interval.
        high: upper bound.
        p: two-sided, corrected for the other verdicts of the table; NaN if not tested.
        text: `confirmed`, `refuted`, `not decided` or `not tested`.
        reason: why it is not tested.
    """

    better: str
    worse: str
    protocol: str
    difference: float
    low: float
    high: float
    p: float = math.nan
    text: str = NOT_TESTED
    reason: str = ''


@dataclass(frozen=True)
class _Change:
    """Differences of two rows by one protocol, or by a panel.

    Attributes:
        queries: (Q,) differences in points for each protocol, means over the seeds.
        seeds: (S,) differences in points, means over the queries.
        weights: of the protocols.
    """

    queries: Sequence[NDArray[np.float64]]
    seeds: NDArray[np.float64]
    weights: Sequence[float]

    @property
    def residuals(self) -> NDArray[np.float64]:
        """(S,) deviations of the seeds, with the sample variance; empty for a single seed."""
        count = len(self.seeds)
        if count < 2:
            return np.empty(0)
        return (self.seeds - self.seeds.mean()) * math.sqrt(count / (count - 1.0))

    def draws(self, residuals: NDArray[np.float64], rng: np.random.Generator) -> NDArray[Any]:
        """(DRAWS,) differences of resampled queries and seeds."""
        total = rng.choice(residuals, (DRAWS, len(self.seeds))).mean(axis=1)
        for weight, change in zip(self.weights, self.queries, strict=True):
            values, counts = np.unique(change, return_counts=True)
            drawn = rng.multinomial(len(change), counts / len(change), DRAWS)
            total += weight * (drawn @ values) / len(change)
        return total


def verdicts(
    claims: Sequence[tuple[str, str]],
    results: Results,
    *,
    parts: Mapping[str, Sequence[str]] | None = None,
    starts: Mapping[str, str] | None = None,
    not_tested: str = '',
) -> list[Verdict]:
    """A verdict for each claim and protocol, or for each claim by a panel.

    The spread over two seeds is poorly known, so a claim's seeds are resampled from the deviations
    of all claims of the protocol, unless its own vary more.

    Args:
        claims: pairs of rows, the better one first; pairs with a row without results are left out.
        results: of the rows that have been run.
        parts: part of the panel -> its protocols; None: each protocol separately.
        starts: row -> row without training that it must exceed to be tested.
        not_tested: why no claim of the table can be tested; empty: they can.
    """
    rng = np.random.default_rng(0)
    found: list[Verdict] = []
    run = [pair for pair in claims if all(name in results for name in pair)]
    for protocol in _protocols(results, parts):
        changes = {pair: _change(pair, protocol, results, parts) for pair in run}
        pooled = np.concatenate([each.residuals for each in changes.values()] or [np.empty(0)])
        for (better, worse), change in changes.items():
            reason = not_tested or _untestable((better, worse), protocol, results, parts, starts)
            own = change.residuals
            residuals = own if own.size and own.var() > pooled.var() else pooled
            if not residuals.size:
                reason, residuals = reason or 'one seed', np.zeros(1)
            draws = change.draws(residuals, rng)
            low, high = np.percentile(draws, INTERVAL)
            p = math.nan if reason else _p_value(draws)
            difference = float(change.seeds.mean())
            verdict = Verdict(better, worse, protocol, difference, float(low), float(high), p)
            found.append(replace(verdict, reason=reason))
    return _decided(found)


def _protocols(results: Results, parts: Mapping[str, Sequence[str]] | None) -> list[str]:
    if parts is not None:
        return [PANEL]
    first = next(iter(results.values()), [])
    return list(dict.fromkeys(row['protocol'] for row in first[0]['rows'])) if first else []


def _change(
    pair: tuple[str, str],
    protocol: str,
    results: Results,
    parts: Mapping[str, Sequence[str]] | None,
) -> _Change:
    weights = _weights(protocol, parts)
    by_protocol = []
    for name in weights:
        first, second = (_hits(results[row], name) for row in pair)
        common = [seed for seed in first if seed in second] or list(first)[:1]
        one = np.stack([first[seed] for seed in common])
        other = np.stack([second.get(seed, next(iter(second.values()))) for seed in common])
        by_protocol.append(100.0 * (one - other))
    shares = list(weights.values())
    seeds = sum(share * each.mean(axis=1) for share, each in zip(shares, by_protocol, strict=True))
    return _Change([each.mean(axis=0) for each in by_protocol], np.asarray(seeds), shares)


def _weights(protocol: str, parts: Mapping[str, Sequence[str]] | None) -> dict[str, float]:
    """Protocols -> their weights in the mean."""
    if protocol != PANEL or parts is None:
        return {protocol: 1.0}
    return {name: 1.0 / len(parts) / len(names) for names in parts.values() for name in names}


def _hits(results: Sequence[Mapping[str, Any]], protocol: str) -> dict[int, NDArray[np.float64]]:
    """Seed -> (Q,) whether the first answer is right, at the largest descriptor size."""
    hits = {}
    for result in results:
        rows = [row for row in result['rows'] if row['protocol'] == protocol]
        largest = max(rows, key=lambda row: int(row['descriptor_dim']))
        hits[int(result['seed'])] = np.asarray(largest['right_at_1'], np.float64)
    return hits


def recall_at_1(
    results: Sequence[Mapping[str, Any]],
    protocol: str,
    parts: Mapping[str, Sequence[str]] | None = None,
) -> float:
    """Recall@1 in percent, mean over the seeds; for `PANEL` the mean over the parts."""
    return 100.0 * sum(
        weight * float(np.mean(list(_hits(results, name).values())))
        for name, weight in _weights(protocol, parts).items()
    )


def _untestable(
    pair: tuple[str, str],
    protocol: str,
    results: Results,
    parts: Mapping[str, Sequence[str]] | None,
    starts: Mapping[str, str] | None,
) -> str:
    """Why a claim cannot be tested: a row is no better than its start; empty: it can."""
    for row in pair:
        start = (starts or {}).get(row)
        if start is None:
            continue
        if start not in results:
            return f'{start} has not been run'
        own, before = (recall_at_1(results[name], protocol, parts) for name in (row, start))
        if own <= before:
            return f'{row} finds no more than {start}'
    return ''


def _p_value(draws: NDArray[np.float64]) -> float:
    """Two-sided p-value: twice the share of draws on the rarer side of 0, plus one draw."""
    rarer = min(int((draws <= 0.0).sum()), int((draws >= 0.0).sum()))
    return min(2.0 * (rarer + 1) / (len(draws) + 1), 1.0)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values with Holm's correction (1979), which controls the family-wise error rate.

    The smallest of n is multiplied by n, the next by n - 1, and so on, monotonically.
    """
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(np.argsort(p_values, kind='stable')):
        largest = max(largest, min((len(p_values) - rank) * p_values[place], 1.0))
        corrected[place] = largest
    return corrected


def _decided(found: Sequence[Verdict]) -> list[Verdict]:
    """The verdicts with corrected p-values and texts."""
    tested = [each for each in found if not each.reason]
    corrected = iter(holm([each.p for each in tested]))
    return [each if each.reason else _with_text(each, next(corrected)) for each in found]


def _with_text(verdict: Verdict, p: float) -> Verdict:
    if p >= LEVEL:
        return replace(verdict, p=p, text=OPEN)
    return replace(verdict, p=p, text=CONFIRMED if verdict.difference > 0 else REFUTED)
