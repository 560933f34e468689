"""The stages of the recogniser that depend on previous frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import Candidate, Pose, Reason, State
from ghost_vpr_ros.core.probability.likelihood import Likelihood
from ghost_vpr_ros.core.recognition.candidates import make_candidates
from ghost_vpr_ros.core.recognition.consistency import Agreement, Consistency
from ghost_vpr_ros.core.recognition.image_quality import FrozenCamera
from ghost_vpr_ros.core.recognition.keyframe_table import KeyframeRows, LocatedPlaces
from ghost_vpr_ros.core.recognition.known_places import Retrieved
from ghost_vpr_ros.core.recognition.odometry import (
    FrameSequence,
    LastAnswer,
    Motion,
    Odometer,
    PositionPrior,
    Reading,
)
from ghost_vpr_ros.core.recognition.sequence_matching import SequenceMatcher
from ghost_vpr_ros.core.recognition.temporal_filter import TemporalFilter
from ghost_vpr_ros.core.stamps import Order, StampOrder


@dataclass(frozen=True)
class FrameByItself:
    """The result of one frame's search in the map.

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


class FrameMemory:
    """Filter or sequence, consistency and odometry from frame to frame; `begin` comes first.

    Attributes:
        reading: of the odometer at the current frame.
        is_alone: whether the current frame is late or has no stamp: it is judged on its own, and
            later frames are judged as if it did not exist.
    """

    reading: Reading
    is_alone = False

    def __init__(self, rows: KeyframeRows, located: LocatedPlaces) -> None:
        """Start with the rows of the map; call `begin_sequence` when they change."""
        self._rows = rows
        self._order = StampOrder()
        self._filter = TemporalFilter(located)
        self._matcher: SequenceMatcher | None = None
        self._odometer = Odometer()
        self._sequence = FrameSequence()
        self._camera = FrozenCamera()
        self._consistency = Consistency()
        self._last_answer = LastAnswer()
        self._motion: Motion | None = None
        self._agreement = Agreement(Reason.NONE)
        self._last_way = ''

    def begin_sequence(self) -> None:
        """Start sequence matching over, because the map has changed."""
        self._matcher = None

    def reset(self) -> None:
        """Forget previous frames: the next one belongs to another time or place."""
        self._order = StampOrder()
        self._filter.reset()
        self._matcher = None
        self._odometer.reset()
        self._sequence.reset()
        self._consistency.reset()
        self._last_answer.forget()

    def begin(self, stamp_ns: int, odometry: Pose | None, config: RecognizerConfig) -> None:
        """Begin the next frame; everything starts over if its clock was set back."""
        order = self._order.place(stamp_ns)
        self.is_alone = order is Order.LATE
        if self.is_alone:
            self.reading = self._odometer.elsewhen(stamp_ns)
            return
        if order is Order.JUMP:
            self.reset()
            self._order.place(stamp_ns)
        self.reading = self._odometer.read(stamp_ns, odometry, config.max_speed_m_s)

    def prior(self, config: RecognizerConfig) -> PositionPrior | None:
        """Where the camera can be, by odometry since the last accepted answer."""
        if config.prior_radius_m == 0.0:
            return None
        return self._last_answer.prior(self.reading, config.prior_radius_m)

    def is_frozen(self, image: NDArray[np.uint8], config: RecognizerConfig) -> bool:
        """Whether the camera repeats the same image while the robot drives."""
        return not self.is_alone and self._camera.is_frozen(image, self.reading, config)

    def by_itself(
        self, found: Retrieved, likelihood: Likelihood | None, config: RecognizerConfig
    ) -> FrameByItself:
        """Candidates with their probability given this image alone, best first."""
        candidates = make_candidates(
            self._rows.keyframes(found.rows[: config.top_k]),
            self._rows.positions[found.rows],
            found.similarities,
            likelihood,
            config.group_radius_m,
            found.elsewhere,
        )
        return FrameByItself(candidates, found.rows, found.similarities, likelihood)

    def weighed(self, alone: FrameByItself, config: RecognizerConfig) -> tuple[Candidate, ...]:
        """The candidates with their probability given all frames, best first.

        Args:
            alone: what this frame found.
            config: selects the method; a change starts over.
        """
        if self.is_alone:
            return alone.candidates
        if config.temporal != self._last_way:
            self._sequence.reset()
            self._filter.reset()
            self._matcher, self._last_way = None, config.temporal
        stamp_ns, odometry = self.reading.stamp_ns, self.reading.odometry
        self._motion = self._sequence.motion_to(stamp_ns, odometry, config)
        if config.temporal == 'filter':
            return self._filter.update(alone.candidates, self._motion, config)
        if config.temporal == 'sequence':
            return self._matched(alone, config)
        return alone.candidates

    def _matched(self, alone: FrameByItself, config: RecognizerConfig) -> tuple[Candidate, ...]:
        if alone.likelihood is not None and alone.likelihood.by_similarity:
            # Lines are judged by margins, which this likelihood does not use.
            return alone.candidates
        if self._matcher is None:
            self._matcher = SequenceMatcher(self._rows.positions, self._rows.sessions)
        similarities = np.full(len(self._rows), np.nan, np.float32)
        similarities[alone.rows] = alone.similarities
        return self._matcher.update(
            alone.candidates, self._motion, config, similarities, alone.likelihood
        )

    def judged(
        self,
        state: State,
        reason: Reason,
        pose: Pose | None,
        config: RecognizerConfig,
        *,
        by_features: bool,
    ) -> tuple[State, Reason]:
        """The decision on a frame, given previous ones; it can only become stricter.

        Args:
            state: of the frame on its own and by the filter.
            reason: of that state.
            pose: of the place found, in the map frame.
            config: settings.
            by_features: whether only the local features of this image made it sure.
        """
        self._agreement = Agreement(Reason.NONE)
        if state is not State.ACCEPTED or self.is_alone:
            return state, reason
        if pose is None:
            # Agreement with other answers is unknown; local features alone do not suffice.
            return (State.TENTATIVE, Reason.CONSISTENCY) if by_features else (state, reason)
        if config.consistency:
            self._agreement = self._consistency.judge(
                pose, self.reading, config, by_features=by_features
            )
        found = self._agreement.reason
        if found is Reason.NONE:
            self._last_answer.accept(pose, self.reading)
            return state, reason
        return State.REJECTED if found is Reason.ODOMETRY else State.TENTATIVE, found

    def is_supported(self, config: RecognizerConfig) -> bool:
        """Whether the judged answer to the frame may become a loop closure."""
        if self.is_alone:
            return False
        return not config.consistency or self._agreement.support >= config.closure_support

    def repeats(self, config: RecognizerConfig) -> bool:
        """Whether the weighed frame is one of those between two that count as evidence."""
        in_sequence = config.temporal != 'none' and not self.is_alone
        return in_sequence and not self.is_new(config)

    def is_new(self, config: RecognizerConfig) -> bool:
        """Whether the weighed frame adds evidence to the previous one."""
        if self.is_alone:
            return False
        return self._motion is None or not self._motion.repeats(config)
