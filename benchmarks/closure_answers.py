"""Answers to drives, judged, and calibrations, for `benchmarks/closures.py`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.closure_drives import DriveQueries, Setup
from benchmarks.closure_figures import Outcome, nees_per_dimension
from benchmarks.closure_variants import POSITIVE_DISTANCE_M, VARIANTS
from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import Frame, Hypothesis, State
from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.preprocessing import pixel_batch
from ghost_vpr_ros.core.probability.calibration import Calibration
from ghost_vpr_ros.core.recognizer import PlaceRecognizer
from ghost_vpr_ros.replay.calibration.calibrator import calibrate
from ghost_vpr_ros.replay.calibration.judged_drive import Elsewhere, judged_drive
from ghost_vpr_ros.replay.config import CalibrationConfig
from ghost_vpr_ros.replay.evaluation.ground_truth import GroundTruth
from ghost_vpr_ros.replay.evaluation.match_sheet import Tile, TileMark
from ghost_vpr_ros.replay.evaluation.replayer import (
    Answer,
    keyframes_as_frames,
    replay,
    stage_times,
)

TIMED_IMAGES = 30


@dataclass(frozen=True)
class WrongAnswer:
    """An accepted answer that is wrong.

    Attributes:
        drive: of the queries.
        query: name of the frame.
        answer: name of the keyframe.
        distance: between the two, in `unit`; NaN if the frame is of a place outside the map.
        unit: `m` or `frames`.
        probability: the final one.
        by_itself: probability from the image alone.
        similarity: of the two descriptors.
        margin: of the similarity.
        inliers: -1 if the verification did not run.
        tiles: query, answer and, if there is one, the nearest right keyframe.
    """

    drive: str
    query: str
    answer: str
    distance: float
    unit: str
    probability: float
    by_itself: float
    similarity: float
    margin: float
    inliers: int
    tiles: Sequence[Tile] = field(repr=False)


def config_of(variant: str) -> RecognizerConfig:
    """The configuration of a variant."""
    return RecognizerConfig(**VARIANTS[variant])


def answers_to(
    setup: Setup, drive: DriveQueries, variant: str, calibration: Calibration | None
) -> tuple[Outcome, list[WrongAnswer]]:
    """Results of one drive with one variant, and of its drive elsewhere if it has one."""
    with setup.recognizer(drive, config_of(variant)) as recognizer:
        recognizer.use_calibration(calibration)
        answers = replay(drive.frames, recognizer, drive.odometry)
        truth = drive.truth(recognizer.place_map)
        outcome = outcome_of(answers, truth, recognizer)
        wrong = wrong_answers(drive.name, answers, outcome, truth, recognizer)
        if drive.elsewhere is not None:
            outcome = with_elsewhere(outcome, drive.elsewhere, recognizer)
    return outcome, wrong


def with_elsewhere(outcome: Outcome, elsewhere: Elsewhere, recognizer: PlaceRecognizer) -> Outcome:
    """The outcome with the results of a drive through places that the map lacks."""
    answers = replay(elsewhere.frames, recognizer, elsewhere.odometry)
    there = outcome_of(answers, None, recognizer)
    return replace(outcome, unknown=there.probability, unknown_accepted=there.accepted)


def outcome_of(
    answers: Sequence[Answer], truth: GroundTruth | None, recognizer: PlaceRecognizer
) -> Outcome:
    """The answers as arrays, compared with the ground truth."""
    hypotheses = [answer.hypothesis for answer in answers]
    rows = best_rows(hypotheses, recognizer)
    right, has_place = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    if truth is not None:
        right = truth.positives.mask(rows[:, np.newaxis])[:, 0]
        has_place = truth.positives.counts() > 0
    best = [h.candidates[0].probability if h.candidates else np.nan for h in hypotheses]
    accepted = np.array([h.state is State.ACCEPTED for h in hypotheses])
    nees = np.full(len(rows), np.nan)
    if truth is not None and truth.unit == 'm':
        for number in np.flatnonzero(accepted):
            nees[number] = nees_of(hypotheses[number], truth.query_points[number])
    return Outcome(accepted, right, has_place, np.array(best), nees, stage_times(answers))


def best_rows(hypotheses: Sequence[Hypothesis], recognizer: PlaceRecognizer) -> NDArray[np.int64]:
    """(Q,) map rows of the best candidates; -1 if there is none."""
    ids = recognizer.place_map.keyframe_ids()
    row_of = {int(keyframe_id): row for row, keyframe_id in enumerate(ids)}
    return np.array(
        [row_of[h.candidates[0].keyframe.keyframe_id] if h.candidates else -1 for h in hypotheses]
    )


def nees_of(hypothesis: Hypothesis, truth_m: NDArray[np.float64]) -> float:
    """NEES of the horizontal position; NaN if none was published."""
    pose = hypothesis.pose
    if pose is None or pose.covariance is None:
        return float('nan')
    return nees_per_dimension(pose.position_m[:2] - truth_m, pose.covariance[:2, :2])


def wrong_answers(
    drive: str,
    answers: Sequence[Answer],
    outcome: Outcome,
    truth: GroundTruth | None,
    recognizer: PlaceRecognizer,
) -> list[WrongAnswer]:
    """The accepted answers that are wrong, the most probable first."""
    database = keyframes_as_frames(recognizer.place_map)
    rows = best_rows([answer.hypothesis for answer in answers], recognizer)
    numbers = np.flatnonzero(outcome.accepted & ~outcome.right).tolist()
    found = [wrong_answer(drive, answers, n, int(rows[n]), truth, database) for n in numbers]
    return sorted(found, key=lambda wrong: -wrong.probability)


def wrong_answer(
    drive: str,
    answers: Sequence[Answer],
    number: int,
    row: int,
    truth: GroundTruth | None,
    database: Sequence[Frame],
) -> WrongAnswer:
    """The wrong answer to the frame with this number, with pictures."""
    frame, best = answers[number].frame, answers[number].hypothesis.candidates[0]
    distance = float('nan') if truth is None else truth.distance(number, row)
    unit = '' if truth is None else truth.unit
    where = 'another place' if truth is None else f'{distance:.1f} {unit} away'
    captions = f'p {best.probability:.3f}, {where}', f'{best.inliers} inliers'
    tiles = [
        Tile(frame.load(), (drive, frame.name), TileMark.QUERY),
        Tile(database[row].load(), captions, TileMark.WRONG),
    ]
    nearest = None if truth is None else truth.nearest_positive(number)
    if nearest is not None:
        right = database[nearest]
        tiles.append(Tile(right.load(), ('nearest right one', right.name), TileMark.MISSED))
    return WrongAnswer(
        drive,
        frame.name,
        database[row].name,
        distance,
        unit,
        best.probability,
        best.by_itself,
        best.similarity,
        best.margin,
        best.inliers,
        tiles,
    )


def learn(
    setup: Setup, sources: Sequence[DriveQueries], variant: str, config: CalibrationConfig
) -> Calibration:
    """Learn one calibration of a variant on all drives."""
    with ExitStack() as stack:
        searched = []
        for each in sources:
            recognizer = stack.enter_context(setup.recognizer(each, config_of(variant)))
            drive = judged_drive(
                each.frames,
                recognizer.place_map,
                POSITIVE_DISTANCE_M,
                odometry=each.odometry,
                elsewhere=each.elsewhere,
            )
            searched.append((drive, recognizer))
        name = ' '.join(each.name for each in sources)
        return calibrate(searched, config, POSITIVE_DISTANCE_M, name).calibration


def costs(setup: Setup, drive: DriveQueries) -> dict[str, float]:
    """Medians over single images, in ms: wall-clock time, and CPU time of all threads."""
    engine = create_engine(setup.model)
    frames = drive.frames[:TIMED_IMAGES]
    images = [frame.load() for frame in frames]
    batches = [pixel_batch(image, setup.model.preprocessing) for image in images]
    described = np.array([_timed_ms(partial(engine.describe, batch)) for batch in batches])
    engine.close()
    alone, checked = (
        replace(RecognizerConfig(), verify=verify, verify_from=0.0, min_probability=1.0)
        for verify in (False, True)
    )
    with setup.fresh_recognizer(drive, alone) as recognizer:
        passes = []
        for config in (alone, checked):
            recognizer.config = config
            recognizer.reset()
            recognize = recognizer.recognize
            passes.append(
                [
                    _timed_ms(partial(recognize, image, frame.stamp_ns))
                    for image, frame in zip(images, frames, strict=True)
                ]
            )
    verified = np.array(passes[1]) - np.array(passes[0])
    names = ('describe_ms', 'describe_cpu_ms', 'verify_ms', 'verify_cpu_ms')
    values = [*np.median(described, axis=0), *np.median(verified, axis=0)]
    return dict(zip(names, map(float, values), strict=True))


def _timed_ms(call: Callable[[], object]) -> tuple[float, float]:
    """Wall-clock and CPU milliseconds of one call; other load does not affect the latter."""
    started, cpu_before = time.perf_counter(), time.process_time()
    call()
    wall_s = time.perf_counter() - started
    return 1e3 * wall_s, 1e3 * (time.process_time() - cpu_before)
