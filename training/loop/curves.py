"""Plot the learning curves of a run from its log.csv."""

from __future__ import annotations

import csv
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.evaluation.plots import png_of
from ghost_vpr_ros.replay.output_files import write_file

PANELS = (
    ('loss', ('loss',)),
    ('active share', ('active_tuples', 'active_negatives')),
    ('validation recall (%)', ('val_recall_1', 'val_recall_5', 'val_recall_10')),
    ('learning rate', ('learning_rate',)),
)
"""Title and log columns of each panel."""

Curve = tuple[list[int], list[float]]


def draw_curves(log: Path, picture: Path) -> None:
    """Draw the loss, active triplets, recall and learning rate over the steps as a PNG.

    Raises:
        SourceError: the log cannot be read.
        OutputError: the picture cannot be written.
    """
    curves = read_curves(log)
    figure = Figure((11.0, 6.5), layout='constrained')
    axes = figure.subplots(2, 2, sharex=True)
    for panel, (title, columns) in zip(axes.flat, PANELS, strict=True):
        _draw_panel(panel, title, {name: curves[name] for name in columns if name in curves})
    for panel in axes[-1]:
        panel.set_xlabel('step of the optimiser')
    write_file(picture, png_of(figure))


def read_curves(log: Path) -> dict[str, Curve]:
    """Steps and values of each column; if a step was logged twice, the later row counts.

    Raises:
        SourceError: the log cannot be read.
    """
    try:
        rows = list(csv.DictReader(log.read_text().splitlines()))
        values: dict[str, dict[int, float]] = {}
        for row in rows:
            for name, text in row.items():
                if name != 'step' and text:
                    values.setdefault(name, {})[int(row['step'])] = float(text)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f'{log}: not readable as the log of a run ({error})') from error
    return {name: (sorted(by), [by[step] for step in sorted(by)]) for name, by in values.items()}


def _draw_panel(panel: Axes, title: str, curves: dict[str, Curve]) -> None:
    panel.set_title(title, fontsize=10)
    panel.grid(alpha=0.3)
    for name, (steps, values) in curves.items():
        label = name.removeprefix('val_').replace('_', ' ')
        panel.plot(steps, values, marker='.', markersize=3, linewidth=1, label=label)
    if len(curves) > 1:
        panel.legend(fontsize=8)
