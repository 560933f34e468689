"""From similarity to probability: margins of right and wrong matches inside a map.

A similarity alone means little: its level changes with the network, the scene and the light. What
distinguishes a place from a look-alike is the margin: how much more similar the best candidate is
than the best one elsewhere. The map has examples of both kinds. If a keyframe is hidden and used
as a query, it often finds a neighbour, which gives margins of right matches. If its neighbours are
hidden as well, it can only find a wrong place, which gives margins at unknown places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.geodesy import horizontal_distance_m

MAX_SAMPLES = 500
MIN_SAMPLES = 10

MIN_SEPARATION = 0.02
"""Of the mean right and wrong margin. The similarity of images from one camera at one spot varies
by 0.002 to 0.01 through noise and coding: such differences do not distinguish places."""

_SURE_DEVIATIONS = 3.0
"""Share of samples, beyond chance, that must find a neighbour before any other place."""


class Likelihood(Protocol):
    """Turns margins into probabilities; learned from the map itself, or on a drive.

    Attributes:
        by_similarity: whether it takes similarities themselves instead of margins.
    """

    by_similarity: ClassVar[bool]

    @property
    def right_similarity(self) -> float:
        """Least similarity, at the 10th percentile, of right matches."""
        ...

    def probability(self, margin: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability (n,) that matches of these margins (n,) are right."""
        ...


@dataclass(frozen=True)
class PlaceLikelihood:
    """Two normal distributions of the margin with equal spread: right matches, wrong matches.

    The neighbours within one map were seen in the same light, so right margins are optimistic;
    the threshold lies where the map's own right matches do, which later drives seldom reach. This
    errs towards "unknown place".

    Attributes:
        right_margin: mean margin of right matches.
        wrong_margin: mean margin where the place is not in the map.
        deviation: common standard deviation of both.
        right_similarity: least similarity, at the 10th percentile, of right matches.
    """

    by_similarity: ClassVar[bool] = False

    right_margin: float
    wrong_margin: float
    deviation: float
    right_similarity: float

    def probability(self, margin: NDArray[np.float64]) -> NDArray[np.float64]:
        """Posterior (n,) that a margin (n,) belongs to a right match; both equally likely before.

        The ratio of two normal densities of equal deviation is a logistic function.
        """
        middle = 0.5 * (self.right_margin + self.wrong_margin)
        slope = (self.right_margin - self.wrong_margin) / self.deviation**2
        return logistic(slope * (margin - middle))


def logistic(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-value)), without overflow."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(value, -60.0, 60.0))))


def learn_likelihood(
    descriptors: NDArray[np.float32], positions: NDArray[np.float64], radius_m: float
) -> PlaceLikelihood | None:
    """The likelihood learned from a map's own keyframes, or None where they do not suffice.

    Args:
        descriptors: (N, D) float32, unit norm.
        positions: (N, 3) float64 metres in the map frame; NaN where unknown.
        radius_m: keyframes this near to each other show the same place.

    Returns:
        None when fewer than `MIN_SAMPLES` keyframes find a neighbour before anything elsewhere,
        or no more than chance lets, or when right margins are hardly larger than wrong ones: where
        everything looks alike there is none.
    """
    return fit_likelihood(margins_within(descriptors, positions, radius_m))


def margins_within(
    descriptors: NDArray[np.float32], positions: NDArray[np.float64], radius_m: float
) -> NDArray[np.float64]:
    """(n, 4) for `fit_likelihood`: keyframes of a map, each searched for while it is hidden.

    Of a large map `MAX_SAMPLES` are tried; those without a neighbour, or with nothing elsewhere,
    are left out. Arguments as above.
    """
    known = np.isfinite(positions).all(axis=1)
    descriptors, positions = descriptors[known], positions[known]
    samples = np.unique(np.linspace(0, max(0, len(descriptors) - 1), MAX_SAMPLES).astype(np.int64))
    rows = samples[: len(descriptors)].tolist()
    found = [_margins(row, descriptors, positions, radius_m) for row in rows]
    return np.array([margins for margins in found if margins is not None]).reshape(-1, 4)


def num_teaching(margins: NDArray[np.float64]) -> int:
    """How many of these keyframes find a neighbour before anything elsewhere.

    `MIN_SAMPLES` of them suffice for a likelihood, unless everything looks alike.
    """
    return int((margins[:, 0] > 0.0).sum())


def _margins(
    row: int,
    descriptors: NDArray[np.float32],
    positions: NDArray[np.float64],
    radius_m: float,
) -> tuple[float, float, float, float] | None:
    """Right margin, wrong margin, right similarity and share of neighbours of one keyframe.

    The right margin is negative where something elsewhere is more similar than the neighbours.
    """
    similarity = descriptors @ descriptors[row]
    near = horizontal_distance_m(positions, positions[row]) <= radius_m
    neighbours = near.copy()
    neighbours[row] = False
    if not neighbours.any() or near.all():
        return None
    right = float(similarity[neighbours].max())
    elsewhere = np.where(near, -np.inf, similarity)
    wrong_row = int(elsewhere.argmax())
    wrong = float(elsewhere[wrong_row])
    around_wrong = horizontal_distance_m(positions, positions[wrong_row]) <= radius_m
    third = np.where(near | around_wrong, -np.inf, similarity).max()
    if not np.isfinite(third):
        return None
    share = int(neighbours.sum()) / (len(near) - 1)
    return right - wrong, wrong - float(third), right, share


def fit_likelihood(margins: NDArray[np.float64]) -> PlaceLikelihood | None:
    """The likelihood learned from the samples of a map, or None where they do not suffice.

    Args:
        margins: (n, 4) right margin, wrong margin, right similarity, and share of the other
            keyframes that are neighbours: the chance to find one of them first.
    """
    finds = margins[:, 0] > 0.0
    if finds.sum() < MIN_SAMPLES or finds.sum() <= _most_by_chance(margins[:, 3]):
        return None
    right, wrong, similarity = margins[finds, 0], margins[:, 1], margins[finds, 2]
    deviation = float(np.sqrt(0.5 * (right.var() + wrong.var())))
    if right.mean() < wrong.mean() + MIN_SEPARATION or deviation == 0.0:
        return None
    return PlaceLikelihood(
        float(right.mean()),
        float(wrong.mean()),
        deviation,
        float(np.percentile(similarity, 10.0)),
    )


def _most_by_chance(shares: NDArray[np.float64]) -> float:
    """How many of n samples find a neighbour first where all keyframes are equally alike.

    Args:
        shares: (n,) of the other keyframes that are neighbours.
    """
    return float(shares.sum() + _SURE_DEVIATIONS * np.sqrt((shares * (1.0 - shares)).sum()))
