"""The files of an evaluation: figures, a table of queries, two curves and two sheets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.image import encode_jpeg
from ghost_vpr_ros.core.sampling import evenly_spaced
from ghost_vpr_ros.replay.evaluation.evaluator import NO_ROW, Evaluation
from ghost_vpr_ros.replay.evaluation.match_sheet import Tile, Verdict, draw_sheet
from ghost_vpr_ros.replay.evaluation.metrics import RECALL_RANKS
from ghost_vpr_ros.replay.evaluation.plots import precision_recall_plot, recall_plot
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
    write_pictures(evaluation, title, sheet_rows, folder)
    write_csv(folder / 'per_query.csv', PER_QUERY_COLUMNS, per_query_rows(evaluation))
    metrics = {**evaluation.metrics(), **described, 'units': UNITS}
    write_json(folder / 'metrics.json', metrics)
    return metrics


def write_pictures(evaluation: Evaluation, title: str, sheet_rows: int, folder: Path) -> None:
    """Write two curves and two sheets: the worst failures, and queries spread evenly.

    Raises:
        OutputError: a file cannot be written.
        ImageError: an image of the sheets cannot be read again.
    """
    every_rank = range(1, min(max(RECALL_RANKS), evaluation.rows.shape[1]) + 1)
    recall = list(evaluation.recall(every_rank).values())
    write_file(folder / 'recall.png', recall_plot(recall, title))
    write_file(folder / 'precision_recall.png', precision_recall_plot(evaluation.curve, title))
    failures = worst_failures(evaluation)
    heading = f'Worst failures: {min(len(failures), sheet_rows)} of {len(failures)}'
    sheet = _sheet(evaluation, failures[:sheet_rows], heading)
    write_file(folder / 'worst_failures.jpg', encode_jpeg(sheet))
    count = len(evaluation.queries)
    spread = evenly_spaced(count, sheet_rows)
    sheet = _sheet(evaluation, spread, f'Matches: {len(spread)} of {count} queries')
    write_file(folder / 'matches.jpg', encode_jpeg(sheet))


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


def _sheet(evaluation: Evaluation, queries: list[int], heading: str) -> NDArray[np.uint8]:
    return draw_sheet(heading, _LEGEND, [_tiles(evaluation, query) for query in queries])


def _tiles(evaluation: Evaluation, query: int) -> list[Tile]:
    frame = evaluation.queries[query]
    tiles = [Tile(frame.load(), ('query', frame.name), Verdict.QUERY)]
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
    return Tile(frame.load(), (text, frame.name), Verdict.RIGHT if right else Verdict.WRONG)


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
    return [Tile(frame.load(), (text, frame.name), Verdict.MISSED)]


def _distance_text(evaluation: Evaluation, query: int, row: int) -> str:
    distance, unit = evaluation.truth.distance(query, row), evaluation.truth.unit
    return f'{distance:.0f} {unit} away' if unit == 'frames' else f'{distance:.1f} {unit} away'
