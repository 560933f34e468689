"""The picture of a descriptor study: recall over the bytes that a place takes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from training.measure.storage_formats import FORMATS

_MARKERS = dict(zip(FORMATS, 'osDx', strict=True))
_PANEL_INCHES = (5.5, 4.5)


def draw_study(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A PNG with one panel a protocol: a colour for each network, a marker for each format.

    Args:
        rows: of `training.descriptor_study`.
    """
    protocols = list(dict.fromkeys(row['protocol'] for row in rows))
    width, height = _PANEL_INCHES
    figure = Figure((width * len(protocols), height), layout='constrained')
    panels = figure.subplots(1, len(protocols), squeeze=False)[0]
    for panel, protocol in zip(panels, protocols, strict=True):
        _draw_panel(panel, [row for row in rows if row['protocol'] == protocol])
        panel.set_title(protocol)
    panels[0].set_ylabel('recall@1 (%)')
    panels[-1].legend(fontsize='small')
    png = io.BytesIO()
    FigureCanvasAgg(figure).print_png(png)
    return png.getvalue()


def _draw_panel(panel: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    networks = list(dict.fromkeys(row['weights'] for row in rows))
    for number, network in enumerate(networks):
        for storage, marker in _MARKERS.items():
            points = [
                (row['bytes_per_place'], row['recall']['1'])
                for row in rows
                if (row['weights'], row['format'], row['whitened']) == (network, storage, True)
            ]
            if points:
                label = f'{network}, {storage}'
                panel.plot(
                    *zip(*points, strict=True), f'{marker}-', color=f'C{number}', label=label
                )
    panel.set_xscale('log', base=2)
    panel.set_xlabel('bytes for each place')
    panel.grid(alpha=0.3)
