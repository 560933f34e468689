"""A Bayes filter over the places of a map and "off the map": combines the evidence of frames.

Source: the discrete Bayes filter of Angeli et al., "Fast and Incremental Method for Loop-Closure
Detection Using Bags of Visual Words" (2008), Section III, with the off-map state and the odometry
of Xu et al., "Probabilistic Visual Place Recognition for Hierarchical Localization" (2021).

Deviation: the evidence of a frame is the place of its best match and the margin of that match, not
    a likelihood of every keyframe. Off the map, the best match is a wrong one anywhere in the map,
    but often where a recent one was, because look-alikes persist. A frame that repeats the
    previous one, by time and distance, is ignored.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import Candidate
from ghost_vpr_ros.core.recognition.candidates import most_probable_first, positions_of
from ghost_vpr_ros.core.recognition.keyframe_table import LocatedPlaces
from ghost_vpr_ros.core.recognition.odometry import Motion

_MOST_ROWS = 256
"""Most rows with a belief of their own, so that the cost does not grow with the map."""

_WINNERS = 10
"""Number of earlier best matches that a wrong one may repeat."""

_MISS_PROBABILITY = 0.3
"""How often the best match is wrong although the camera is at a place of the map."""

_WRONG_PERSISTENCE = 0.5
"""How often a wrong match is followed by another at the same place."""

_LEAVE_PROBABILITY = 0.02
_ENTER_PROBABILITY = 0.05
"""How often the camera leaves the map between two frames, and returns to it."""

_EVIDENCE_LIMIT = 1e3
"""Limit on the evidence of one frame for or against a place."""


@dataclass
class _Belief:
    """The belief as shares that sum to 1.

    Attributes:
        rows: (n,) int64 rows of the keyframes with a belief of their own.
        mass: (n,) float64 share of each.
        anywhere: share spread evenly over all keyframes.
        off_map: share of "not a place of this map".
    """

    rows: NDArray[np.int64]
    mass: NDArray[np.float64]
    anywhere: float
    off_map: float

    @classmethod
    def of_nothing(cls) -> _Belief:
        """The belief before the first frame, which then decides alone."""
        on_map = 0.5 / (1.0 - _MISS_PROBABILITY)
        return cls(np.empty(0, np.int64), np.empty(0), on_map, 1.0 - on_map)


class TemporalFilter:
    """The belief about where the camera is, carried from frame to frame.

    Keyframes without a position are ignored.
    """

    def __init__(self, located: LocatedPlaces) -> None:
        """Start with the map, which may grow."""
        self._located = located
        self._places = located.near
        self.reset()

    def reset(self) -> None:
        """Forget all frames: the next one belongs to another time or place."""
        self._belief: _Belief | None = None
        self._winners: deque[NDArray[np.float64]] = deque(maxlen=_WINNERS)

    @property
    def off_map(self) -> float:
        """Probability that the camera is off the map, 0 to 1; NaN before the first frame."""
        return math.nan if self._belief is None else self._belief.off_map

    def update(
        self, candidates: Sequence[Candidate], motion: Motion | None, config: RecognizerConfig
    ) -> tuple[Candidate, ...]:
        """The candidates with their probability given all frames, best first.

        Args:
            candidates: of one frame, best first, with probabilities by this frame alone.
            motion: since the last frame used as evidence; None: the two are unrelated.
            config: the filter's settings.

        Returns:
            Each candidate's probability is that the camera is within `group_radius_m` of it.
            Unchanged if the frame is unrelated to previous ones, and if the best one has no
            position or no probability.
        """
        if not candidates or np.isnan(candidates[0].probability) or not len(self._places):
            return tuple(candidates)
        points = positions_of([c.keyframe for c in candidates])[:, :2]
        if motion is None:
            self.reset()
        if self._belief is None or motion is None or not motion.repeats(config):
            self._observe(points[0], candidates[0].probability, motion, config)
        if motion is None:
            return tuple(candidates)
        probability = self._mass_near(points, config.group_radius_m)
        found = [
            replace(candidate, probability=float(value))
            for candidate, value in zip(candidates, probability, strict=True)
        ]
        return most_probable_first(found, points, config.group_radius_m)

    def _observe(
        self,
        winner: NDArray[np.float64],
        probability: float,
        motion: Motion | None,
        config: RecognizerConfig,
    ) -> None:
        """Move the belief, then update it by a best match at `winner` with this probability."""
        if self._belief is None or motion is None:
            belief = _Belief.of_nothing()
        else:
            belief = self._predicted(self._belief, motion, config)
        group, hit = self._evidence(winner, probability, config)
        self._belief = self._weighed(belief, group, hit)

    def _predicted(self, belief: _Belief, motion: Motion, config: RecognizerConfig) -> _Belief:
        """The moved belief, with some of it leaving and entering the map."""
        rows, mass, lost = self._moved(belief, motion, config)
        leaves, enters = _LEAVE_PROBABILITY, _ENTER_PROBABILITY
        arrived = belief.off_map * enters + lost * (1.0 - leaves)
        return _Belief(
            rows,
            mass * (1.0 - leaves),
            belief.anywhere * (1.0 - leaves) + arrived,
            belief.off_map * (1.0 - enters) + leaves * (1.0 - belief.off_map),
        )

    def _moved(
        self, belief: _Belief, motion: Motion, config: RecognizerConfig
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], float]:
        """Rows (n,) and shares (n,) after the motion, and the share left for no keyframe."""
        points = self._places.points[belief.rows]
        yaws = self._located.yaws[belief.rows]
        origins, near = self._places.pairs_within(*motion.targets(points, yaws, config))
        counts = np.bincount(origins, minlength=len(points))
        lost = float(belief.mass[counts == 0].sum())
        if not counts.any():
            return np.empty(0, np.int64), np.empty(0), lost
        rows, place = np.unique(near, return_inverse=True)
        shares = np.repeat(belief.mass / np.maximum(counts, 1), counts)
        moved = np.bincount(place, shares, len(rows)).astype(np.float64)
        return rows.astype(np.int64), moved, lost

    def _evidence(
        self,
        winner: NDArray[np.float64],
        probability: float,
        config: RecognizerConfig,
    ) -> tuple[NDArray[np.int64], float]:
        """The keyframes at `winner`; how much likelier this match is there than off the map."""
        radius_m = config.group_radius_m
        group = self._places.within(winner, radius_m)
        chance = by_error = len(group) / len(self._places)
        if self._winners:
            won_before = any(np.hypot(*(winner - each)) <= radius_m for each in self._winners)
            persistence = _WRONG_PERSISTENCE
            by_error = persistence * won_before + (1.0 - persistence) * chance
        self._winners.append(winner)
        odds = probability / max(1.0 - probability, 1.0 / _EVIDENCE_LIMIT)
        hit = odds * (1.0 - _MISS_PROBABILITY) / by_error
        return group, min(max(hit, 1.0 / _EVIDENCE_LIMIT), _EVIDENCE_LIMIT / chance)

    def _weighed(self, belief: _Belief, group: NDArray[np.int64], hit: float) -> _Belief:
        """Bayes' rule: belief in the group times `hit`, elsewhere times the weight of a miss."""
        miss = _MISS_PROBABILITY
        each = belief.anywhere / len(self._places)
        rows = np.union1d(belief.rows, group)
        mass = np.zeros(len(rows))
        mass[np.searchsorted(rows, belief.rows)] = belief.mass
        inside = np.isin(rows, group)
        mass = np.where(inside, (mass + each) * hit, mass * miss)
        kept = np.sort(np.argsort(-mass, kind='stable')[:_MOST_ROWS])
        anywhere = (belief.anywhere - each * len(group)) * miss + mass.sum() - mass[kept].sum()
        total = mass[kept].sum() + anywhere + belief.off_map
        return _Belief(rows[kept], mass[kept] / total, anywhere / total, belief.off_map / total)

    def _mass_near(self, points: NDArray[np.float64], radius_m: float) -> NDArray[np.float64]:
        """(n,) belief in the keyframes near each of the points (n, 2); NaN for an unknown one."""
        belief = self._belief
        assert belief is not None
        known = np.isfinite(points).all(axis=1)
        offsets = self._places.points[belief.rows] - points[known, np.newaxis]
        near = np.hypot(offsets[..., 0], offsets[..., 1]) <= radius_m
        around = self._places.count_within(points[known], radius_m) / len(self._places)
        mass = np.full(len(points), np.nan)
        mass[known] = np.minimum(near @ belief.mass + belief.anywhere * around, 1.0)
        return mass
