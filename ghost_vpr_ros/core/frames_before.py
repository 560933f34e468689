"""What the frames before say of a frame's candidates, in the way that is configured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.candidates import positions_of, yaws_of
from ghost_vpr_ros.core.config import RecognizerConfig
from ghost_vpr_ros.core.datatypes import Candidate, Keyframe, Pose
from ghost_vpr_ros.core.likelihood import Likelihood
from ghost_vpr_ros.core.motion import FrameSequence
from ghost_vpr_ros.core.sequence_matching import SequenceMatcher
from ghost_vpr_ros.core.temporal_filter import TemporalFilter


@dataclass(frozen=True)
class FrameByItself:
    """What one frame found in the map.

    Attributes:
        candidates: best first, with probabilities by this frame alone.
        rows: (n,) int64 keyframes that were retrieved.
        similarities: (n,) float32 of them.
        likelihood: that gave the probabilities.
    """

    candidates: tuple[Candidate, ...]
    rows: NDArray[np.int64]
    similarities: NDArray[np.float32]
    likelihood: Likelihood | None


class FramesBefore:
    """The Bayes filter, the sequence matcher, and the motion between frames for both."""

    def __init__(self, keyframes: Sequence[Keyframe]) -> None:
        """Know the map by its keyframes in row order."""
        positions = positions_of(keyframes)
        self._count = len(keyframes)
        self._sequence = FrameSequence()
        self._filter = TemporalFilter(positions, yaws_of(keyframes))
        self._matcher = SequenceMatcher(positions, [k.session for k in keyframes])
        self._last_way = ''

    def reset(self) -> None:
        """Forget all frames: what comes next is of another time or place."""
        self._sequence.reset()
        self._filter.reset()
        self._matcher.reset()

    def update(
        self, alone: FrameByItself, stamp_ns: int, odometry: Pose | None, config: RecognizerConfig
    ) -> tuple[Candidate, ...]:
        """The candidates with what all frames together say of them, best first.

        Args:
            alone: what this frame found.
            stamp_ns: of this frame.
            odometry: pose in the odometry's frame, or None.
            config: says in which way; another one than for the frame before begins anew.
        """
        if config.temporal != self._last_way:
            self.reset()
            self._last_way = config.temporal
        motion = self._sequence.motion_to(stamp_ns, odometry, config)
        if config.temporal == 'filter':
            return self._filter.update(alone.candidates, motion, config)
        if config.temporal == 'sequence':
            similarities = np.full(self._count, np.nan, np.float32)
            similarities[alone.rows] = alone.similarities
            return self._matcher.update(
                alone.candidates, motion, config, similarities, alone.likelihood
            )
        return alone.candidates
