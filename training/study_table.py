"""The table of a study: mean and spread of recall over seeds, for each variant and protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from training.study_plan import Study

Results = Mapping[str, Sequence[Mapping[str, Any]]]


def study_table(study: Study, results: Results) -> dict[str, Any]:
    """Rows of the study, and the same as Markdown.

    Args:
        study: whose question and variants these are.
        results: by variant, one for each seed: `recall` by protocol and N, `seconds` by stage.
    """
    rows = [_row(name, found) for name, found in results.items()]
    return {
        'study': study.name,
        'question': study.question,
        'seeds': list(study.seeds),
        'rows': rows,
        'markdown': _markdown(study, rows),
    }


def _row(variant: str, found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    protocols = list(found[0]['recall'])
    recall = {
        protocol: {
            n: _mean_and_spread([each['recall'][protocol][n] for each in found])
            for n in found[0]['recall'][protocol]
        }
        for protocol in protocols
    }
    seconds = [sum(each['seconds'].values()) for each in found]
    return {
        'variant': variant,
        'seeds': [each['seed'] for each in found],
        'recall': recall,
        'seconds': _mean_and_spread(seconds),
    }


def _mean_and_spread(values: Sequence[float]) -> dict[str, float]:
    """Mean and sample standard deviation (0 for a single value)."""
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return {'mean': round(float(np.mean(values)), 2), 'spread': round(spread, 2)}


def _markdown(study: Study, rows: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table: r@1 / r@5 with the spread of r@1 in brackets."""
    protocols = list(rows[0]['recall'])
    lines = [
        f'| {study.name} | {" | ".join(protocols)} | minutes |',
        '|---' * (len(protocols) + 2) + '|',
    ]
    for row in rows:
        cells = [_cell(row['recall'][protocol]) for protocol in protocols]
        minutes = row['seconds']['mean'] / 60.0
        lines.append(f'| {row["variant"]} | {" | ".join(cells)} | {minutes:.1f} |')
    return '\n'.join([*lines, ''])


def _cell(recall: Mapping[str, Mapping[str, float]]) -> str:
    values = [f'{recall[n]["mean"]:.1f} ± {recall[n]["spread"]:.1f}' for n in ('1', '5')]
    return ' / '.join(values)
