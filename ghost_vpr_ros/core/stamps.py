"""The order of stamps: which are late, and where a clock was set back.

Images, odometry and fixes all follow this rule, in the node and in a replay.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from itertools import accumulate

JUMP_NS = 1_000_000_000
"""A stamp this much older than the newest one belongs to a clock that was set back, as by a bag
played again or a simulation that was reset. A message less old than this is late."""

LEAP_NS = JUMP_NS
"""A single stamp this far ahead counts as wrong if the next one goes back, but not beyond the
stamp before the leap: a bag that is played again goes back to its beginning."""

TWO_CLOCKS_S = 2.0
"""Streams received together whose stamps differ by more do not share a clock."""

_YEAR_S = 365.25 * 86_400.0
_UNSET_NS = 0
"""ROS reads zero as "not set"; `UNKNOWN_STAMP_NS` is below."""


class Order(Enum):
    """Where a message belongs, by its stamp.

    NEXT: newer than all before it. LATE: not newer than the newest one, or without a stamp. JUMP:
    the clock was set back; time starts over. RETURN: newer than all before it except a single one
    that had leapt ahead and is forgotten.
    """

    NEXT = 'next'
    LATE = 'late'
    JUMP = 'jump'
    RETURN = 'return'


class StampOrder:
    """Classifies the stamps of one stream, one after the other.

    Attributes:
        newest_ns: newest stamp since the last jump; None before the first one.
    """

    def __init__(self) -> None:
        self.newest_ns: int | None = None
        self._before_leap_ns: int | None = None

    def place(self, stamp_ns: int) -> Order:
        """Classify the next stamp, in nanoseconds."""
        newest_ns = self.newest_ns
        if newest_ns is None and stamp_ns >= _UNSET_NS:
            self.newest_ns = stamp_ns
            return Order.NEXT
        if newest_ns is None or stamp_ns <= _UNSET_NS or 0 <= newest_ns - stamp_ns < JUMP_NS:
            return Order.LATE
        return self._moved(newest_ns, stamp_ns)

    def _moved(self, newest_ns: int, stamp_ns: int) -> Order:
        before_ns, self._before_leap_ns = self._before_leap_ns, None
        self.newest_ns = stamp_ns
        if stamp_ns < newest_ns:
            goes_on = before_ns is not None and stamp_ns > before_ns
            return Order.RETURN if goes_on else Order.JUMP
        if stamp_ns - newest_ns >= LEAP_NS:
            self._before_leap_ns = newest_ns
        return Order.NEXT


def orders_of(stamps_ns: Iterable[int]) -> list[Order]:
    """Where each message of a whole stream belongs, in order of arrival."""
    order = StampOrder()
    return [order.place(stamp_ns) for stamp_ns in stamps_ns]


def jumps_before(stamps_ns: Iterable[int]) -> list[int]:
    """How often the clock had been set back before each message of a whole stream."""
    return list(accumulate(order is Order.JUMP for order in orders_of(stamps_ns)))


def span_text(seconds: float) -> str:
    """A span of time in a suitable unit."""
    for unit, length_s in (('years', _YEAR_S), ('days', 86_400.0), ('hours', 3600.0)):
        if seconds >= 2 * length_s:
            return f'{seconds / length_s:.0f} {unit}'
    return f'{seconds:.0f} s'
