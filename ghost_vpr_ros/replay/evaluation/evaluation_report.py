"""The files of an evaluation: a page, figures, a table of queries, two curves, two sheets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.image import encode_jpeg
from ghost_vpr_ros.core.sampling import evenly_spaced
from ghost_vpr_ros.replay.evaluation.evaluator import Evaluation
from ghost_vpr_ros.replay.evaluation.html_report import (
    Picture,
    Report,
    Sheet,
    listed_rows,
    row_link,
    write_report,
)
from ghost_vpr_ros.replay.evaluation.match_sheet import Tile, TileMark, draw_sheet
from ghost_vpr_ros.replay.evaluation.metrics import RECALL_RANKS
from ghost_vpr_ros.replay.evaluation.pairs import NO_ROW
from ghost_vpr_ros.replay.evaluation.plots import (
    DrivenAnswer,
    latency_plot,
    png_of,
    precision_recall_plot,
    recall_plot,
    top_down_plot,
)
from ghost_vpr_ros.replay.evaluation.verdicts import evaluation_verdict
from ghost_vpr_ros.replay.output_files import write_csv, write_file, write_json

PER_QUERY_COLUMNS = (
    'query',
    'stamp_ns',
    'num_positives',
    'first_positive_rank',
    'match',
    'similarity',
    'correct',
    'distance',
    'unit',
    'candidates',
)
UNITS = {
    'recall': 'percent of the queries with positives',
    'average_precision': '0 to 1',
    'recall_at_100_precision': 'percent of the queries with positives',
    'latency_ms': 'milliseconds for one image',
}
"""Units of the figures in `metrics.json`, which carries them."""

_CANDIDATES_ON_SHEET = 3
_LEGEND = 'blue: query · green ✓: right place · red ✗: wrong place · amber: what should be found'


def write_evaluation(
    evaluation: Evaluation, described: dict[str, Any], title: str, sheet_rows: int, folder: Path
) -> dict[str, Any]:
    """Write all files of an evaluation and return what `metrics.json` holds.

    Args:
        evaluation: what was found.
        described: further entries of `metrics.json`: model, protocol, descriptor_dim.
        title: heading of the pictures.
        sheet_rows: most queries on a sheet.
        folder: existing folder; files of an earlier evaluation are replaced.

    Raises:
        OutputError: a file cannot be written.
        ImageError: an image of the sheets cannot be read again.
    """
    sheets = write_pictures(evaluation, title, sheet_rows, folder)
    rows = per_query_rows(evaluation)
    write_csv(folder / 'per_query.csv', PER_QUERY_COLUMNS, rows)
    metrics = {**evaluation.metrics(), **described, 'units': UNITS}
    write_json(folder / 'metrics.json', metrics)
    shown = listed_rows(len(rows))
    report = Report(
        title,
        evaluation_verdict(metrics, evaluation.truth.limit_text),
        [*_map_picture(evaluation, shown), *curve_pictures(evaluation), *latency_picture(metrics)],
        sheets,
        PER_QUERY_COLUMNS[:-1],
        {number: rows[number][:-1] for number in shown},
        len(rows),
        metrics,
        metrics['recall'] if evaluation.has_positives.any() else {},
    )
    write_report(report, folder / 'report.html')
    return metrics


def curve_pictures(evaluation: Evaluation) -> list[Picture]:
    """Precision and recall for the page; nothing where no query has a place to find."""
    if not evaluation.has_positives.any():
        return []
    curve = evaluation.curve
    caption = (
        f'As the least similarity falls. Average precision {curve.average_precision:.3f}; '
        f'recall without one wrong answer {100 * curve.recall_at_100_precision:.1f} %.'
    )
    return [Picture('Precision and recall', precision_recall_plot(curve, ''), caption)]


def latency_picture(metrics: Mapping[str, Any]) -> list[Picture]:
    """The time that each stage takes, for the page; nothing where none was measured."""
    latency = metrics['latency_ms']
    if not latency:
        return []
    total = sum(stage['p50'] for stage in latency.values())
    caption = (
        'The median and the 95th percentile of each stage. '
        f'{total:.0f} ms for an image, the medians of all stages added up.'
    )
    return [Picture('Time of an image', latency_plot(latency, ''), caption)]


def _map_picture(evaluation: Evaluation, shown: list[int]) -> list[Picture]:
    """Where the queries are; nothing where places are numbers of a sequence, or unknown."""
    truth = evaluation.truth
    if truth.unit != 'm' or not np.isfinite(truth.query_points).all():
        return []
    dots = []
    for query in shown:
        row = int(evaluation.rows[query, 0])
        found = None if row == NO_ROW else truth.database_points[row]
        kind = 'found first' if evaluation.correct[query, 0] else 'another place first'
        kind = kind if evaluation.has_positives[query] else 'not in the database'
        dots.append(DrivenAnswer(truth.query_points[query], found, kind, row_link(query)))
    return [map_picture(truth.database_points, dots)]


def map_picture(map_xy: NDArray[np.float64], dots: Sequence[DrivenAnswer]) -> Picture:
    """Answers from above, each dot a link to its row."""
    caption = 'Point at a dot to read its answer, click to find it in the list.'
    return Picture('From above', top_down_plot(map_xy, dots, ''), caption, height_in=4.6)


def write_pictures(
    evaluation: Evaluation, title: str, sheet_rows: int, folder: Path
) -> list[Sheet]:
    """Write two curves and two sheets: the worst failures, and queries spread evenly.

    Returns:
        The sheets.

    Raises:
        OutputError: a file cannot be written.
        ImageError: an image of the sheets cannot be read again.
    """
    every_rank = range(1, min(max(RECALL_RANKS), evaluation.rows.shape[1]) + 1)
    recall = list(evaluation.recall(every_rank).values())
    write_file(folder / 'recall.png', png_of(recall_plot(recall, title)))
    curve = png_of(precision_recall_plot(evaluation.curve, title))
    write_file(folder / 'precision_recall.png', curve)
    failures = worst_failures(evaluation)
    heading = f'Worst failures: {min(len(failures), sheet_rows)} of {len(failures)}'
    count = len(evaluation.queries)
    spread = evenly_spaced(count, sheet_rows)
    sheets = [
        _sheet(evaluation, failures[:sheet_rows], heading),
        _sheet(evaluation, spread, f'Matches: {len(spread)} of {count} queries'),
    ]
    for sheet, name in zip(sheets, ('worst_failures.jpg', 'matches.jpg'), strict=True):
        write_file(folder / name, encode_jpeg(draw_sheet(sheet.heading, _LEGEND, sheet.rows)))
    return sheets


def worst_failures(evaluation: Evaluation) -> list[int]:
    """Queries with a wrong best candidate, the most confident first."""
    answered = ~np.isnan(evaluation.similarity[:, 0])
    wrong = np.flatnonzero(~evaluation.correct[:, 0] & answered)
    order = np.argsort(-evaluation.similarity[wrong, 0], kind='stable')
    return [int(query) for query in wrong[order]]


def per_query_rows(evaluation: Evaluation) -> list[list[Any]]:
    """One row for each query in the order of `PER_QUERY_COLUMNS`; nothing that varies by run."""
    counts = evaluation.truth.positives.counts()
    ranks = evaluation.first_positive_rank()
    return [
        [frame.name, frame.stamp_ns, int(counts[query]), int(ranks[query]) or '']
        + _best_columns(evaluation, query)
        for query, frame in enumerate(evaluation.queries)
    ]


def _best_columns(evaluation: Evaluation, query: int) -> list[Any]:
    rows = [int(row) for row in evaluation.rows[query] if row != NO_ROW]
    if not rows:
        return ['', '', 0, '', evaluation.truth.unit, '']
    names = [evaluation.database[row].name for row in rows]
    return [
        names[0],
        f'{evaluation.similarity[query, 0]:.6f}',
        int(evaluation.correct[query, 0]),
        f'{evaluation.truth.distance(query, rows[0]):.2f}',
        evaluation.truth.unit,
        ';'.join(names),
    ]


def _sheet(evaluation: Evaluation, queries: list[int], heading: str) -> Sheet:
    return Sheet(heading, [_tiles(evaluation, query) for query in queries])


def _tiles(evaluation: Evaluation, query: int) -> list[Tile]:
    frame = evaluation.queries[query]
    tiles = [Tile(frame.load(), ('query', frame.name), TileMark.QUERY)]
    for rank, row in enumerate(evaluation.rows[query, :_CANDIDATES_ON_SHEET]):
        if row != NO_ROW:
            tiles.append(_candidate_tile(evaluation, query, rank, int(row)))
    if not evaluation.correct[query, :_CANDIDATES_ON_SHEET].any():
        tiles += _expected_tiles(evaluation, query)
    return tiles


def _candidate_tile(evaluation: Evaluation, query: int, rank: int, row: int) -> Tile:
    right = bool(evaluation.correct[query, rank])
    similarity = evaluation.similarity[query, rank]
    text = f'{similarity:.3f} · {_distance_text(evaluation, query, row)}'
    frame = evaluation.database[row]
    return Tile(frame.load(), (text, frame.name), TileMark.RIGHT if right else TileMark.WRONG)


def _expected_tiles(evaluation: Evaluation, query: int) -> list[Tile]:
    """The first right candidate, else the nearest positive; none where there is no positive."""
    rank = int(evaluation.first_positive_rank()[query])
    nearest = evaluation.truth.nearest_positive(query)
    row = int(evaluation.rows[query, rank - 1]) if rank else nearest
    if row is None:
        return []
    found = f'right one at rank {rank}' if rank else 'nearest right one, not retrieved'
    frame = evaluation.database[row]
    text = f'{found} · {_distance_text(evaluation, query, row)}'
    return [Tile(frame.load(), (text, frame.name), TileMark.MISSED)]


def _distance_text(evaluation: Evaluation, query: int, row: int) -> str:
    distance, unit = evaluation.truth.distance(query, row), evaluation.truth.unit
    return f'{distance:.0f} {unit} away' if unit == 'frames' else f'{distance:.1f} {unit} away'
