"""The odometry that a frame is answered with: the last one at or before its stamp."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import deque

from ghost_vpr_ros.core.datatypes import Pose


class OdometryMemory:
    """Stamped poses in the odometry's own frame; may be filled by another thread.

    The pose of a frame depends on stamps alone, not on when messages come, so a replay and a
    running node agree as long as odometry is not later than its images.
    """

    def __init__(self, kept: int | None = None) -> None:
        """Start empty; `kept` is how many of the newest poses are remembered, None: all."""
        self._lock = threading.Lock()
        self._stamped: deque[tuple[int, Pose]] = deque(maxlen=kept)

    def add(self, stamp_ns: int, pose: Pose) -> None:
        """Take the newest pose; one that is not newer than the last begins anew."""
        with self._lock:
            if self._stamped and stamp_ns <= self._stamped[-1][0]:
                self._stamped.clear()
            self._stamped.append((stamp_ns, pose))

    def at(self, stamp_ns: int, max_age_s: float) -> Pose | None:
        """The last pose at or before a stamp; None where that is older than `max_age_s`."""
        with self._lock:
            number = bisect_right(self._stamped, stamp_ns, key=lambda each: each[0])
            if number == 0:
                return None
            found_ns, pose = self._stamped[number - 1]
        return pose if stamp_ns - found_ns <= round(max_age_s * 1e9) else None
