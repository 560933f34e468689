"""Plots of an evaluation or a replay, drawn without a display: PNG files, or SVG inside a page."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ghost_vpr_ros.replay.evaluation.calibration_fit import ReliabilityBins
from ghost_vpr_ros.replay.evaluation.metrics import RECALL_RANKS, PrecisionRecall

_BLUE = '#2f6fb2'
_GRID = '#d9dee3'
_MAP_GREY = '#a9b3bc'

_GREEN = '#2a8f45'
_RED = '#cf3030'
_PAGE_WIDTH_IN = 5.4
FEW_ANSWERS = 5
"""Bins of a reliability diagram with fewer are hollow."""

_PAGE_COLOURS = {
    '#000000': 'ink',
    '#262626': 'ink',
    '#ffffff': 'card',
    _GRID: 'grid',
    _MAP_GREY: 'pale',
    _BLUE: 'query',
    _GREEN: 'right',
    _RED: 'wrong',
}

ANSWER_STYLES = {
    'accepted, right': (_GREEN, True),
    'accepted, wrong': (_RED, True),
    'accepted, not judged': (_BLUE, True),
    'not accepted, best right': (_GREEN, False),
    'not accepted, best wrong': (_RED, False),
    'unknown place': (_BLUE, False),
    'found first': (_GREEN, True),
    'another place first': (_RED, True),
    'not in the database': (_BLUE, False),
}
"""Colour of each kind of answer on the top-down map, and whether its dot is filled."""


_TRAJECTORY_STYLES: tuple[dict[str, Any], ...] = (
    {'color': 'black', 'linewidth': 3.0, 'alpha': 0.25},
    {'color': '#8a8f94', 'linewidth': 1.2, 'linestyle': '--'},
    {'color': '#d98a1f', 'linewidth': 1.2},
    {'color': _BLUE, 'linewidth': 1.4},
)
"""Truth, odometry, closures without and with the robust kernel."""


@dataclass(frozen=True)
class DrivenAnswer:
    """One query of a replay on the top-down map.

    Attributes:
        truth_xy: where the camera was, (2,) metres in the map frame.
        found_xy: where the best candidate is, (2,) metres, or None without one.
        kind: a key of `ANSWER_STYLES`.
        link: where a click on the dot leads, inside a page; empty: nowhere.
    """

    truth_xy: NDArray[np.float64]
    found_xy: NDArray[np.float64] | None
    kind: str
    link: str = ''


@dataclass(frozen=True)
class DrawnClosure:
    """A closure of a pose graph on the picture of the trajectories.

    Attributes:
        ends_xy: (2, 2) metres, of the query and of its keyframe.
        is_false: whether they are not the same place.
    """

    ends_xy: NDArray[np.float64]
    is_false: bool


def recall_plot(recall_percent: Sequence[float], title: str) -> Figure:
    """Figure of recall@N over N.

    Args:
        recall_percent: percent for N = 1, 2, 3, ...
        title: of the evaluation, with its protocol.
    """
    figure, axes = _figure(title)
    ranks = np.arange(1, len(recall_percent) + 1)
    axes.plot(ranks, recall_percent, '-o', color=_BLUE, markersize=4, clip_on=False)
    for rank in RECALL_RANKS:
        if rank <= len(ranks) and np.isfinite(recall_percent[rank - 1]):
            _label(axes, rank, recall_percent[rank - 1])
    axes.set_xlabel('N (candidates)')
    axes.set_ylabel('recall@N (%)')
    axes.set_xlim(0.5, max(len(ranks), 5) + 0.5)
    axes.set_ylim(0, 103)
    axes.set_xticks([1, *range(5, len(ranks) + 1, 5)])
    return figure


def _label(axes: Axes, rank: int, percent: float) -> None:
    offset = (6 if rank == 1 else 0, -16 if percent > 15 else 8)
    axes.annotate(
        f'{percent:.1f}',
        (rank, percent),
        xytext=offset,
        textcoords='offset points',
        ha='center',
        fontsize=9,
    )


def precision_recall_plot(curve: PrecisionRecall, title: str) -> Figure:
    """Figure of precision over recall as the similarity threshold of the best candidate falls."""
    best = 100 * curve.recall_at_100_precision
    figures = f'average precision {curve.average_precision:.3f}'
    figures += f', recall at 100 % precision {best:.1f} %'
    figure, axes = _figure(f'{title}\n{figures}')
    axes.step(100 * curve.recall, 100 * curve.precision, where='post', color=_BLUE)
    if np.isfinite(best):
        axes.axvline(best, color=_GREEN, linestyle='--', linewidth=1)
    axes.set_xlabel('recall (% of the queries with positives)')
    axes.set_ylabel('precision (% of the answers)')
    axes.set_xlim(0, 101)
    axes.set_ylim(0, 103)
    return figure


def reliability_plot(
    bins_of: Mapping[str, ReliabilityBins], threshold: float, title: str
) -> Figure:
    """Figure of the share of right answers over the stated probability (Guo et al. 2017).

    Args:
        bins_of: by the name of the probabilities, up to two; the bars are the share of the answers
            of the last. Bins of fewer than `FEW_ANSWERS` are hollow and not joined: a share of one
            or two answers tells nothing.
        threshold: from which answers are accepted.
        title: of the calibration.
    """
    figure, axes = _figure(title)
    last = list(bins_of.values())[-1]
    axes.bar(last.edges[:-1], last.share, np.diff(last.edges), align='edge', color=_GRID)
    axes.plot([0, 1], [0, 1], color=_MAP_GREY, linewidth=1)
    colours = (_RED, _BLUE)[-len(bins_of) :]
    for (name, bins), colour in zip(bins_of.items(), colours, strict=True):
        many = bins.count >= FEW_ANSWERS
        style: dict[str, Any] = {'color': colour, 'markersize': 4, 'clip_on': False}
        axes.plot(bins.stated[many], bins.observed[many], '-o', label=name, **style)
        few = ~many & (bins.count > 0)
        label = f'fewer than {FEW_ANSWERS} answers' if few.any() else None
        axes.plot(bins.stated[few], bins.observed[few], 'o', mfc='none', label=label, **style)
    axes.axvline(threshold, color=_GREEN, linestyle='--', linewidth=1, label='accepted from here')
    axes.set_xlabel('stated probability (bars: share of the answers)')
    axes.set_ylabel('share of right answers')
    axes.set_xlim(0, 1.01)
    axes.set_ylim(0, 1.03)
    axes.legend(
        loc='upper center', bbox_to_anchor=(0.5, -0.14), ncols=3, frameon=False, fontsize=9
    )
    return figure


def top_down_plot(
    map_xy: NDArray[np.float64], answers: Sequence[DrivenAnswer], title: str
) -> Figure:
    """Figure of a replay from above: the map's keyframes, each query, and where it was found.

    Args:
        map_xy: (N, 2) metres, NaN where a keyframe has no position.
        answers: the queries with known truth; a line joins a wrong answer to its keyframe.
        title: of the replay.
    """
    figure, axes = _figure(title, height_in=6.4)
    axes.plot(map_xy[:, 0], map_xy[:, 1], '.', color=_MAP_GREY, markersize=7, zorder=1)
    axes.plot([], [], '.', color=_MAP_GREY, markersize=7, label=f'map: {len(map_xy)} keyframes')
    for kind in ANSWER_STYLES:
        these = [answer for answer in answers if answer.kind == kind]
        if these:
            _draw_answers(axes, these, kind)
    _finish_top_down(axes)
    return figure


def _draw_answers(axes: Axes, answers: Sequence[DrivenAnswer], kind: str) -> None:
    """Dots where the camera was; an accepted wrong answer is joined to its keyframe."""
    colour, is_filled = ANSWER_STYLES[kind]
    for answer in answers if kind == 'accepted, wrong' else ():
        if answer.found_xy is not None:
            ends = np.stack([answer.truth_xy, answer.found_xy])
            axes.plot(ends[:, 0], ends[:, 1], color=colour, linewidth=0.8, alpha=0.6, zorder=2)
    points = np.array([answer.truth_xy for answer in answers], np.float64).reshape(-1, 2)
    dots = axes.scatter(
        points[:, 0],
        points[:, 1],
        s=25,
        edgecolors=colour,
        facecolors=colour if is_filled else 'white',
        label=f'{kind}: {len(answers)}',
        zorder=4 if is_filled else 3,
    )
    dots.set_urls([answer.link or None for answer in answers])


def latency_plot(latency_ms: Mapping[str, Mapping[str, float]], title: str) -> Figure:
    """Figure of the milliseconds of each stage: the median in front of the 95th percentile."""
    figure, axes = _figure(title)
    stages = list(latency_ms)
    for name, colour in (('p95', _GRID), ('p50', _BLUE)):
        values = [latency_ms[stage][name] for stage in stages]
        axes.barh(
            stages, values, color=colour, label={'p50': 'median', 'p95': '95th percentile'}[name]
        )
    for stage in stages:
        median, high = latency_ms[stage]['p50'], latency_ms[stage]['p95']
        axes.annotate(
            f'{median:.1f} / {high:.1f}',
            (high, stage),
            xytext=(4, 0),
            textcoords='offset points',
            va='center',
            fontsize=9,
        )
    axes.invert_yaxis()
    axes.margins(x=0.2)
    axes.set_xlabel('milliseconds of one image')
    axes.legend(
        loc='upper center', bbox_to_anchor=(0.5, -0.18), ncols=2, frameon=False, fontsize=9
    )
    return figure


def trajectories_plot(
    trajectories: Mapping[str, NDArray[np.float64]], closures: Sequence[DrawnClosure], title: str
) -> Figure:
    """Figure of trajectories from above.

    Args:
        trajectories: (N, 2) metres by label, NaN where unknown: the truth, the odometry, and what
            came of it without and with the robust kernel.
        closures: of the graph; a false one is red.
        title: of the pose graph.
    """
    figure, axes = _figure(title, height_in=6.4)
    for (label, xy), style in zip(trajectories.items(), _TRAJECTORY_STYLES, strict=True):
        axes.plot(xy[:, 0], xy[:, 1], label=label, zorder=2, **style)
    for is_false, name in ((False, 'right or unjudged'), (True, 'false')):
        ends = [closure.ends_xy for closure in closures if closure.is_false is is_false]
        colour = _RED if is_false else _GREEN
        for pair in ends:
            axes.plot(pair[:, 0], pair[:, 1], '-o', color=colour, linewidth=0.8, markersize=2)
        axes.plot([], [], '-o', color=colour, markersize=2, label=f'closures, {name}: {len(ends)}')
    _finish_top_down(axes)
    return figure


def _finish_top_down(axes: Axes) -> None:
    axes.set_xlabel('x (m)')
    axes.set_ylabel('y (m)')
    axes.set_aspect('equal', adjustable='datalim')
    axes.legend(loc='upper center', bbox_to_anchor=(0.5, -0.1), ncols=2, frameon=False, fontsize=9)


def _figure(title: str, height_in: float = 4.6) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.4, height_in), dpi=130, layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=10, loc='left')
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ('top', 'right'):
        axes.spines[side].set_visible(False)
    return figure, axes


def png_of(figure: Figure) -> bytes:
    """PNG bytes without a date, so that equal results give equal files."""
    buffer = io.BytesIO()
    no_date: Mapping[str, str | None] = {'Software': None}
    figure.savefig(buffer, format='png', metadata=dict(no_date))
    return buffer.getvalue()


def svg_of(figure: Figure, height_in: float) -> str:
    """An `<svg>` element for a page: narrow, without a title, in the colours of the page.

    The page defines the CSS variables that `_PAGE_COLOURS` names.
    """
    for axes in figure.axes:
        axes.set_title('', loc='left')
    figure.set_size_inches(_PAGE_WIDTH_IN, height_in)
    buffer = io.StringIO()
    with rc_context({'svg.fonttype': 'none', 'svg.hashsalt': 'ghost_vpr_ros'}):
        no_date = {'Date': None, 'Creator': None, 'Format': None, 'Type': None}
        figure.savefig(buffer, format='svg', transparent=True, metadata=no_date)
    text = buffer.getvalue()
    text = text[text.index('<svg') :]
    for colour, variable in _PAGE_COLOURS.items():
        text = text.replace(colour, f'var(--{variable})')
    return text
