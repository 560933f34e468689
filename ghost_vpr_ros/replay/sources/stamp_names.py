"""Stamps that are the names of images, as recorders and data sets write them.

| name | unit | by |
|---|---|---|
| `1305031102.175304.png` | seconds | TUM RGB-D |
| `1403636579763555584.png` | nanoseconds | EuRoC, many exporters of bags |
| `1418381798086398.png` | microseconds | Oxford RobotCar |
| `1418381798086.jpg` | milliseconds | phones |

Whole seconds are left out: ten digits may as well be a number of another kind.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

_SECONDS = re.compile(r'(\d{10})\.(\d{3,9})')
_NANOSECONDS_BY_DIGITS = {19: 1, 16: 10**3, 13: 10**6}
_EARLIEST_NS, _LATEST_NS = 946_684_800 * 10**9, 4_102_444_800 * 10**9
"""The years 2000 and 2100."""


def stamps_of_names(names: Sequence[str]) -> list[int] | None:
    """Nanoseconds since 1970 in the names of images; None unless all names are stamps that differ.

    Args:
        names: of the images of one source; folders before the name do not count.
    """
    stamps = [_stamp_of(PurePosixPath(name).stem) for name in names]
    known = [stamp for stamp in stamps if stamp is not None]
    return known if len(set(known)) == len(names) else None


def _stamp_of(stem: str) -> int | None:
    seconds = _SECONDS.fullmatch(stem)
    if seconds:
        stamp_ns = int(seconds[1]) * 10**9 + int(seconds[2].ljust(9, '0'))
    elif stem.isascii() and stem.isdecimal() and len(stem) in _NANOSECONDS_BY_DIGITS:
        stamp_ns = int(stem) * _NANOSECONDS_BY_DIGITS[len(stem)]
    else:
        return None
    return stamp_ns if _EARLIEST_NS <= stamp_ns < _LATEST_NS else None
