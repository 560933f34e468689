"""How far and in which direction the camera moved: by odometry, or by the clock.

`Odometer` measures the distance driven, `FrameSequence` the motion from frame to frame,
`LastAnswer` how far the camera can be from where it was last recognised.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import QUATERNION_TOLERANCE, UNKNOWN_STAMP_NS, GeoPoint, Pose
from ghost_vpr_ros.core.geodesy import LocalFrame
from ghost_vpr_ros.core.poses import quaternion_to_yaw, turned
from ghost_vpr_ros.core.stamps import Order, StampOrder


@dataclass(frozen=True)
class Reading:
    """The position of a frame along the driven path.

    Attributes:
        stamp_ns: of the frame.
        stretch: number of the unbroken stretch of odometry; it increases with every break.
        along_m: metres driven on this stretch up to the frame.
        odometry: pose in the odometry frame; None if unknown for this frame.
    """

    stamp_ns: int
    stretch: int
    along_m: float
    odometry: Pose | None


class Odometer:
    """Adds up the distance from frame to frame.

    A stretch ends when odometry jumps, and at `reset`. Frames without odometry do not end it if
    the next pose can be reached from the last one in the time between.
    """

    def __init__(self) -> None:
        self._stretch = 0
        self.reset()

    def reset(self) -> None:
        """Begin a new stretch: the next frame belongs to another time or place."""
        self._stretch += 1
        self._along_m = 0.0
        self._last: tuple[int, Pose] | None = None

    def elsewhen(self, stamp_ns: int) -> Reading:
        """The reading of a late frame: on this stretch, at an unknown position."""
        return Reading(stamp_ns, self._stretch, self._along_m, None)

    def read(self, stamp_ns: int, odometry: Pose | None, max_speed_m_s: float) -> Reading:
        """The reading at the next frame.

        Args:
            stamp_ns: of the frame.
            odometry: its pose in the odometry frame, or None.
            max_speed_m_s: faster odometry counts as a jump.
        """
        known = odometry if odometry is not None and _is_usable(odometry) else None
        if known is not None:
            self._add(stamp_ns, known, max_speed_m_s)
        return Reading(stamp_ns, self._stretch, self._along_m, known)

    def _add(self, stamp_ns: int, odometry: Pose, max_speed_m_s: float) -> None:
        if self._last is not None:
            last_ns, last = self._last
            step_m = float(np.linalg.norm(odometry.position_m - last.position_m))
            if step_m > max_speed_m_s * abs(stamp_ns - last_ns) / 1e9:
                self.reset()
            else:
                self._along_m += step_m
        self._last = (stamp_ns, odometry)


def _is_usable(odometry: Pose) -> bool:
    """Whether the position is finite and the orientation, if there is one, a rotation."""
    quaternion = odometry.quaternion_xyzw
    if quaternion is None or not odometry.has_position:
        return odometry.has_position
    return abs(float(np.linalg.norm(quaternion)) - 1.0) <= QUATERNION_TOLERANCE


@dataclass(frozen=True)
class Motion:
    """The motion from one frame to the next.

    Attributes:
        seconds: time between them, above 0.
        forward_left_m: (2,) float64 displacement in the body frame of the first, metres; None
            without odometry.
    """

    seconds: float
    forward_left_m: NDArray[np.float64] | None = None

    def repeats(self, config: RecognizerConfig) -> bool:
        """Whether the second frame adds no evidence: too close, or too soon without odometry.

        The errors of consecutive frames are correlated: a camera that stands still in front of a
        look-alike learns nothing new.
        """
        if self.forward_left_m is None:
            return self.seconds < config.evidence_interval_s
        return float(np.hypot(*self.forward_left_m)) < config.evidence_distance_m

    def targets(
        self, points: NDArray[np.float64], yaws: NDArray[np.float64], config: RecognizerConfig
    ) -> tuple[NDArray[np.float64], float]:
        """Where a camera that was at these places is now, and the error of that.

        Args:
            points: (n, 2) metres, map frame.
            yaws: (n,) radians, map frame; NaN where unknown.
            config: maximum speed without odometry; error of odometry.

        Returns:
            (n, 2) points and a radius in metres. Without odometry, or without a heading, the
            camera may have gone anywhere within that radius.
        """
        if self.forward_left_m is None:
            return points, config.match_spread_m + config.max_speed_m_s * self.seconds
        travelled_m = float(np.hypot(*self.forward_left_m))
        if not np.isfinite(yaws).all():
            return points, config.match_spread_m + travelled_m
        steps = turned(yaws, self.forward_left_m)
        return points + steps, config.match_spread_m + config.odometry_error * travelled_m


class FrameSequence:
    """Which frames belong together, and the motion since the last frame used as evidence."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start over with the next frame."""
        self._last_ns = UNKNOWN_STAMP_NS
        self._counted: tuple[int, Pose | None] = (UNKNOWN_STAMP_NS, None)

    def motion_to(
        self, stamp_ns: int, odometry: Pose | None, config: RecognizerConfig
    ) -> Motion | None:
        """The motion to this frame, which becomes the last one; None if the sequence starts over.

        It starts over if the frame has no stamp, is not later than the previous one, or comes more
        than `memory_s` after it.

        Args:
            stamp_ns: of this frame.
            odometry: pose in the odometry's frame, or None.
            config: limits.
        """
        last_ns, self._last_ns = self._last_ns, stamp_ns
        since_last_s = (stamp_ns - last_ns) / 1e9
        is_known = UNKNOWN_STAMP_NS not in (last_ns, stamp_ns)
        motion = None
        if is_known and 0.0 < since_last_s <= config.memory_s:
            motion = _motion(*self._counted, stamp_ns, odometry, config)
        if motion is None or not motion.repeats(config):
            self._counted = (stamp_ns, odometry)
        return motion


