"""From rows and similarities to candidates with probabilities, best first."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Candidate, Keyframe
from ghost_vpr_ros.core.geodesy import horizontal_distance_m
from ghost_vpr_ros.core.poses import quaternion_to_yaw
from ghost_vpr_ros.core.probability.likelihood import Likelihood


def make_candidates(
    keyframes: Sequence[Keyframe],
    positions: NDArray[np.float64],
    similarities: NDArray[np.float32],
    likelihood: Likelihood | None,
    radius_m: float,
    elsewhere: float = -math.inf,
) -> tuple[Candidate, ...]:
    """The first retrieved keyframes as candidates, each with its probability.

    Args:
        keyframes: the first of n retrieved keyframes, best first; the others are only used to find
            the best one elsewhere.
        positions: (n, 3) of all of them, map frame, metres; NaN where unknown.
        similarities: (n,) float32, descending.
        likelihood: of the map or of its calibration; None where there is none: probabilities
            are NaN.
        radius_m: keyframes this near to each other show the same place.
        elsewhere: similarity of the best keyframe elsewhere that was not retrieved, where known.
    """
    count = len(keyframes)
    if count == 0:
        return ()
    numbers = similarities.astype(np.float64)
    margins = margins_of(positions, numbers, radius_m, count, elsewhere)
    probabilities = np.full(count, np.nan)
    if likelihood is not None:
        known = numbers[:count] if likelihood.by_similarity else margins
        probabilities = likelihood.probability(known)
    return tuple(
        Candidate(
            keyframe,
            float(similarity),
            float(probability),
            by_itself=float(probability),
            margin=float(margin),
        )
        for keyframe, similarity, probability, margin in zip(
            keyframes, similarities[:count], probabilities, margins, strict=True
        )
    )


def margins_of(
    positions: NDArray[np.float64],
    similarities: NDArray[np.float64],
    radius_m: float,
    count: int,
    elsewhere: float = -math.inf,
) -> NDArray[np.float64]:
    """(count,) margins: how much more similar each keyframe is than the best one elsewhere.

    Where all n lie within the radius, keyframes that were not retrieved are at most as similar as
    the last one, so the margin to the last one is a lower bound. `elsewhere`, if known, replaces
    it. NaN without a position.
    """
    far = _is_elsewhere(positions, radius_m, count)
    least = similarities[-1] if elsewhere == -math.inf else elsewhere
    best = np.where(far, similarities[np.newaxis], least).max(axis=1)
    margins = similarities[:count] - np.maximum(best, elsewhere)
    return np.asarray(margins + 0.0 * positions[:count].sum(axis=1))


def reaches_elsewhere(positions: NDArray[np.float64], radius_m: float, count: int) -> bool:
    """Whether each of the first `count` of n positions (n, 3) has one elsewhere among the n.

    Only then are their margins exact. A keyframe without a position has no margin and is skipped.
    """
    found = _is_elsewhere(positions, radius_m, count).any(axis=1)
    return bool((found | np.isnan(positions[:count]).any(axis=1)).all())


def _is_elsewhere(
    positions: NDArray[np.float64], radius_m: float, count: int
) -> NDArray[np.bool_]:
    """(count, n): whether position n is farther than the radius; False where unknown."""
    distance_m = horizontal_distance_m(positions[:count, np.newaxis], positions[np.newaxis])
    return np.asarray(distance_m > radius_m)


def most_probable_first(
    candidates: Sequence[Candidate], points: NDArray[np.float64], radius_m: float
) -> tuple[Candidate, ...]:
    """Candidates of the most probable place in their order, then all others by probability.

    Args:
        candidates: n candidates; at least one has a probability.
        points: (n, 2) of them, map frame, metres; NaN where unknown.
        radius_m: candidates this near to each other show the same place.
    """
    probability = np.array([c.probability for c in candidates])
    best = points[int(np.nanargmax(probability))]
    near = np.hypot(*(points - best).T) <= radius_m
    order = np.lexsort((np.where(near, 0.0, -np.nan_to_num(probability)), ~near))
    return tuple(candidates[number] for number in order)


def positions_of(keyframes: Sequence[Keyframe]) -> NDArray[np.float64]:
    """(n, 3) float64 positions in the map frame, metres; NaN where unknown."""
    unknown = np.full(3, np.nan)
    rows = [unknown if k.pose is None else k.pose.position_m for k in keyframes]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def yaws_of(keyframes: Sequence[Keyframe]) -> NDArray[np.float64]:
    """(n,) float64 headings in the map frame, radians from east; NaN where unknown."""
    poses = [keyframe.pose for keyframe in keyframes]
    return np.array(
        [
            np.nan if pose is None or pose.quaternion_xyzw is None
            else quaternion_to_yaw(pose.quaternion_xyzw)
            for pose in poses
        ],
        dtype=np.float64,
    )  # fmt: skip
