"""From rows and similarities to candidates with probabilities, best first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Candidate, Keyframe
from ghost_vpr_ros.core.likelihood import PlaceLikelihood


def make_candidates(
    keyframes: Sequence[Keyframe],
    similarities: NDArray[np.float32],
    likelihood: PlaceLikelihood | None,
    radius_m: float,
) -> tuple[Candidate, ...]:
    """Candidates in the order given, each with its probability.

    Args:
        keyframes: n retrieved keyframes, best first.
        similarities: (n,) float32, falling.
        likelihood: of the map; None where it cannot tell: probabilities are NaN.
        radius_m: keyframes this near to each other show the same place.
    """
    probabilities = np.full(len(keyframes), np.nan)
    if likelihood is not None and len(keyframes) > 0:
        margins = margins_of(positions_of(keyframes), similarities.astype(np.float64), radius_m)
        probabilities = likelihood.probability(margins)
    return tuple(
        Candidate(keyframe, float(similarity), float(probability))
        for keyframe, similarity, probability in zip(
            keyframes, similarities, probabilities, strict=True
        )
    )


def margins_of(
    positions: NDArray[np.float64], similarities: NDArray[np.float64], radius_m: float
) -> NDArray[np.float64]:
    """(n,) how much more similar each candidate is than the best one elsewhere.

    Where every candidate lies within the radius, whatever was not retrieved is at most as similar
    as the last one: the margin to that is the least it can be. NaN without a position.
    """
    distance_m = np.linalg.norm(positions[:, np.newaxis] - positions[np.newaxis], axis=2)
    elsewhere = np.where(distance_m > radius_m, similarities[np.newaxis], similarities[-1])
    return similarities - elsewhere.max(axis=1) + 0.0 * positions.sum(axis=1)


def positions_of(keyframes: Sequence[Keyframe]) -> NDArray[np.float64]:
    """(n, 3) float64 positions in the map frame, metres; NaN where unknown."""
    unknown = np.full(3, np.nan)
    rows = [unknown if k.pose is None else k.pose.position_m for k in keyframes]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)
