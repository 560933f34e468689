"""The panel: mean recall@1 over dissimilar data sets, a single number for a network.

A single set does not suffice to choose a network: its standard error is larger than the gain of a
step of the recipe, and a network that fits it may be worse on other kinds of places. All parts
have equal weight, whatever their number of queries, and networks are compared query by query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.errors import ConfigError, GhostVprError, SourceError
from training.experiment import read_mapping
from training.measure.protocols import Protocol, open_protocol, read_protocol

PANEL = Path(__file__).parents[1] / 'configs' / 'panel.yaml'
BOOTSTRAP_DRAWS = 10_000
INTERVAL = (2.5, 97.5)
"""Bootstrap percentiles of the 95 % interval of a difference."""


@dataclass(frozen=True)
class Panel:
    """The parts of the panel.

    Attributes:
        parts: protocols, with images, by name of the part.
        missing: error message of each part that cannot be measured, by name.
    """

    parts: Mapping[str, Sequence[Protocol]]
    missing: Mapping[str, str]

    @property
    def protocols(self) -> list[Protocol]:
        """The protocols of all parts."""
        return [protocol for part in self.parts.values() for protocol in part]


@dataclass(frozen=True)
class Comparison:
    """Comparison of two networks on the same queries.

    Attributes:
        difference: of recall@1, in points.
        low: lower bound of its 95 % interval, by paired bootstrap over queries.
        high: upper bound.
        gained: number of queries that only the first network answers correctly.
        lost: number of queries that only the second network answers correctly.
        p: of McNemar's exact test of these counts, two-sided.
    """

    difference: float
    low: float
    high: float
    gained: int
    lost: int
    p: float


def open_panel(path: Path = PANEL) -> Panel:
    """The panel of a YAML file; parts without data are listed as missing.

    Raises:
        ConfigError: the file cannot be read or has a bad value.
        SourceError: no part can be measured.
    """
    parts: dict[str, list[Protocol]] = {}
    missing: dict[str, str] = {}
    for part, protocols in read_mapping(path).items():
        if not isinstance(protocols, Mapping) or not protocols:
            raise ConfigError(f'{path}: {part}: expected protocols by name, found {protocols!r}')
        try:
            parts[part] = [
                open_protocol(name, read_protocol(path, name, values))
                for name, values in protocols.items()
            ]
        except ConfigError:
            raise
        except GhostVprError as error:
            missing[part] = str(error)
    if not parts:
        raise SourceError(
            f'{path}: expected the data of at least one part, found none; name its folder with '
            f'--data ({next(iter(missing.values()), "the file names no part")})'
        )
    return Panel(parts, missing)


def part_scores(panel: Panel, right: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """Recall@1 of each part in percent.

    Args:
        panel: with the parts.
        right: protocol -> 1 or 0 for each query with a positive.
    """
    return {
        part: float(np.mean([100.0 * np.mean(right[each.name]) for each in protocols]))
        for part, protocols in panel.parts.items()
    }


def compare_parts(
    panel: Panel,
    right: Mapping[str, Sequence[int]],
    other: Mapping[str, Sequence[int]],
) -> dict[str, Comparison]:
    """Compare two networks on each part, and under `panel` on the mean over the parts.

    Args:
        panel: with the parts.
        right: protocol -> 1 or 0 for each query with a positive, of the first network.
        other: of the second network, for the same queries in the same order.
    """
    rng = np.random.default_rng(0)
    found, drawn, observed = {}, [], []
    counts = np.zeros(2, int)
    for part, protocols in panel.parts.items():
        changes = [
            np.asarray(right[each.name], int) - np.asarray(other[each.name], int)
            for each in protocols
        ]
        draws = np.mean([_bootstrap(each, rng) for each in changes], axis=0)
        difference = float(np.mean([100.0 * each.mean() for each in changes]))
        every = np.concatenate(changes)
        gained, lost = int((every > 0).sum()), int((every < 0).sum())
        found[part] = _comparison(difference, draws, gained, lost)
        drawn.append(draws)
        observed.append(difference)
        counts += (gained, lost)
    whole = _comparison(float(np.mean(observed)), np.mean(drawn, axis=0), *map(int, counts))
    return {**found, 'panel': whole}


def _bootstrap(changes: NDArray[np.int_], rng: np.random.Generator) -> NDArray[np.float64]:
    """(BOOTSTRAP_DRAWS,) mean changes in points of queries drawn with replacement."""
    shares = [np.mean(changes == value) for value in (-1, 0, 1)]
    counts = rng.multinomial(len(changes), shares, BOOTSTRAP_DRAWS)
    return np.asarray(100.0 * (counts[:, 2] - counts[:, 0]) / len(changes), np.float64)


def _comparison(
    difference: float, draws: NDArray[np.float64], gained: int, lost: int
) -> Comparison:
    from scipy.stats import binomtest

    low, high = np.percentile(draws, INTERVAL)
    p = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    return Comparison(difference, float(low), float(high), gained, lost, float(p))


def panel_table(
    panel: Panel, scores: Mapping[str, float], comparisons: Mapping[str, Comparison]
) -> str:
    """Markdown table of the parts, their mean, and the comparison if there is one."""
    compared = ' difference (95 %) | gained / lost | p |' if comparisons else ''
    lines = [f'| part | queries | r@1 |{compared}', '|---|--:|--:|' + '--:|' * compared.count('|')]
    for part, score in scores.items():
        lines.append(_line(part, _queries(panel, part), score, comparisons.get(part)))
    for part in panel.missing:
        lines.append(f'| {part} | not measured | |' + ' |' * compared.count('|'))
    if panel.missing:
        # A mean over fewer parts is not comparable, so it is not reported as the panel.
        mean = float(np.mean(list(scores.values())))
        whole = f'of {len(scores)} of {len(scores) + len(panel.missing)} parts: {mean:.1f}'
        lines.append('| panel | - | - |' + ' |' * compared.count('|'))
        reasons = [f'{part}: {reason}' for part, reason in panel.missing.items()]
        return '\n'.join([*lines, '', f'No panel; the mean {whole}', *reasons])
    mean = float(np.mean(list(scores.values())))
    queries = sum(_queries(panel, part) for part in panel.parts)
    lines.append(_line('panel', queries, mean, comparisons.get('panel')))
    return '\n'.join(lines)


def _queries(panel: Panel, part: str) -> int:
    """Number of queries of a part that have a positive."""
    return sum(int((each.truth.positives.counts() > 0).sum()) for each in panel.parts[part])


def _line(part: str, queries: int, score: float, comparison: Comparison | None) -> str:
    line = f'| {part} | {queries} | {score:.1f} |'
    if comparison is None:
        return line
    interval = f'{comparison.difference:+.1f} ({comparison.low:+.1f} to {comparison.high:+.1f})'
    return f'{line} {interval} | {comparison.gained} / {comparison.lost} | {comparison.p:.2g} |'
