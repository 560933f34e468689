"""What a frame is answered with of a stream beside it: the last value at or before its stamp."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import deque
from typing import Generic, TypeVar

Value = TypeVar('Value')


class StampedMemory(Generic[Value]):
    """Stamped values: poses of the odometry, positions; may be filled by another thread.

    The value of a frame depends on stamps alone, not on when messages come, so a replay and a
    running node agree as long as odometry is not later than its images.
    """

    def __init__(self, kept: int | None = None) -> None:
        """Start empty; `kept` is how many of the newest values are remembered, None: all."""
        self._lock = threading.Lock()
        self._stamped: deque[tuple[int, Value]] = deque(maxlen=kept)

    def add(self, stamp_ns: int, value: Value) -> None:
        """Take the newest value; one that is not newer than the last begins anew."""
        with self._lock:
            if self._stamped and stamp_ns <= self._stamped[-1][0]:
                self._stamped.clear()
            self._stamped.append((stamp_ns, value))

    def at(self, stamp_ns: int, max_age_s: float) -> Value | None:
        """The last value at or before a stamp; None where that is older than `max_age_s`."""
        with self._lock:
            number = bisect_right(self._stamped, stamp_ns, key=lambda each: each[0])
            if number == 0:
                return None
            found_ns, value = self._stamped[number - 1]
        return value if stamp_ns - found_ns <= round(max_age_s * 1e9) else None
