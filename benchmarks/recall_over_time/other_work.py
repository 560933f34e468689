"""How much of the machine other processes took while this one measured."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from benchmarks.machine import cores, load_average

BUSY_SHARE = 0.1
"""Of the machine; with more, times are not worth a page."""

OTHERS = 'share_of_others'
"""Key of the reports: what others took when the benchmark began."""

LOOK_S = 2.0

_IDLE = (3, 4)
"""Columns of /proc/stat: idle, and waiting for a disk."""


class OtherWork:
    """Counts from its creation on."""

    def __init__(self) -> None:
        self._began = _now()

    def share(self) -> float:
        """0 .. 1 of all cores, taken by others since then."""
        wall_s, busy_s, own_s = (b - a for a, b in zip(self._began, _now(), strict=True))
        return max(busy_s - own_s, 0.0) / max(wall_s * cores_of_machine(), 1e-9)


def look() -> float:
    """The share of others in the next two seconds."""
    work = OtherWork()
    time.sleep(LOOK_S)
    return work.share()


def look_and_tell() -> float:
    """As `look`, printed with the load, so that whoever waits for the figures knows."""
    share = look()
    verdict = ': too much for times that are published' if share > BUSY_SHARE else ''
    print(
        f'other processes take {share:.0%} of the machine, load {load_average():.1f}{verdict}',
        file=sys.stderr,
        flush=True,
    )
    return share


def cores_of_machine() -> int:
    """Not only those that this process may use."""
    return os.cpu_count() or cores()


def _now() -> tuple[float, float, float]:
    """Seconds: of the clock, of all cores' work, of this process's work."""
    ticks = [int(each) for each in Path('/proc/stat').read_text().split('\n')[0].split()[1:9]]
    busy = sum(ticks) - sum(ticks[column] for column in _IDLE)
    own = time.process_time()
    return time.monotonic(), busy / os.sysconf('SC_CLK_TCK'), own
