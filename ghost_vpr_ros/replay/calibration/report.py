"""The files of a calibration: figures, a table of answers, and the reliability diagram."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from ghost_vpr_ros.replay.calibration.calibrator import CalibrationRun, recall_from
from ghost_vpr_ros.replay.calibration.judged_drive import Answers, JudgedAnswer
from ghost_vpr_ros.replay.evaluation.calibration_fit import (
    ReliabilityBins,
    error_if_perfect,
    expected_calibration_error,
    operating_point,
    reliability_bins,
)
from ghost_vpr_ros.replay.evaluation.plots import png_of, reliability_plot
from ghost_vpr_ros.replay.output_files import write_csv, write_file, write_json

PER_FRAME_COLUMNS = (
    'image',
    'place_hidden',
    'place_in_map',
    'weight',
    'keyframe_id',
    'similarity',
    'margin',
    'probability_before',
    'probability',
    'correct',
)


def write_calibration_report(
    run: CalibrationRun, described: dict[str, Any], title: str, folder: Path
) -> dict[str, Any]:
    """Write all files and return what `calibration.json` holds.

    Args:
        run: what was learned or checked.
        described: further entries of `calibration.json`.
        title: heading of the diagram.
        folder: existing folder; files of an earlier calibration are replaced.

    Raises:
        OutputError: a file cannot be written.
    """
    before, after = _bins(run.before), _bins(run.after)
    figures = {**described, **calibration_figures(run)}
    shown = f'{title}\n{_heading(figures)}'
    threshold = run.calibration.min_probability
    write_csv(folder / 'per_frame.csv', PER_FRAME_COLUMNS, per_frame_rows(run))
    shown_bins = {'map alone': before, 'calibrated': after}
    picture = png_of(reliability_plot(shown_bins, threshold, shown))
    write_file(folder / 'reliability.png', picture)
    bins = {'before': _as_lists(before), 'after': _as_lists(after)}
    write_json(folder / 'calibration.json', {**figures, 'reliability': bins})
    return figures


def calibration_figures(run: CalibrationRun) -> dict[str, Any]:
    """The calibration, and how it and the map alone hold on the answers of the run.

    `weighted` counts hidden places in with the stated share of unknown ones, `as_driven` leaves
    them out; `ece_if_perfect` is what chance alone makes of perfect probabilities.
    """
    return {
        'calibration': dataclasses.asdict(run.calibration),
        'ece_before': _errors(run.before),
        'ece_after': _errors(run.after),
        'ece_if_perfect': {
            name: error_if_perfect(part.column('probability'), part.weights)
            for name, part in _parts(run.after)
        },
        'accepted': _accepted(run.after, run.calibration.min_probability),
    }


def _errors(answers: Answers) -> dict[str, float]:
    return {
        name: expected_calibration_error(
            part.column('probability'), part.flags('is_right'), part.weights
        )
        for name, part in _parts(answers)
    }


def _parts(answers: Answers) -> tuple[tuple[str, Answers], ...]:
    return ('weighted', answers), ('as_driven', answers.as_driven())


def _accepted(answers: Answers, threshold: float) -> dict[str, Any]:
    point = operating_point(
        answers.column('probability'), answers.flags('is_right'), threshold, answers.weights
    )
    kept = answers.column('probability') >= threshold
    right, hidden = answers.flags('is_right'), answers.flags('is_hidden')
    return {
        'num_accepted': point.num_accepted,
        'num_right': int((kept & right).sum()),
        'num_wrong': int((kept & ~right).sum()),
        'num_wrong_at_unknown_places': int((kept & ~right & hidden).sum()),
        'num_answers': len(answers.answers),
        'precision': point.precision,
        'precision_lower_bound': point.precision_lower_bound,
        'recall': recall_from(answers, threshold),
    }


def per_frame_rows(run: CalibrationRun) -> list[list[Any]]:
    """One row for each answer in the order of `PER_FRAME_COLUMNS`; equal in every run."""
    return [
        _row(before, after, weight)
        for before, after, weight in zip(
            run.before.answers, run.after.answers, run.after.weights, strict=True
        )
    ]


def _row(before: JudgedAnswer, after: JudgedAnswer, weight: float) -> list[Any]:
    numbers = (after.similarity, after.margin, before.probability, after.probability)
    return [
        after.image,
        int(after.is_hidden),
        int(after.has_place),
        f'{weight:.4f}',
        '' if after.keyframe_id < 0 else after.keyframe_id,
        *('' if np.isnan(number) else f'{number:.5f}' for number in numbers),
        int(after.is_right),
    ]


def _bins(answers: Answers) -> ReliabilityBins:
    return reliability_bins(
        answers.column('probability'), answers.flags('is_right'), answers.weights
    )


def _as_lists(bins: ReliabilityBins) -> dict[str, Any]:
    return {name: values.tolist() for name, values in vars(bins).items()}


def _heading(figures: dict[str, Any]) -> str:
    accepted = figures['accepted']
    return (
        f'ECE {figures["ece_before"]["weighted"]:.3f} by the map alone, '
        f'{figures["ece_after"]["weighted"]:.3f} calibrated; accepted: {accepted["num_accepted"]} '
        f'answers, {100 * accepted["precision"]:.1f} % right'
    )
