"""Checks whether recent answers agree with each other, according to odometry.

Two right answers are as far apart in the map as the camera drove between them; a wrong answer
contradicts the right ones around it. Source: the pairwise consistency of Mangelson et al.,
"Pairwise Consistent Measurement Set Maximization" (2018).

Deviation: an answer is judged on arrival, by a majority of earlier answers, not in a batch by the
largest clique; and by distances alone, since a place gives only a rough heading. In addition,
answers accepted along an unbroken stretch of odometry are trusted however old they are, so a few
look-alikes cannot move the camera to a similar street.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, Pose, Reason
from ghost_vpr_ros.core.recognition.odometry import Reading
from ghost_vpr_ros.core.sampling import evenly_spaced

_MOST_TRUSTED = 50
"""Number of accepted answers kept; as many contradicting answers in a row replace them."""

_LEAST_TRUSTED = 5
"""Fewer trusted answers than this may all be wrong."""

_COMPARED = 10

WINDOW_M = 30.0
"""Answers this close along the path are compared; without odometry, those within `memory_s`."""

TOLERANCE_M = 3.0
"""How much the distances between frames and between places may differ, beyond their error."""

SUPPORT_M = 8.0
"""Least distance between an answer and an earlier one that supports it as a closure."""


@dataclass(frozen=True)
class Agreement:
    """How far an answer agrees with previous ones.

    Attributes:
        reason: why it may not be accepted; NONE where it may.
        support: how many answers given at least `SUPPORT_M` earlier agree with it.
    """

    reason: Reason
    support: int = 0


@dataclass(frozen=True, eq=False)
class _Vote:
    """An answer that was sure enough.

    Attributes:
        reading: of its frame.
        place: (2,) position in the map, metres.
        sigma_m: standard deviation of the position, metres.
    """

    reading: Reading
    place: NDArray[np.float64]
    sigma_m: float

    @classmethod
    def of(cls, pose: Pose, reading: Reading) -> _Vote:
        """The vote of an answer's pose with its covariance."""
        assert pose.covariance is not None
        largest_m2 = float(np.linalg.eigvalsh(pose.covariance[:2, :2])[-1])
        return cls(reading, pose.position_m[:2], math.sqrt(largest_m2))

    def seconds_to(self, other: _Vote) -> float:
        return abs(self.reading.stamp_ns - other.reading.stamp_ns) / 1e9


class _Trusted:
    """Accepted answers of one stretch of odometry, and how many in a row contradicted them."""

    def __init__(self) -> None:
        self._votes: deque[_Vote] = deque(maxlen=_MOST_TRUSTED)
        self._against: list[_Vote] = []

    def add(self, vote: _Vote, config: RecognizerConfig) -> None:
        """Add an accepted answer that others agree with."""
        self._against.clear()
        if self._contradicts(vote, config):
            self._votes.clear()
        is_repeat = bool(self._votes) and _is_repeat(vote, self._votes[-1], config)
        if vote.reading.odometry is not None and not is_repeat:
            self._votes.append(vote)

    def refuse(self, vote: _Vote, config: RecognizerConfig) -> bool:
        """Whether the trusted answers contradict an answer.

        After as many contradicting answers as trusted ones, the trusted ones are dropped.
        """
        if len(self._votes) < _LEAST_TRUSTED or not self._contradicts(vote, config):
            return False
        if not (self._against and _is_repeat(vote, self._against[-1], config)):
            self._against.append(vote)
        if len(self._against) < len(self._votes):
            return True
        self._votes.clear()
        self._against.clear()
        return False

    def _contradicts(self, vote: _Vote, config: RecognizerConfig) -> bool:
        """Whether most of them place the camera elsewhere."""
        here = vote.reading
        if self._votes and self._votes[-1].reading.stretch != here.stretch:
            self._votes.clear()
        if not self._votes or here.odometry is None:
            return False
        rows = evenly_spaced(len(self._votes), _COMPARED)
        says = [_agree(vote, self._votes[row], config) for row in rows]
        return 2 * says.count(False) > len(says)


