"""The picture of a table: recall@1 over the size of the descriptor, or by row where it has one."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

_WIDTH_IN, _HEIGHT_IN = 4.0, 3.4
_DPI = 110


def draw_table(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A PNG: one panel for each protocol, mean and spread of every row.

    Args:
        rows: of `table_report.table_report`.
    """
    protocols = list(rows[0]['recall'])
    figure = Figure(figsize=(_WIDTH_IN * len(protocols), _HEIGHT_IN), layout='constrained')
    panels = figure.subplots(1, len(protocols), squeeze=False)[0]
    is_curve = any(len(row['recall'][protocols[0]]) > 1 for row in rows)
    for panel, protocol in zip(panels, protocols, strict=True):
        draw = _draw_curves if is_curve else _draw_bars
        draw(panel, rows, protocol)
        panel.set_title(protocol, fontsize=9)
        panel.grid(alpha=0.3)
    picture = io.BytesIO()
    figure.savefig(picture, format='png', dpi=_DPI)
    return picture.getvalue()


def _draw_curves(panel: Axes, rows: Sequence[Mapping[str, Any]], protocol: str) -> None:
    for row in rows:
        sizes = row['recall'][protocol]
        panel.errorbar(
            [int(size) for size in sizes],
            [each['1']['mean'] for each in sizes.values()],
            [each['1']['spread'] for each in sizes.values()],
            marker='o',
            markersize=3,
            capsize=2,
            label=row['row'],
        )
    panel.set_xscale('log', base=2)
    panel.set_xlabel('numbers of the descriptor')
    panel.set_ylabel('recall@1 (%)')
    panel.legend(fontsize=7)


def _draw_bars(panel: Axes, rows: Sequence[Mapping[str, Any]], protocol: str) -> None:
    names = [row['row'] for row in rows]
    first = [next(iter(row['recall'][protocol].values()))['1'] for row in rows]
    panel.barh(
        names, [each['mean'] for each in first], xerr=[each['spread'] for each in first], capsize=2
    )
    panel.invert_yaxis()
    panel.tick_params(axis='y', labelsize=7)
    panel.set_xlabel('recall@1 (%)')
