"""The decision on a query: accepted, tentative, rejected or unknown place, and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import Candidate, Hypothesis, Reason, State
from ghost_vpr_ros.core.probability.calibration import Calibration
from ghost_vpr_ros.core.probability.likelihood import Likelihood

UNCALIBRATED_THRESHOLD = 0.9
"""Probability from which a place is accepted if neither user nor calibration sets one."""


def decide(
    candidates: Sequence[Candidate],
    likelihood: Likelihood | None,
    config: RecognizerConfig,
    own_session: str = '',
    *,
    is_limited: bool = False,
) -> tuple[State, Reason]:
    """State and reason for candidates, best first.

    A place is accepted if the belief is sure and the current image supports it. It is tentative if
    only the image or only the previous frames support it, if its probability is medium, or if
    there is no likelihood. It is ambiguous (rejected) if it is as similar as right matches are,
    but hardly more similar than a place elsewhere. Otherwise it is an unknown place, as it is if
    nothing was found, because the map is empty or the search `is_limited` to a part of it.
    """
    if not candidates:
        return State.UNKNOWN_PLACE, Reason.LOW_SCORE if is_limited else Reason.EMPTY_MAP
    best = candidates[0]
    if likelihood is None or np.isnan(best.probability):
        return State.TENTATIVE, Reason.UNCALIBRATED
    shows_it = best.by_itself >= config.tentative_probability
    is_own = best.keyframe.session == own_session
    if is_own and best.similarity < likelihood.right_similarity:
        shows_it = False
    if shows_it and best.probability >= config.min_probability:
        return State.ACCEPTED, Reason.NONE
    if max(best.probability, *(c.by_itself for c in candidates)) >= config.min_probability:
        return State.TENTATIVE, Reason.TEMPORAL
    if best.probability >= config.tentative_probability:
        was_verified = best.inliers >= 0
        return State.TENTATIVE, Reason.GEOMETRIC if was_verified else Reason.LOW_SCORE
    if best.similarity >= likelihood.right_similarity:
        return State.REJECTED, Reason.AMBIGUOUS
    return State.UNKNOWN_PLACE, Reason.LOW_SCORE


_MISSING = {
    Reason.NONE: '',
    Reason.EMPTY_MAP: 'a map with keyframes',
    Reason.AMBIGUOUS: 'a difference between two places that look alike',
    Reason.TEMPORAL: 'agreement of this image with previous frames',
    Reason.ODOMETRY: 'agreement with odometry and recent answers',
    Reason.CONSISTENCY: 'other answers that agree with it',
    Reason.LOCKOUT: 'time since answers contradicted each other',
    Reason.UNCALIBRATED: 'a map with a likelihood: keyframes with positions, or a calibration',
    Reason.IMAGE_QUALITY: 'an image that shows something',
    Reason.STALE: 'a newer image',
    Reason.FAILURE: 'a repair, see the log',
}
"""What an answer lacks to be accepted; other reasons are explained by numbers."""


def missing_text(answer: Hypothesis) -> str:
    """What an answer lacks to be accepted, in words; empty for an accepted one."""
    if answer.reason in _MISSING:
        return answer.detail or _MISSING[answer.reason]
    if not answer.candidates:
        return 'a keyframe near the expected position of the robot'
    found = f'probability {answer.candidates[0].probability:.2f} of {answer.min_probability:.2f}'
    if answer.state is State.UNKNOWN_PLACE:
        return f'{found}: nothing in the map looks like this'
    return found


def is_sure(candidates: Sequence[Candidate], config: RecognizerConfig) -> bool:
    """Whether the best candidate is probable enough to be accepted."""
    return bool(candidates) and candidates[0].probability >= config.min_probability


def decision_config(config: RecognizerConfig, calibration: Calibration | None) -> RecognizerConfig:
    """The configuration with the thresholds that apply.

    A `min_probability` of 0 becomes the calibrated threshold, or `UNCALIBRATED_THRESHOLD` without
    a calibration. `tentative_probability` is lowered to it if it would be higher.
    """
    if config.min_probability:
        return config
    accepted = UNCALIBRATED_THRESHOLD if calibration is None else calibration.min_probability
    tentative = min(config.tentative_probability, accepted)
    return dataclasses.replace(config, min_probability=accepted, tentative_probability=tentative)
