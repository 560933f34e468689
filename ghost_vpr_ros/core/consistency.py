"""Do the answers of the last metres agree with each other, through odometry?

Two right answers are as far apart in the map as the camera was driven between them; a wrong one
contradicts the right ones around it. Source: the pairwise consistency of Mangelson et al.,
"Pairwise Consistent Measurement Set Maximization" (2018).

Deviation: an answer is judged when it comes, by majority among those before it, not in a batch
by the largest clique; and by distances alone, since a place tells a heading only roughly.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, Reason
from ghost_vpr_ros.core.odometer import Reading
from ghost_vpr_ros.core.recognizer_config import RecognizerConfig


@dataclass(frozen=True)
class _Vote:
    reading: Reading
    place: NDArray[np.float64]

    def seconds_to(self, other: _Vote) -> float:
        return abs(self.reading.stamp_ns - other.reading.stamp_ns) / 1e9


class Consistency:
    """Remembers the answers that were sure enough, the refused ones among them."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget them: what comes next is of another time or place."""
        self._votes: deque[_Vote] = deque()
        self._contradicted_ns: int | None = None

    def judge(
        self,
        position_m: NDArray[np.float64],
        reading: Reading,
        config: RecognizerConfig,
        *,
        by_features: bool = False,
    ) -> Reason:
        """Whether an answer that is sure by itself may be accepted.

        Args:
            position_m: (3,) of the place that it names, map frame.
            reading: of the odometer at its frame.
            config: the stage's settings.
            by_features: whether only the local features of its image made it sure.

        Returns:
            NONE where it may. ODOMETRY where it contradicts at least as many answers of the last
            metres as it agrees with; LOCKOUT for a while after such a contradiction; CONSISTENCY
            where it agrees with fewer than it needs. Without a stamp: always NONE.
        """
        if reading.stamp_ns == UNKNOWN_STAMP_NS:
            return Reason.NONE
        vote = _Vote(reading, position_m[:2])
        others = self._others(vote, config)
        agreeing = sum(_agree(vote, other, config) for other in others)
        if others and 2 * agreeing <= len(others):
            self._contradicted_ns = reading.stamp_ns
            return Reason.ODOMETRY
        if self._is_locked_out(reading.stamp_ns, config.lockout_s):
            return Reason.LOCKOUT
        needed = config.min_verified_support if by_features else config.min_support
        return Reason.NONE if agreeing >= needed else Reason.CONSISTENCY

    def _others(self, vote: _Vote, config: RecognizerConfig) -> list[_Vote]:
        """The remembered votes near by that are no repeats of this one; it is remembered too."""
        while self._votes and not _is_near(vote, self._votes[0], config):
            self._votes.popleft()
        others = [other for other in self._votes if not _is_repeat(vote, other, config)]
        if len(others) == len(self._votes):
            self._votes.append(vote)
        return others

    def _is_locked_out(self, stamp_ns: int, lockout_s: float) -> bool:
        since = self._contradicted_ns
        return since is not None and 0 <= stamp_ns - since < round(1e9 * lockout_s)


def _is_near(vote: _Vote, before: _Vote, config: RecognizerConfig) -> bool:
    """Whether both are of the same stretch, not too far apart along it."""
    here, there = vote.reading, before.reading
    if here.stretch != there.stretch or here.stamp_ns < there.stamp_ns:
        return False
    if here.odometry is None or there.odometry is None:
        return vote.seconds_to(before) <= config.memory_s
    return here.along_m - there.along_m <= config.consistency_window_m


def _is_repeat(vote: _Vote, other: _Vote, config: RecognizerConfig) -> bool:
    """Whether one was seen from where the other was seen: then they are wrong together."""
    here, there = vote.reading, other.reading
    if here.odometry is None or there.odometry is None:
        return vote.seconds_to(other) < config.evidence_interval_s
    return here.along_m - there.along_m < config.evidence_distance_m


def _agree(vote: _Vote, other: _Vote, config: RecognizerConfig) -> bool:
    """Whether the places are as far apart as the frames; without odometry, not too far apart."""
    here, there = vote.reading.odometry, other.reading.odometry
    places_m = float(np.linalg.norm(vote.place - other.place))
    if here is None or there is None:
        reached_m = config.max_speed_m_s * vote.seconds_to(other)
        return places_m <= reached_m + 2.0 * config.match_spread_m
    frames_m = float(np.linalg.norm((here.position_m - there.position_m)[:2]))
    error_m = config.odometry_error * (vote.reading.along_m - other.reading.along_m)
    return abs(places_m - frames_m) <= config.consistency_tolerance_m + error_m
