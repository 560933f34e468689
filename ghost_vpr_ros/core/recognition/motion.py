"""How far and where the camera went between two frames, by odometry or by the clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, Pose
from ghost_vpr_ros.core.geodesy import quaternion_to_yaw


@dataclass(frozen=True)
class Motion:
    """From one frame to the next.

    Attributes:
        seconds: time between them, above 0.
        forward_left_m: (2,) float64 displacement in the body frame of the first, metres; None
            without odometry.
    """

    seconds: float
    forward_left_m: NDArray[np.float64] | None = None

    def repeats(self, config: RecognizerConfig) -> bool:
        """Whether the second frame says nothing new: too near, or too soon without odometry.

        Frames seen one after the other are wrong together; a camera that stands still before a
        look-alike learns nothing.
        """
        if self.forward_left_m is None:
            return self.seconds < config.evidence_interval_s
        return float(np.hypot(*self.forward_left_m)) < config.evidence_distance_m

    def targets(
        self, points: NDArray[np.float64], yaws: NDArray[np.float64], config: RecognizerConfig
    ) -> tuple[NDArray[np.float64], float]:
        """Where a camera at these places is now, and how far off that may be.

        Args:
            points: (n, 2) metres, map frame.
            yaws: (n,) radians, map frame; NaN where unknown.
            config: speed without odometry; error with it.

        Returns:
            (n, 2) points and a radius in metres. Without odometry, or without a heading, the
            camera may have gone anywhere within that radius.
        """
        if self.forward_left_m is None:
            return points, config.match_spread_m + config.max_speed_m_s * self.seconds
        travelled_m = float(np.hypot(*self.forward_left_m))
        if not np.isfinite(yaws).all():
            return points, config.match_spread_m + travelled_m
        cosine, sine = np.cos(yaws), np.sin(yaws)
        forward, left = self.forward_left_m
        steps = np.stack([cosine * forward - sine * left, sine * forward + cosine * left], axis=1)
        return points + steps, config.match_spread_m + config.odometry_error * travelled_m


class FrameSequence:
    """Which frames belong together, and the motion since the last one that counted."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """The next frame begins anew."""
        self._last_ns = UNKNOWN_STAMP_NS
        self._counted: tuple[int, Pose | None] = (UNKNOWN_STAMP_NS, None)

    def motion_to(
        self, stamp_ns: int, odometry: Pose | None, config: RecognizerConfig
    ) -> Motion | None:
        """The motion to this frame, which becomes the last one; None where it begins anew.

        It does so without a stamp, with one that is not later than the frame before, and more
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
    """By odometry, unless that is faster than `max_speed_m_s`: then it has jumped."""
    seconds = (now_ns - before_ns) / 1e9
    step = _body_step(odometry_before, odometry_now)
    if step is None or float(np.hypot(*step)) > config.max_speed_m_s * seconds:
        return Motion(seconds)
    return Motion(seconds, step)


def _body_step(before: Pose | None, now: Pose | None) -> NDArray[np.float64] | None:
    """(2,) displacement forward and left; None without two whole poses."""
    if before is None or now is None or before.quaternion_xyzw is None:
        return None
    step = (now.position_m - before.position_m)[:2]
    if not np.isfinite(step).all():
        return None
    yaw = quaternion_to_yaw(before.quaternion_xyzw)
    cosine, sine = np.cos(yaw), np.sin(yaw)
    return np.array([cosine * step[0] + sine * step[1], cosine * step[1] - sine * step[0]])
