"""How far the camera was driven, and over which stretch its odometry can be followed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ghost_vpr_ros.core.datatypes import QUATERNION_TOLERANCE, UNKNOWN_STAMP_NS, Pose


@dataclass(frozen=True)
class Reading:
    """Where a frame lies on the way that was driven.

    Attributes:
        stamp_ns: of the frame.
        stretch: number of the unbroken stretch of odometry; it grows with every break.
        along_m: metres driven on this stretch up to the frame.
        odometry: pose in the odometry's frame; None where it is not known at this frame.
    """

    stamp_ns: int
    stretch: int
    along_m: float
    odometry: Pose | None


class Odometer:
    """Adds up the way from frame to frame.

    A stretch ends where odometry jumps, where the stamps run back, and at `reset`. Frames without
    odometry do not end it, if the next pose can be reached from the last one in the time between.
    """

    def __init__(self) -> None:
        self._stretch = 0
        self.reset()

    def reset(self) -> None:
        """Begin a new stretch: what comes next is of another time or place."""
        self._stretch += 1
        self._along_m = 0.0
        self._last: tuple[int, Pose] | None = None
        self._last_ns = UNKNOWN_STAMP_NS

    def read(self, stamp_ns: int, odometry: Pose | None, max_speed_m_s: float) -> Reading:
        """The reading at the next frame.

        Args:
            stamp_ns: of the frame.
            odometry: its pose in the odometry's frame, or None.
            max_speed_m_s: odometry that is faster has jumped.
        """
        if stamp_ns < self._last_ns:
            self.reset()
        self._last_ns = stamp_ns
        known = odometry if odometry is not None and _is_usable(odometry) else None
        if known is not None:
            self._add(stamp_ns, known, max_speed_m_s)
        return Reading(stamp_ns, self._stretch, self._along_m, known)

    def _add(self, stamp_ns: int, odometry: Pose, max_speed_m_s: float) -> None:
        if self._last is not None:
            last_ns, last = self._last
            step_m = float(np.linalg.norm(odometry.position_m - last.position_m))
            if step_m > max_speed_m_s * (stamp_ns - last_ns) / 1e9:
                self.reset()
                self._last_ns = stamp_ns
            else:
                self._along_m += step_m
        self._last = (stamp_ns, odometry)


def _is_usable(odometry: Pose) -> bool:
    """Whether the position is finite and the orientation, where there is one, a rotation."""
    quaternion = odometry.quaternion_xyzw
    if quaternion is None or not odometry.has_position:
        return odometry.has_position
    return abs(float(np.linalg.norm(quaternion)) - 1.0) <= QUATERNION_TOLERANCE
