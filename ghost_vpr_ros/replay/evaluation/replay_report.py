"""The files of a replay: a page, per_query.csv, metrics.json, and pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ghost_vpr_ros.core.datatypes import Hypothesis, State
from ghost_vpr_ros.core.image import encode_jpeg
from ghost_vpr_ros.core.map.reader import MapReader
from ghost_vpr_ros.core.sampling import evenly_spaced
from ghost_vpr_ros.replay.evaluation.calibration_fit import reliability_bins
from ghost_vpr_ros.replay.evaluation.evaluation_report import (
    UNITS,
    curve_pictures,
    latency_picture,
    map_picture,
    write_pictures,
)
from ghost_vpr_ros.replay.evaluation.evaluator import Evaluation
from ghost_vpr_ros.replay.evaluation.html_report import (
    Picture,
    Report,
    Sheet,
    listed_rows,
    row_link,
    write_report,
)
from ghost_vpr_ros.replay.evaluation.match_sheet import (
    Tile,
    TileMark,
    draw_sheet,
    picture_of_view,
)
from ghost_vpr_ros.replay.evaluation.metrics import RECALL_RANKS, latency_percentiles
from ghost_vpr_ros.replay.evaluation.pairs import NO_ROW
from ghost_vpr_ros.replay.evaluation.plots import (
    DrivenAnswer,
    png_of,
    reliability_plot,
    top_down_plot,
)
from ghost_vpr_ros.replay.evaluation.replayer import Answer, stage_times
from ghost_vpr_ros.replay.evaluation.verdicts import replay_verdict
from ghost_vpr_ros.replay.output_files import write_csv, write_file, write_json

PER_QUERY_COLUMNS = (
    'image',
    'stamp_ns',
    'state',
    'reason',
    'keyframe_id',
    'session',
    'keyframe_stamp_ns',
    'similarity',
    'probability',
    'x_m',
    'y_m',
    'num_positives',
    'first_positive_rank',
    'correct',
    'distance_m',
)

_UNJUDGED_LEGEND = 'blue: query · grey: the best keyframe, without ground truth'

_UNJUDGED: list[Any] = ['', '', '', '']


def write_replay(
    answers: Sequence[Answer],
    evaluation: Evaluation | None,
    described: dict[str, Any],
    title: str,
    sheet_rows: int,
    folder: Path,
    place_map: MapReader,
) -> dict[str, Any]:
    """Write all files of a replay and return what `metrics.json` holds.

    `per_query.csv` depends on bag, map and settings only; times are in `metrics.json`.

    Args:
        answers: of every frame of the bag.
        evaluation: the answers with known truth, or None where there is none.
        described: further entries of `metrics.json`: model, protocol, descriptor_dim.
        title: heading of the pictures.
        sheet_rows: most queries on a sheet.
        folder: existing folder; files of an earlier replay are replaced.
        place_map: that answered, still open.

    Raises:
        OutputError: a file cannot be written.
    """
    rows = per_query_rows(answers, evaluation)
    write_csv(folder / 'per_query.csv', PER_QUERY_COLUMNS, rows)
    metrics = {**_answer_figures(answers), **_truth_figures(answers, evaluation), **described}
    if evaluation is not None:
        sheets = write_pictures(evaluation, title, sheet_rows, folder)
        driven = driven_answers(answers, evaluation)
        plot = top_down_plot(evaluation.truth.database_points, driven, title)
        write_file(folder / 'top_down.png', png_of(plot))
    else:
        sheets = [_unjudged_sheet(answers, place_map, sheet_rows)]
        picture = draw_sheet(sheets[0].heading, _UNJUDGED_LEGEND, sheets[0].rows)
        write_file(folder / 'matches.jpg', encode_jpeg(picture))
    metrics['units'] = UNITS
    write_json(folder / 'metrics.json', metrics)
    page = _page(answers, evaluation, metrics, title, sheets, rows, place_map)
    write_report(page, folder / 'report.html')
    return metrics


def _page(
    answers: Sequence[Answer],
    evaluation: Evaluation | None,
    metrics: dict[str, Any],
    title: str,
    sheets: Sequence[Sheet],
    rows: Sequence[Sequence[Any]],
    place_map: MapReader,
) -> Report:
    """The replay as one page; many answers are thinned out, but for those that are wrong."""
    wrong = {each['image'] for each in metrics.get('accepted_wrong', ())}
    always = [n for n, answer in enumerate(answers) if answer.frame.name in wrong]
    shown = listed_rows(len(rows), always)
    pictures = [*_map_picture(answers, evaluation, shown, place_map)]
    if evaluation is not None:
        pictures += [*_reliability_picture(answers, evaluation), *curve_pictures(evaluation)]
    is_answerable = evaluation is not None and evaluation.has_positives.any()
    return Report(
        title,
        replay_verdict(metrics),
        [*pictures, *latency_picture(metrics)],
        sheets,
        PER_QUERY_COLUMNS,
        {number: rows[number] for number in shown},
        len(rows),
        metrics,
        metrics['recall'] if is_answerable else {},
    )


def _map_picture(
    answers: Sequence[Answer],
    evaluation: Evaluation | None,
    shown: Sequence[int],
    place_map: MapReader,
) -> list[Picture]:
    """Judged answers at the true positions; without a truth, accepted ones at their estimates."""
    wanted = {row_link(number) for number in shown}
    if evaluation is not None:
        driven = [each for each in driven_answers(answers, evaluation) if each.link in wanted]
        return [map_picture(evaluation.truth.database_points, driven)]
    accepted = [
        DrivenAnswer(pose.position_m[:2], None, 'accepted, not judged', row_link(number))
        for number in shown
        if (pose := answers[number].hypothesis.pose) is not None
        and answers[number].hypothesis.state is State.ACCEPTED
    ]
    return [map_picture(place_map.positions()[:, :2], accepted)] if accepted else []


def _reliability_picture(answers: Sequence[Answer], evaluation: Evaluation) -> list[Picture]:
    """Stated probabilities beside observed shares; nothing where none is stated."""
    judged = [answer.hypothesis for answer in answers if answer.frame.has_position]
    best = [each.candidates[0].probability if each.candidates else np.nan for each in judged]
    bins = reliability_bins(np.array(best, np.float64), evaluation.correct[:, 0])
    if not bins.count.any():
        return []
    accepted = [p for each, p in zip(judged, best, strict=True) if each.state is State.ACCEPTED]
    plot = reliability_plot({'stated here': bins}, min(accepted, default=np.nan), '')
    return [
        Picture(
            'Reliability',
            plot,
            'Of the answers that state a probability, how many are right. On the grey line '
            'statement and outcome agree; above it the answers are better than they claim.',
        )
    ]


def _unjudged_sheet(answers: Sequence[Answer], place_map: MapReader, sheet_rows: int) -> Sheet:
    """Accepted answers, spread evenly, beside the view of their keyframe."""
    accepted = [answer for answer in answers if answer.hypothesis.state is State.ACCEPTED]
    chosen = [accepted[number] for number in evenly_spaced(len(accepted), sheet_rows)]
    heading = f'Accepted answers: {len(chosen)} of {len(accepted)}'
    return Sheet(heading, [_unjudged_tiles(answer, place_map) for answer in chosen])


def _unjudged_tiles(answer: Answer, place_map: MapReader) -> list[Tile]:
    best = answer.hypothesis.candidates[0]
    picture = picture_of_view(place_map.view(best.keyframe.keyframe_id), best.keyframe.name)
    text = f'probability {best.probability:.3f} · similarity {best.similarity:.3f}'
    return [
        Tile(answer.frame.load(), ('query', answer.frame.name), TileMark.QUERY),
        Tile(picture, (text, f'{best.keyframe.session} · {best.keyframe.name}')),
    ]


def per_query_rows(answers: Sequence[Answer], evaluation: Evaluation | None) -> list[list[Any]]:
    """One row for each frame in the order of `PER_QUERY_COLUMNS`; equal in every run."""
    judged = iter([] if evaluation is None else _judgements(evaluation))
    return [
        [answer.frame.name, answer.frame.stamp_ns]
        + _hypothesis_columns(answer.hypothesis)
        + (next(judged, _UNJUDGED) if answer.frame.has_position else _UNJUDGED)
        for answer in answers
    ]


def _hypothesis_columns(hypothesis: Hypothesis) -> list[Any]:
    state: list[Any] = [hypothesis.state.value, hypothesis.reason.value]
    pose = ['', '']
    if hypothesis.pose is not None:
        pose = [f'{value:.3f}' for value in hypothesis.pose.position_m[:2]]
    if not hypothesis.candidates:
        return [*state, '', '', '', '', '', *pose]
    best = hypothesis.candidates[0]
    keyframe = best.keyframe
    probability = '' if np.isnan(best.probability) else f'{best.probability:.4f}'
    found = [keyframe.keyframe_id, keyframe.session, keyframe.stamp_ns]
    return [*state, *found, f'{best.similarity:.5f}', probability, *pose]


def _judgements(evaluation: Evaluation) -> list[list[Any]]:
    counts = evaluation.truth.positives.counts()
    ranks = evaluation.first_positive_rank()
    rows: list[list[Any]] = []
    for query, row in enumerate(evaluation.rows[:, 0]):
        distance = '' if row == NO_ROW else f'{evaluation.truth.distance(query, int(row)):.3f}'
        correct = int(evaluation.correct[query, 0])
        rows.append([int(counts[query]), int(ranks[query]) or '', correct, distance])
    return rows


def _answer_figures(answers: Sequence[Answer]) -> dict[str, Any]:
    states = Counter(answer.hypothesis.state.value for answer in answers)
    reasons = Counter(answer.hypothesis.reason.value for answer in answers)
    return {
        'num_frames': len(answers),
        'states': {state.value: states[state.value] for state in State},
        'reasons': dict(sorted(reasons.items())),
        'latency_ms': latency_percentiles(stage_times(answers)),
    }


def _truth_figures(answers: Sequence[Answer], evaluation: Evaluation | None) -> dict[str, Any]:
    """Figures that need ground truth; N of recall@N only up to the candidates retrieved."""
    if evaluation is None:
        return {'num_queries': 0, 'num_frames_without_truth': len(answers)}
    figures = evaluation.metrics()
    del figures['latency_ms']
    depth = evaluation.rows.shape[1]
    ranks = [n for n in RECALL_RANKS if n <= depth]
    figures['recall'] = {str(n): value for n, value in evaluation.recall(ranks).items()}
    judged = [answer for answer in answers if answer.frame.has_position]
    accepted = np.array([answer.hypothesis.state is State.ACCEPTED for answer in judged], bool)
    right = evaluation.correct[:, 0]
    wrong = np.flatnonzero(accepted & ~right)
    return {
        **figures,
        'num_frames_without_truth': len(answers) - len(evaluation.queries),
        'num_accepted': int(accepted.sum()),
        'num_accepted_right': int((accepted & right).sum()),
        'num_accepted_wrong': len(wrong),
        'accepted_wrong': [_wrong(judged[query], evaluation, query) for query in wrong.tolist()],
    }


def _wrong(answer: Answer, evaluation: Evaluation, query: int) -> dict[str, Any]:
    """An accepted answer that is wrong, the most important failure."""
    best, row = answer.hypothesis.candidates[0], int(evaluation.rows[query, 0])
    distance = float('nan') if row == NO_ROW else evaluation.truth.distance(query, row)
    return {
        'image': answer.frame.name,
        'session': best.keyframe.session,
        'keyframe_id': best.keyframe.keyframe_id,
        'probability': best.probability,
        'distance_m': distance,
    }


def driven_answers(answers: Sequence[Answer], evaluation: Evaluation) -> list[DrivenAnswer]:
    """The judged answers as they stand on the top-down map."""
    judged = [number for number, answer in enumerate(answers) if answer.frame.has_position]
    return [
        DrivenAnswer(
            evaluation.truth.query_points[query],
            None if row == NO_ROW else evaluation.truth.database_points[row],
            _kind(answers[number].hypothesis.state, bool(evaluation.correct[query, 0])),
            row_link(number),
        )
        for query, (number, row) in enumerate(zip(judged, evaluation.rows[:, 0], strict=True))
    ]


def _kind(state: State, is_right: bool) -> str:
    """A key of `report.ANSWER_STYLES`."""
    best = 'right' if is_right else 'wrong'
    if state is State.UNKNOWN_PLACE:
        return 'unknown place'
    return f'accepted, {best}' if state is State.ACCEPTED else f'not accepted, best {best}'
