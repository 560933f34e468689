"""What the frames before say of a frame: the stages of the recogniser that remember."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.consistency import Consistency
from ghost_vpr_ros.core.datatypes import Candidate, Pose, Reason, State
from ghost_vpr_ros.core.image_quality import FrozenCamera
from ghost_vpr_ros.core.motion import FrameSequence, Motion
from ghost_vpr_ros.core.odometer import Odometer, Reading
from ghost_vpr_ros.core.recognizer_config import RecognizerConfig
from ghost_vpr_ros.core.temporal_filter import TemporalFilter


class FrameMemory:
    """Filter, consistency and odometry from frame to frame; `begin` comes first for each.

    Attributes:
        reading: of the odometer at the frame in hand.
    """

    reading: Reading

    def __init__(self, positions: NDArray[np.float64], yaws: NDArray[np.float64]) -> None:
        """Know the keyframes: positions (N, 3), metres, and yaws (N,), radians; NaN if unknown."""
        self._filter = TemporalFilter(positions, yaws)
        self._odometer = Odometer()
        self._sequence = FrameSequence()
        self._camera = FrozenCamera()
        self._consistency = Consistency()
        self._motion: Motion | None = None

    def add_keyframe(self, position_m: NDArray[np.float64], yaw_rad: float) -> None:
        """Know one more: position (3,) in the map frame, NaN where it is unknown."""
        self._filter.add(position_m, yaw_rad)

    def reset(self) -> None:
        """Forget the frames before: what comes next is of another time or place."""
        self._filter.reset()
        self._odometer.reset()
        self._sequence.reset()
        self._consistency.reset()

    def begin(self, stamp_ns: int, odometry: Pose | None, config: RecognizerConfig) -> None:
        """Take the next frame in hand."""
        self.reading = self._odometer.read(stamp_ns, odometry, config.max_speed_m_s)

    def is_frozen(self, image: NDArray[np.uint8], config: RecognizerConfig) -> bool:
        """Whether the camera gives the same image on and on while the robot drives."""
        return self._camera.is_frozen(image, self.reading, config)

    def weighed(
        self, candidates: tuple[Candidate, ...], config: RecognizerConfig
    ) -> tuple[Candidate, ...]:
        """The candidates with the probability that all frames together give, best first."""
        stamp_ns, odometry = self.reading.stamp_ns, self.reading.odometry
        self._motion = self._sequence.motion_to(stamp_ns, odometry, config)
        if not config.temporal:
            return candidates
        return self._filter.update(candidates, self._motion, config)

    def judged(
        self,
        state: State,
        reason: Reason,
        pose: Pose | None,
        config: RecognizerConfig,
        *,
        by_features: bool,
    ) -> tuple[State, Reason]:
        """The decision on a frame in the light of those before: it may only get stricter.

        Args:
            state: of the frame by itself and by the filter.
            reason: likewise.
            pose: of the place that it names, in the map frame.
            config: settings.
            by_features: whether only the local features of this image made it sure.
        """
        if not config.consistency or state is not State.ACCEPTED or pose is None:
            return state, reason
        found = self._consistency.judge(
            pose.position_m, self.reading, config, by_features=by_features
        )
        if found is Reason.NONE:
            return state, reason
        return State.REJECTED if found is Reason.ODOMETRY else State.TENTATIVE, found

    def is_new(self, config: RecognizerConfig) -> bool:
        """Whether the frame, once weighed, says something that the one before did not."""
        return self._motion is None or not self._motion.repeats(config)
