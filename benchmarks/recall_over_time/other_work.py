"""The share of the machine taken by other processes during a measurement."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from benchmarks.machine import cores, load_average

BUSY_SHARE = 0.1
"""Share of other processes above which times are not published."""

OTHERS = 'share_of_others'
"""Key of reports: share of other processes at the start of the benchmark."""

LOOK_S = 2.0

_IDLE = (3, 4)
"""Columns of /proc/stat: idle, and waiting for a disk."""


class OtherWork:
    """Measures the work of other processes since its creation."""

    def __init__(self) -> None:
        self._began = _now()

    def share(self) -> float:
        """Share of all cores taken by other processes since then, 0 .. 1."""
        wall_s, busy_s, own_s = (b - a for a, b in zip(self._began, _now(), strict=True))
        return max(busy_s - own_s, 0.0) / max(wall_s * cores_of_machine(), 1e-9)


def share_of_others() -> float:
    """The share of other processes in the next two seconds."""
    work = OtherWork()
    time.sleep(LOOK_S)
    return work.share()


def measure_and_report() -> float:
    """As `share_of_others`, printed with the load average."""
    share = share_of_others()
    verdict = ': too much to publish times' if share > BUSY_SHARE else ''
    print(
        f'other processes take {share:.0%} of the machine, load {load_average():.1f}{verdict}',
        file=sys.stderr,
        flush=True,
    )
    return share


def cores_of_machine() -> int:
    """Number of cores, including those that this process may not use."""
    return os.cpu_count() or cores()


def _now() -> tuple[float, float, float]:
    """Seconds of the clock, of all cores' work, and of this process's work."""
    ticks = [int(each) for each in Path('/proc/stat').read_text().split('\n')[0].split()[1:9]]
    busy = sum(ticks) - sum(ticks[column] for column in _IDLE)
    own = time.process_time()
    return time.monotonic(), busy / os.sysconf('SC_CLK_TCK'), own
