"""How far and where the camera went between two frames, by odometry or by the clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config import RecognizerConfig
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

    def independence(self, config: RecognizerConfig) -> float:
        """What share of a whole observation the second frame is worth, 0 to 1.

        Frames seen one after the other are wrong together: a camera that stands still before a
        look-alike learns nothing new.
        """
        if self.forward_left_m is None:
            share = self.seconds / config.evidence_interval_s
        else:
            share = float(np.hypot(*self.forward_left_m)) / config.evidence_distance_m
        return min(share, 1.0)

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


def motion_between(
    before_ns: int,
    now_ns: int,
    odometry_before: Pose | None,
    odometry_now: Pose | None,
    config: RecognizerConfig,
) -> Motion | None:
    """The motion from the frame before to this one; None where they do not belong together.

    That is so for frames without a stamp, of the same or an earlier time, or further apart in
    time than `memory_s`. Odometry that is faster than `max_speed_m_s` allows has jumped, and is
    not used.

    Args:
        before_ns: stamp of the frame before.
        now_ns: stamp of this frame.
        odometry_before: pose in the odometry's frame then, or None.
        odometry_now: the same now.
        config: limits.
    """
    if UNKNOWN_STAMP_NS in (before_ns, now_ns) or now_ns <= before_ns:
        return None
    seconds = (now_ns - before_ns) / 1e9
    if seconds > config.memory_s:
        return None
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
