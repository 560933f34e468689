"""The files of a replay: per_query.csv, metrics.json, and pictures where the truth is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ghost_vpr_ros.core.datatypes import Hypothesis, State
from ghost_vpr_ros.replay.evaluation.evaluation_report import UNITS, write_pictures
from ghost_vpr_ros.replay.evaluation.evaluator import NO_ROW, Evaluation
from ghost_vpr_ros.replay.evaluation.ground_truth import has_position
from ghost_vpr_ros.replay.evaluation.metrics import RECALL_RANKS, latency_percentiles
from ghost_vpr_ros.replay.evaluation.plots import DrivenAnswer, top_down_plot
from ghost_vpr_ros.replay.evaluation.replayer import Answer, stage_times
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


def write_replay(
    answers: Sequence[Answer],
    evaluation: Evaluation | None,
    described: dict[str, Any],
    title: str,
    sheet_rows: int,
    folder: Path,
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

    Raises:
        OutputError: a file cannot be written.
    """
    write_csv(folder / 'per_query.csv', PER_QUERY_COLUMNS, per_query_rows(answers, evaluation))
    metrics = {**_answer_figures(answers), **_truth_figures(answers, evaluation), **described}
    if evaluation is not None:
        write_pictures(evaluation, title, sheet_rows, folder)
        write_file(folder / 'top_down.png', _top_down(answers, evaluation, title))
    metrics['units'] = UNITS
    write_json(folder / 'metrics.json', metrics)
    return metrics


def _top_down(answers: Sequence[Answer], evaluation: Evaluation, title: str) -> bytes:
    driven = driven_answers(answers, evaluation)
    return top_down_plot(evaluation.truth.database_points, driven, title)


def per_query_rows(answers: Sequence[Answer], evaluation: Evaluation | None) -> list[list[Any]]:
    """One row for each frame in the order of `PER_QUERY_COLUMNS`; equal in every run."""
    judged = iter([] if evaluation is None else _judgements(evaluation))
    return [
        [answer.frame.name, answer.frame.stamp_ns]
        + _hypothesis_columns(answer.hypothesis)
        + (next(judged, _UNJUDGED) if has_position(answer.frame) else _UNJUDGED)
        for answer in answers
    ]


_UNJUDGED: list[Any] = ['', '', '', '']


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
    """What can be said with the truth; N of recall@N only up to the candidates retrieved."""
    if evaluation is None:
        return {'num_queries': 0, 'num_frames_without_truth': len(answers)}
    figures = evaluation.metrics()
    del figures['latency_ms']
    depth = evaluation.rows.shape[1]
    ranks = [n for n in RECALL_RANKS if n <= depth]
    figures['recall'] = {str(n): value for n, value in evaluation.recall(ranks).items()}
    judged = [answer for answer in answers if has_position(answer.frame)]
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
    """An accepted answer that is wrong: what to look at first."""
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
    judged = [answer for answer in answers if has_position(answer.frame)]
    return [
        DrivenAnswer(
            evaluation.truth.query_points[query],
            None if row == NO_ROW else evaluation.truth.database_points[row],
            _kind(answer.hypothesis.state, bool(evaluation.correct[query, 0])),
        )
        for query, (answer, row) in enumerate(zip(judged, evaluation.rows[:, 0], strict=True))
    ]


def _kind(state: State, is_right: bool) -> str:
    """A key of `report.ANSWER_STYLES`."""
    best = 'right' if is_right else 'wrong'
    return f'accepted, {best}' if state is State.ACCEPTED else f'not accepted, best {best}'
