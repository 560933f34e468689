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
        results: by variant, one for each seed: `recall` by protocol and N, `seconds` by stage,
            `loss` of the last training or None.
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
    losses = [each['loss'] for each in found if each['loss'] is not None]
    return {
        'variant': variant,
        'seeds': [each['seed'] for each in found],
        'recall': recall,
        'seconds': _mean_and_spread(seconds),
        'loss': _mean_and_spread(losses, 4) if losses else None,
    }


def _mean_and_spread(values: Sequence[float], digits: int = 2) -> dict[str, float]:
    """Mean and sample standard deviation (0 for a single value)."""
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return {'mean': round(float(np.mean(values)), digits), 'spread': round(spread, digits)}


def _markdown(study: Study, rows: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table: r@1 / r@5, loss and minutes, with the spread over several seeds."""
    protocols = list(rows[0]['recall'])
    lines = [
        f'| {study.name} | {" | ".join(protocols)} | loss | minutes |',
        '|---' * (len(protocols) + 3) + '|',
    ]
    for row in rows:
        several = len(row['seeds']) > 1
        cells = [_cell(row['recall'][protocol], several) for protocol in protocols]
        minutes = row['seconds']['mean'] / 60.0
        loss = row['loss']
        cells.append(_figure(loss, 3, several) if loss else '')
        lines.append(f'| {row["variant"]} | {" | ".join(cells)} | {minutes:.1f} |')
    return '\n'.join([*lines, ''])


def _cell(recall: Mapping[str, Mapping[str, float]], several: bool) -> str:
    return ' / '.join(_figure(recall[n], 1, several) for n in ('1', '5'))


def _figure(value: Mapping[str, float], digits: int, several: bool) -> str:
    """The mean, and the spread where there is one to speak of."""
    mean = f'{value["mean"]:.{digits}f}'
    return f'{mean} ± {value["spread"]:.{digits}f}' if several else mean
