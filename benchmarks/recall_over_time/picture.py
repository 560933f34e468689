"""The plot of recall versus time, with its Pareto front and labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from benchmarks.recall_over_time.networks import FROZEN, LONGER, OURS
from benchmarks.speed_report import TITLES
from ghost_vpr_ros.core.whole_file import write_whole
from ghost_vpr_ros.replay.evaluation.plots import png_of

_OURS = '#0072b2'
_OTHERS = '#d55e00'
_INK = '#262626'
_PALE = '#8a949d'
_GRID = '#e3e7ea'
"""Blue and vermilion are distinguishable with all kinds of colour vision (Okabe and Ito)."""

_MARKERS = {'openvino': 'o', 'onnxruntime': 's', 'torch': '^'}
_PLACES = (
    [(9, 0, 'left', 'center'), (-9, 0, 'right', 'center')]
    + [(0, 9, 'center', 'bottom'), (0, -9, 'center', 'top')]
    + [(8, 8, 'left', 'bottom'), (-8, 8, 'right', 'bottom')]
    + [(8, -8, 'left', 'top'), (-8, -8, 'right', 'top')]
    + [(0, 22, 'center', 'bottom'), (0, -22, 'center', 'top')]
)
"""Possible positions of a label relative to its point, best first: offset in points, alignment."""


class Point(NamedTuple):
    """A method in the plot.

    Attributes:
        group: methods of one group have the same style.
        engine: determines the marker.
        precision: int8 and half have smaller markers.
        size_px: side of the input.
        short_dim: D of a shortened descriptor; None: the whole descriptor.
        ms: lower quartile, median, upper quartile.
        recall: recall@1 of the panel in percent.
        error: its standard error in points.
        is_default: whether it is the node's default.
    """

    group: str
    engine: str
    precision: str
    size_px: int
    short_dim: int | None
    ms: tuple[float, float, float]
    recall: float
    error: float
    is_default: bool


def front(points: Sequence[Point]) -> list[Point]:
    """The points of the Pareto front of time and recall, the fastest first."""
    found: list[Point] = []
    for point in sorted(points, key=lambda each: (each.ms[1], -each.recall)):
        if not found or point.recall > found[-1].recall:
            found.append(point)
    return found


def draw(points: Sequence[Point], path: Path) -> None:
    """Write the PNG file."""
    figure = Figure(figsize=(9.0, 5.6), dpi=150, facecolor='white', layout='constrained')
    axes = figure.add_subplot()
    _prepare(axes, points)
    _draw_front(axes, points)
    _draw_lines(axes, points)
    for point in points:
        _draw_point(axes, point)
    _explain(axes)
    figure.draw_without_rendering()
    _name_points(axes, points)
    write_whole(path, png_of(figure), durable=False)


def _prepare(axes: Axes, points: Sequence[Point]) -> None:
    axes.set_xscale('log')
    times = [each.ms[1] for each in points] or [1.0]
    recalls = [each.recall for each in points] or [0.0]
    axes.set_xlim(min(times) / 2.2, max(times) * 2.6)
    axes.set_ylim(max(min(recalls) - 6.0, 0.0), min(max(recalls) + 6.0, 100.0))
    axes.xaxis.set_major_formatter(lambda value, _: f'{value:g}')
    axes.set_xlabel('milliseconds per image on one CPU core (log scale), lower is better')
    axes.set_ylabel('recall@1 on the panel, %, higher is better')
    axes.set_title('Recall versus time', loc='left')
    axes.grid(color=_GRID, which='major')
    axes.set_axisbelow(True)
    for side in ('top', 'right'):
        axes.spines[side].set_visible(False)


def _draw_front(axes: Axes, points: Sequence[Point]) -> None:
    best = front(points)
    if not best:
        return
    ends = axes.get_xlim()
    x = [each.ms[1] for each in best] + [ends[1]]
    y = [each.recall for each in best] + [best[-1].recall]
    axes.step(x, y, where='post', color=_PALE, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)


def _draw_lines(axes: Axes, points: Sequence[Point]) -> None:
    """Draw a line for each engine and precision of our network, by increasing input size."""
    ours = [each for each in points if each.group == OURS and each.short_dim is None]
    for way in dict.fromkeys((each.engine, each.precision) for each in ours):
        line = sorted(
            (each for each in ours if (each.engine, each.precision) == way),
            key=lambda each: each.size_px,
        )
        x, y = [each.ms[1] for each in line], [each.recall for each in line]
        axes.plot(x, y, color=_OURS, linewidth=1.0, alpha=0.35, zorder=2)


def _draw_point(axes: Axes, point: Point) -> None:
    low, median, high = point.ms
    colour = _OURS if _is_ours(point) else _OTHERS
    size = 12.0 if point.is_default else (4.0 if point.precision in ('half', 'int8') else 7.0)
    axes.errorbar(
        [median],
        [point.recall],
        xerr=[[median - low], [high - median]],
        marker=_MARKERS.get(point.engine, 'D'),
        markersize=size,
        color=colour,
        markerfacecolor='white' if point.short_dim else colour,
        elinewidth=1.0,
        zorder=4 if point.is_default else 3,
    )


def _explain(axes: Axes) -> None:
    """Add the legend, in an area without points."""
    shapes = [
        Line2D([], [], color=_INK, marker=marker, linestyle='', label=TITLES[engine])
        for engine, marker in _MARKERS.items()
    ]
    small = Line2D([], [], color=_INK, marker='o', markersize=4, linestyle='')
    small.set_label('small: bfloat16 or int8')
    dashed = Line2D([], [], color=_PALE, linestyle=(0, (4, 3)))
    dashed.set_label('Pareto front')
    axes.legend(handles=[*shapes, small, dashed], loc='center left', fontsize=8, frameon=False)


def _is_ours(point: Point) -> bool:
    return point.group in (OURS, LONGER)


def name_of(point: Point) -> str:
    """The label of a point; empty if its marker suffices."""
    if point.short_dim:
        return f'{point.short_dim}-D'
    if point.engine in _MARKERS and (point.engine, point.precision) != ('openvino', 'float32'):
        return '' if point.group == OURS or point.group.startswith(FROZEN) else point.group
    if point.group != OURS:
        return point.group
    if point.is_default:
        return f'ours, as shipped ({point.size_px} px)'
    return f'ours, {point.size_px} px'


def _name_points(axes: Axes, points: Sequence[Point]) -> None:
    """Place the labels without overlaps, the important ones first."""
    taken = [_box_of(axes, each) for each in points]
    order = sorted(points, key=lambda each: (not each.is_default, each.group == OURS))
    for point in order:
        if not name_of(point):
            continue
        written = _written(axes, point, _PLACES[0])
        for place in _PLACES:
            written.remove()
            written = _written(axes, point, place)
            box = written.get_window_extent()
            if not any(box.overlaps(each) for each in taken) and _inside(axes, box):
                break
        taken.append(written.get_window_extent())


def _written(axes: Axes, point: Point, place: tuple[int, int, str, str]) -> Annotation:
    right, up, across, along = place
    return axes.annotate(
        name_of(point),
        (point.ms[1], point.recall),
        (right, up),
        textcoords='offset points',
        ha=across,
        va=along,
        fontsize=10 if point.is_default else 8,
        fontweight='bold' if point.is_default else 'normal',
        color=_OURS if _is_ours(point) else _INK,
        bbox={'facecolor': 'white', 'edgecolor': 'none', 'alpha': 0.75, 'pad': 0.6},
    )


def _box_of(axes: Axes, point: Point) -> Bbox:
    x, y = axes.transData.transform((point.ms[1], point.recall))
    return Bbox.from_extents(x - 8, y - 8, x + 8, y + 8)


def _inside(axes: Axes, box: Bbox) -> bool:
    area = axes.get_window_extent()
    return bool(
        area.x0 <= box.x0 and box.x1 <= area.x1 and area.y0 <= box.y0 and box.y1 <= area.y1
    )
