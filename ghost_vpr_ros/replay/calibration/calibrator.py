"""Calibrates a map on a validation drive: probabilities of margins, and a threshold.

The drive is queried twice: the margins of the first pass, each frame alone, fit the logistic
function; the final probabilities of the second pass, after every stage, give the threshold. In
both passes each frame is also queried with its place hidden, because a drive through known places
shows little of what happens at unknown ones. These answers are weighted to a stated share of the
frames. A drive through other places, if given, replaces them: in a small map, the surroundings of
a hidden place still show the same street.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

import numpy as np

from ghost_vpr_ros.core.datatypes import Progress
from ghost_vpr_ros.core.errors import CalibrationError, SourceError
from ghost_vpr_ros.core.probability.calibration import Calibration
from ghost_vpr_ros.core.recognizer import PlaceRecognizer
from ghost_vpr_ros.replay.calibration.judged_drive import (
    Answers,
    Drive,
    JudgedAnswer,
    query_drive,
    query_elsewhere,
)
from ghost_vpr_ros.replay.config import CalibrationConfig
from ghost_vpr_ros.replay.evaluation.calibration_fit import fit_margin_logistic, threshold_for

MIN_EXAMPLES = 20
"""Least number of right and of wrong matches to learn from."""

PASSES = 4
"""Queries per frame: before and after, each as driven and with its place hidden."""

SAME_IMAGE = 0.9999
_RIGHT_PERCENTILE = 10.0


SearchedDrive = tuple[Drive, PlaceRecognizer]
"""A drive and the recogniser of the map that it is searched in."""


@dataclass(frozen=True)
class CalibrationRun:
    """The calibration learned on a drive, and its answers before and after.

    Attributes:
        calibration: to be stored in the map.
        before: with probabilities from the map's own keyframes; when learning, of each
            frame alone.
        after: with probabilities of the calibration.
    """

    calibration: Calibration
    before: Answers
    after: Answers


def calibrate(
    searched: Sequence[SearchedDrive],
    config: CalibrationConfig,
    positive_distance_m: float,
    learnt_on: str,
    progress: Progress | None = None,
) -> CalibrationRun:
    """Learn one calibration on drives, each searched in its own map; the maps are not changed.

    Args:
        searched: drives with known truth, and recognisers of one network and one configuration,
            which are left with the new calibration in use.
        config: stated precision and share of unknown places.
        positive_distance_m: by which the drives are judged.
        learnt_on: name of the drives.
        progress: called for each frame in each of the `PASSES`.

    Raises:
        SourceError: the images of a drive are in the map.
        CalibrationError: too few right or wrong examples, right ones do not have larger margins,
            or the stated precision is out of reach.
    """
    _use(searched, None)
    before = _query_each(searched, config.unknown_share, progress, is_alone=True)
    check_is_another_drive(before.as_driven().answers)
    learned = _learn(before, searched[0][1], config, positive_distance_m, learnt_on)
    _use(searched, learned)
    after = _query_each(searched, config.unknown_share, progress)
    finished = _with_threshold(learned, after, config)
    _use(searched, finished)
    return CalibrationRun(finished, before, after)


def _use(searched: Sequence[SearchedDrive], calibration: Calibration | None) -> None:
    for _, recognizer in searched:
        recognizer.use_calibration(calibration)


def _query_each(
    searched: Sequence[SearchedDrive],
    unknown_share: float,
    progress: Progress | None,
    *,
    is_alone: bool = False,
) -> Answers:
    parts = []
    for drive, recognizer in searched:
        with _without_filter(recognizer) if is_alone else nullcontext():
            parts.append(query_all(drive, recognizer, unknown_share, progress))
    return Answers.joined(parts)


def _with_threshold(
    learned: Calibration, after: Answers, config: CalibrationConfig
) -> Calibration:
    """The calibration with the threshold from its final probabilities."""
    point = threshold_for(
        after.column('probability'),
        after.flags('is_right'),
        config.precision,
        after.weights,
        by_lower_bound=config.by_lower_bound,
    )
    return replace(
        learned,
        min_probability=point.threshold,
        achieved_precision=point.precision,
        precision_lower_bound=point.precision_lower_bound,
        achieved_recall=recall_from(after, point.threshold),
        num_accepted=point.num_accepted,
    )


def check(
    drive: Drive,
    recognizer: PlaceRecognizer,
    calibration: Calibration,
    progress: Progress | None = None,
) -> CalibrationRun:
    """How well a calibration learned elsewhere holds on this drive; nothing is learned.

    Raises:
        SourceError: the drive's images are in the map.
    """
    recognizer.use_calibration(None)
    before = query_all(drive, recognizer, calibration.unknown_share, progress)
    check_is_another_drive(before.as_driven().answers)
    recognizer.use_calibration(calibration)
    after = query_all(drive, recognizer, calibration.unknown_share, progress)
    return CalibrationRun(calibration, before, after)


def query_all(
    drive: Drive,
    recognizer: PlaceRecognizer,
    unknown_share: float,
    progress: Progress | None = None,
) -> Answers:
    """The answers as driven and, unless their share is 0, at places that the map lacks.

    The latter are to the drive's frames with their places hidden, unless it has frames elsewhere.
    """
    seen = query_drive(drive, recognizer, progress=progress)
    if unknown_share == 0.0:
        return Answers(seen, np.ones(len(seen)))
    if drive.elsewhere is not None:
        hidden = query_elsewhere(drive.elsewhere, recognizer, progress=progress)
    else:
        # Frame by frame: hidden places that move with the camera would mislead the filter.
        with _without_filter(recognizer):
            hidden = query_drive(drive, recognizer, is_hidden=True, progress=progress)
    weight = unknown_share / (1.0 - unknown_share) * len(seen) / max(1, len(hidden))
    weights = np.concatenate([np.ones(len(seen)), np.full(len(hidden), weight)])
    return Answers([*seen, *hidden], weights)


@contextmanager
def _without_filter(recognizer: PlaceRecognizer) -> Iterator[None]:
    """Judge each frame alone in the body of a `with` statement."""
    wanted = recognizer.config
    recognizer.config = replace(wanted, temporal='none')
    try:
        yield
    finally:
        recognizer.config = wanted


def check_is_another_drive(answers: Sequence[JudgedAnswer]) -> None:
    """Check that these images are not those of the map, which would find themselves.

    Raises:
        SourceError: an image has the same descriptor as a keyframe.
    """
    same = [answer for answer in answers if answer.similarity >= SAME_IMAGE]
    if same:
        raise SourceError(
            f'{same[0].image}: expected a drive whose images are not in the map, found '
            f'{len(same)} of {len(answers)} that are; calibrate on another drive through the '
            'same places'
        )


def recall_from(answers: Answers, threshold: float) -> float:
    """Share of the frames with a place in the map whose answer is accepted and right."""
    has_place = answers.flags('has_place')
    found = answers.flags('is_right') & (answers.column('probability') >= threshold)
    return float(found[has_place].mean()) if has_place.any() else 0.0


def _learn(
    answers: Answers,
    recognizer: PlaceRecognizer,
    config: CalibrationConfig,
    positive_distance_m: float,
    learnt_on: str,
) -> Calibration:
    """The calibration with the logistic function of the margins; it accepts nothing yet."""
    margins, is_right = answers.column('margin'), answers.flags('is_right')
    known = np.isfinite(margins)
    right, wrong = int((is_right & known).sum()), int((~is_right & known).sum())
    _check_enough(right, wrong)
    slope, intercept = fit_margin_logistic(margins[known], is_right[known], answers.weights[known])
    similarity = answers.column('similarity')[is_right & known]
    return Calibration(
        slope=slope,
        intercept=intercept,
        right_similarity=float(np.percentile(similarity, _RIGHT_PERCENTILE)),
        min_probability=1.0,
        stated_precision=config.precision,
        achieved_precision=0.0,
        precision_lower_bound=0.0,
        achieved_recall=0.0,
        num_accepted=0,
        num_right=right,
        num_wrong=wrong,
        num_frames=len(answers.as_driven().answers),
        unknown_share=config.unknown_share,
        group_radius_m=recognizer.config.group_radius_m,
        positive_distance_m=positive_distance_m,
        learnt_on=learnt_on,
        model_hash=recognizer.place_map.model_hash,
    )


def _check_enough(right: int, wrong: int) -> None:
    if right < MIN_EXAMPLES or wrong < MIN_EXAMPLES:
        raise CalibrationError(
            f'expected at least {MIN_EXAMPLES} right and {MIN_EXAMPLES} wrong matches to learn '
            f'from, found {right} right and {wrong} wrong; use a longer drive that has known '
            'places in it, and an --unknown-share above 0 for wrong matches'
        )