def _motion(
    before_ns: int,
    odometry_before: Pose | None,
    now_ns: int,
    odometry_now: Pose | None,
    config: RecognizerConfig,
) -> Motion:
    """The motion by odometry, unless it is faster than `max_speed_m_s`, which counts as a jump."""
    seconds = (now_ns - before_ns) / 1e9
    step = _body_step(odometry_before, odometry_now)
    if step is None or float(np.hypot(*step)) > config.max_speed_m_s * seconds:
        return Motion(seconds)
    return Motion(seconds, step)


def _body_step(before: Pose | None, now: Pose | None) -> NDArray[np.float64] | None:
    """(2,) displacement forward and left; None without two complete poses."""
    if before is None or now is None or before.quaternion_xyzw is None:
        return None
    step = (now.position_m - before.position_m)[:2]
    if not np.isfinite(step).all():
        return None
    return turned(-quaternion_to_yaw(before.quaternion_xyzw), step)


_FARTHEST = 3.0
"""Distance driven, in radii, for which an answer is a prior; then the whole map is searched."""


@dataclass(frozen=True)
class PositionPrior:
    """A disc: only keyframes in it are searched.

    Attributes:
        position_m: (2,) or (3,) in the map frame, metres.
        radius_m: horizontally.
    """

    position_m: NDArray[np.float64]
    radius_m: float


def prior_of_fix(
    geo: GeoPoint | None, frame: LocalFrame | None, radius_m: float
) -> PositionPrior | None:
    """The disc around a GPS fix; None without one, in a map that is not geotagged, or for 0 m."""
    if geo is None or frame is None or radius_m == 0.0:
        return None
    return PositionPrior(frame.point_to_enu(geo), radius_m)


class LastAnswer:
    """The prior from the last accepted answer: the camera is where odometry can have taken it.

    No heading is needed, because the disc grows with the distance from the answer. Without further
    answers the prior soon ends, in case the answer was wrong.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start over: the camera may be anywhere."""
        self._answer: tuple[Pose, Reading] | None = None

    def accept(self, pose: Pose, reading: Reading) -> None:
        """Store an accepted answer and the reading at its frame."""
        if reading.odometry is not None and np.isfinite(pose.position_m[:2]).all():
            self._answer = pose, reading

    def prior(self, reading: Reading, radius_m: float) -> PositionPrior | None:
        """The disc for a frame; None without an answer, on another stretch, or too far away."""
        if self._answer is None or reading.odometry is None:
            return None
        pose, then = self._answer
        driven_m = reading.along_m - then.along_m
        if then.stretch != reading.stretch or driven_m > _FARTHEST * radius_m:
            return None
        assert then.odometry is not None
        away_m = float(np.linalg.norm(reading.odometry.position_m - then.odometry.position_m))
        return PositionPrior(pose.position_m, radius_m + away_m)


Value = TypeVar('Value')


class StampedMemory(Generic[Value]):
    """Stamped values, such as poses of odometry; may be filled by another thread.

    The value of a frame depends on stamps alone, not on the order of arrival, so replay and node
    agree as long as odometry arrives no later than its images.
    """

    def __init__(self, kept: int | None = None) -> None:
        """Start empty; keep the newest `kept` values, or all of them with None.

        With None, values from before a jump of the clock are kept as well.
        """
        self._lock = threading.Lock()
        self._kept = kept
        self._order = StampOrder()
        self._epochs: list[deque[tuple[int, Value]]] = [deque(maxlen=kept)]

    def add(self, stamp_ns: int, value: Value) -> None:
        """Add the next value, unless it is late; a clock that was set back starts over."""
        with self._lock:
            order = self._order.place(stamp_ns)
            if order is Order.LATE:
                return
            if order is Order.JUMP:
                before = self._epochs if self._kept is None else []
                self._epochs = [*before, deque(maxlen=self._kept)]
            newest = self._epochs[-1]
            while newest and newest[-1][0] >= stamp_ns:
                newest.pop()
            newest.append((stamp_ns, value))

    def at(self, stamp_ns: int, max_age_s: float, jumps: int | None = None) -> Value | None:
        """The last value at or before a stamp; None where that is older than `max_age_s`.

        Args:
            stamp_ns: of a frame.
            max_age_s: limit.
            jumps: how often the clock of the frame had been set back; the newest values are used
                with None, and if the clock of these values was not set back as often.
        """
        with self._lock:
            is_known = jumps is not None and jumps < len(self._epochs)
            stamped = self._epochs[jumps if is_known and jumps is not None else -1]
            number = bisect_right(stamped, stamp_ns, key=lambda each: each[0])
            if number == 0:
                return None
            found_ns, value = stamped[number - 1]
        return value if stamp_ns - found_ns <= round(max_age_s * 1e9) else None
