"""The likelihood learned from a map's own margins, at bounded cost for maps of any size.

A small map is compared with itself (`likelihood.py`). In a larger map, a sample of keyframes
queries the search index instead. The margins are the same, because they only depend on the first
neighbour, the first row elsewhere and the first row of a third place. While the map grows, a few
samples are added after each new keyframe.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.geodesy import horizontal_distance_m
from ghost_vpr_ros.core.map.reader import MapReader
from ghost_vpr_ros.core.probability.likelihood import (
    MIN_SAMPLES,
    PlaceLikelihood,
    fit_likelihood,
    learn_likelihood,
)
from ghost_vpr_ros.core.recognition.known_places import KnownPlaces
from ghost_vpr_ros.core.sampling import evenly_spaced

RELEARN_SHARE = 1.2
"""Growth of the map after which its likelihood is learned again."""

MOST_COMPARED = 5000
"""Most located keyframes of a map that is compared with itself on opening (half a second)."""

MOST_AT_ONCE = 1000
"""The same while a robot maps and frames wait (a tenth of a second)."""

_MOST_SEARCHES = 250
"""Number of samples of a larger map; each one queries it."""

_SAMPLES_A_STEP = 4

_FIRST_DEPTH, _LAST_DEPTH = 64, 1024
"""Rows retrieved for a sample; more are retrieved if all of them show its own place."""


class MapTeacher:
    """Keeps the likelihood of a map up to date.

    Attributes:
        likelihood: what was learned; None if the map does not suffice.
    """

    def __init__(self, place_map: MapReader, places: KnownPlaces) -> None:
        """Keep the map and its keyframes that can answer; call `learn` first."""
        self._map = place_map
        self._places = places
        self.likelihood: PlaceLikelihood | None = None
        self._lesson: Lesson | None = None

    def learn(self, radius_m: float) -> None:
        """Learn at once; keyframes this near to each other show the same place."""
        self._begin(radius_m)
        if len(self._places.located) <= MOST_COMPARED:
            self.likelihood = learn_likelihood(
                self._map.descriptors(), self._map.positions(), radius_m
            )
            return
        lesson = Lesson(self._places, radius_m)
        lesson.go_on(_MOST_SEARCHES)
        self.likelihood = lesson.learned()

    def follow(self, radius_m: float) -> None:
        """Learn again, or a part of it, after the map has grown by one keyframe."""
        located = len(self._places.located)
        if self._lesson is None and located >= RELEARN_SHARE * self._learnt_from:
            if located <= MOST_AT_ONCE:
                self.learn(radius_m)
                return
            self._begin(radius_m)
            self._lesson = Lesson(self._places, radius_m)
        if self._lesson is not None and self._lesson.go_on(_SAMPLES_A_STEP):
            self.likelihood, self._lesson = self._lesson.learned(), None

    def _begin(self, radius_m: float) -> None:
        self._learnt_from = max(len(self._places.located), MIN_SAMPLES)
        self._lesson = None


class Margins(NamedTuple):
    """Margins of one keyframe as a query; `right` is 0 or less if a wrong keyframe is ahead.

    `share` of the other keyframes are neighbours.
    """

    right: float
    wrong: float
    right_similarity: float
    share: float


class Lesson:
    """Queries a map with a sample of its keyframes, a few at a time."""

    def __init__(self, places: KnownPlaces, radius_m: float) -> None:
        """Choose the samples: evenly spaced among the keyframes that have a position."""
        self._places = places
        self._radius_m = radius_m
        chosen = evenly_spaced(len(places.located), _MOST_SEARCHES)
        self._left = places.located.rows[chosen].tolist()
        self._found: list[Margins] = []
        self._counts: dict[int, int] = {}

    def go_on(self, count: int) -> bool:
        """Process this number of samples; returns whether all are done."""
        now, self._left = self._left[:count], self._left[count:]
        wanted = np.array(now, np.int64)
        positions = self._places.rows.positions[wanted]
        # Without neighbours there is no right match to learn from.
        counts = self._places.located.near.count_within(positions[:, :2], self._radius_m)
        depth = _FIRST_DEPTH
        self._counts = dict(zip(now, counts.tolist(), strict=True))
        wanted = wanted[counts > 1]
        while len(wanted):
            wanted = self._ask(wanted, depth)
            depth *= 2
            if depth > min(_LAST_DEPTH, 2 * len(self._places)):
                break
        return not self._left

    def learned(self) -> PlaceLikelihood | None:
        """The likelihood from all samples."""
        return fit_likelihood(np.array(self._found, np.float64).reshape(-1, 4))

    def _ask(self, wanted: NDArray[np.int64], depth: int) -> NDArray[np.int64]:
        """Query the map with samples; returns those that need a deeper search."""
        rows, similarities = self._places.alike(wanted, depth)
        deeper = []
        for row, others, values in zip(wanted, rows, similarities, strict=True):
            margins = self._margins(int(row), others, values.astype(np.float64))
            if margins is None:
                deeper.append(row)
            else:
                self._found.append(margins)
        return np.array(deeper, np.int64)

    def _margins(
        self, own: int, rows: NDArray[np.int64], similarities: NDArray[np.float64]
    ) -> Margins | None:
        """Margins by the ranked rows (n,) of a sample; None if they do not reach a third place."""
        positions = self._places.rows.positions
        counts = (rows != own) & np.isfinite(positions[rows]).all(axis=1)
        rows, similarities = rows[counts], similarities[counts]
        near = self._are_near(rows, positions[own])
        if near.all():
            return None
        first = int(np.argmin(near))
        third = ~near & ~self._are_near(rows, positions[rows[first]])
        if not third.any():
            return None
        wrong = float(similarities[first])
        # A neighbour that was not found is less similar than the last row that was.
        right = float(similarities[int(np.argmax(near))] if near.any() else similarities[-1])
        share = (self._counts[own] - 1) / max(len(self._places.located) - 1, 1)
        second = float(similarities[int(np.argmax(third))])
        return Margins(right - wrong, wrong - second, right, share)

    def _are_near(
        self, rows: NDArray[np.int64], position_m: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        positions = self._places.rows.positions[rows]
        return np.asarray(horizontal_distance_m(positions, position_m) <= self._radius_m)
