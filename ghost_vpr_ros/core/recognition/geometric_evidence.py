"""What local features say for or against the best place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ghost_vpr_ros.core.datatypes import Candidate
from ghost_vpr_ros.core.geodesy import horizontal_distance_m
from ghost_vpr_ros.core.recognition.candidates import positions_of
from ghost_vpr_ros.core.verification.geometric import VerifiedCandidate


def weighed_by_geometry(
    verified: Sequence[VerifiedCandidate], radius_m: float
) -> tuple[Candidate, ...]:
    """The candidates, those of the best place with probabilities weighed by their geometry.

    A place is seen from several keyframes, and the best of them speaks for all: odds of the
    candidates within the radius of the first one are multiplied by the largest likelihood ratio
    among those of them that were verified.

    Args:
        verified: of all candidates of a frame, best first; the first one has a position.
        radius_m: keyframes this near to each other show the same place.
    """
    candidates = [item.candidate for item in verified]
    positions = positions_of([candidate.keyframe for candidate in candidates])
    near = horizontal_distance_m(positions, positions[0]) <= radius_m
    checked = [
        item.likelihood_ratio
        for item, is_near in zip(verified, near, strict=True)
        if is_near and item.candidate.inliers >= 0
    ]
    ratio = max(checked, default=1.0)
    return tuple(
        _weighed(candidate, ratio) if is_near else candidate
        for candidate, is_near in zip(candidates, near, strict=True)
    )


def _weighed(candidate: Candidate, ratio: float) -> Candidate:
    probability, by_itself = (
        _times_odds(value, ratio) for value in (candidate.probability, candidate.by_itself)
    )
    return replace(candidate, probability=probability, by_itself=by_itself)


def _times_odds(probability: float, ratio: float) -> float:
    """The probability whose odds are `ratio` times as large; NaN stays NaN."""
    return float(np.float64(probability * ratio) / (probability * ratio + 1.0 - probability))