class Consistency:
    """Judges sure answers by earlier sure ones, including those that were refused."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all answers: the next frame belongs to another time or place."""
        self._votes: deque[_Vote] = deque()
        self._contradicted_ns: int | None = None
        self._trusted = _Trusted()

    def judge(
        self,
        pose: Pose,
        reading: Reading,
        config: RecognizerConfig,
        *,
        by_features: bool = False,
    ) -> Agreement:
        """Whether an answer that is sure on its own may be accepted, and become a closure.

        Args:
            pose: of the place that it names, map frame, with its covariance.
            reading: of the odometer at its frame.
            config: the stage's settings.
            by_features: whether only the local features of its image made it sure.

        Returns:
            ODOMETRY if it contradicts at least as many recent answers as it agrees with, or most
            of those accepted on this stretch of odometry; LOCKOUT for a while after the former;
            CONSISTENCY if only local features made it sure, and it agrees with fewer than
            `min_support`; otherwise NONE, also for a frame without a stamp.
        """
        if reading.stamp_ns == UNKNOWN_STAMP_NS:
            return Agreement(Reason.NONE)
        vote = _Vote.of(pose, reading)
        agree = {other: _agree(vote, other, config) for other in self._others(vote, config)}
        agreeing = [other for other, says in agree.items() if says]
        contradicting = [other for other, says in agree.items() if says is False]
        if contradicting and len(agreeing) <= len(contradicting):
            self._contradicted_ns = reading.stamp_ns
            return Agreement(Reason.ODOMETRY)
        if self._trusted.refuse(vote, config):
            return Agreement(Reason.ODOMETRY)
        if self._is_locked_out(reading.stamp_ns, config.lockout_s):
            return Agreement(Reason.LOCKOUT)
        if by_features and len(agreeing) < config.min_support:
            return Agreement(Reason.CONSISTENCY)
        if agreeing:
            self._trusted.add(vote, config)
        support = sum(_lies_back(vote, other) for other in agreeing)
        return Agreement(Reason.NONE, support)

    def _others(self, vote: _Vote, config: RecognizerConfig) -> list[_Vote]:
        """Earlier votes nearby that this one does not repeat; this one is added to the memory."""
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
    """Whether both are on the same stretch of odometry and close enough along it."""
    here, there = vote.reading, before.reading
    if here.stretch != there.stretch or here.stamp_ns < there.stamp_ns:
        return False
    if here.odometry is None or there.odometry is None:
        return vote.seconds_to(before) <= config.memory_s
    return here.along_m - there.along_m <= WINDOW_M


def _is_repeat(vote: _Vote, other: _Vote, config: RecognizerConfig) -> bool:
    """Whether both were seen from nearly the same position: both are right or both wrong."""
    here, there = vote.reading, other.reading
    if here.odometry is None or there.odometry is None:
        return vote.seconds_to(other) < config.evidence_interval_s
    return here.along_m - there.along_m < config.evidence_distance_m


def _agree(vote: _Vote, other: _Vote, config: RecognizerConfig) -> bool | None:
    """Whether the places are as far apart as the frames; without odometry, within reach.

    None if undecided: without odometry, once there was time to drive from one place to the other,
    both can be right, and any wrong place passes as well.
    """
    here, there = vote.reading.odometry, other.reading.odometry
    places_m = float(np.linalg.norm(vote.place - other.place))
    if here is None or there is None:
        reached_m = config.max_speed_m_s * vote.seconds_to(other)
        if places_m > reached_m + 2.0 * config.match_spread_m:
            return False
        return True if places_m <= config.group_radius_m else None
    frames_m = float(np.linalg.norm((here.position_m - there.position_m)[:2]))
    error_m = config.odometry_error * (vote.reading.along_m - other.reading.along_m)
    error_m += vote.sigma_m + other.sigma_m
    return abs(places_m - frames_m) <= TOLERANCE_M + error_m


def _lies_back(vote: _Vote, other: _Vote) -> bool:
    """Whether the other was seen so much earlier that a mere look-alike would be out of view."""
    here, there = vote.reading, other.reading
    if here.odometry is None or there.odometry is None:
        return True
    return here.along_m - there.along_m >= SUPPORT_M
