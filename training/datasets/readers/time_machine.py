"""Visits from the time stamps of Time Machine sets: images of one visit are under a month apart.

Source: NetVLAD (journal version), Section 4, learns from Street View of several times. The limit
of one month, and the exclusion of results with the query's time stamp, are from its authors' code.
Street View gives the month of each panorama.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS
from ghost_vpr_ros.replay.places.place_set import NO_PLACE

DAYS_A_MONTH = 31
"""Visits are numbered 31 * months + day, so visits a month apart differ by at least 31."""

_EPOCH = datetime.date(1970, 1, 1)
_MATLAB_EPOCH = 366
"""MATLAB counts days from year 0; Python's ordinal counts them from year 1."""

_LEAST_DATENUM = datetime.date(1900, 1, 1).toordinal() + _MATLAB_EPOCH
_LAST_DATENUM = datetime.date(2100, 1, 1).toordinal() + _MATLAB_EPOCH
_UNKNOWN = ('', '0', 'nan', '[]', 'none')


@dataclass(frozen=True)
class Visits:
    """Capture times of N images, in the form of `PlaceSet`.

    Attributes:
        numbers: (N,) int64; `NO_PLACE` if unknown.
        gap: images whose numbers differ by less are of one visit.
        stamp_ns: (N,) int64; `UNKNOWN_STAMP_NS` if unknown.
        notation: the interpretation of the stamps.
    """

    numbers: NDArray[np.int64]
    gap: int
    stamp_ns: NDArray[np.int64]
    notation: str


def visits_of(stamps: Sequence[Any]) -> Visits:
    """Visits from time stamps: MATLAB day numbers, YYYYMM, YYYYMMDD, or texts like 2014-08.

    If any stamp has another notation, images with equal stamps are one visit, as in the authors'
    code.
    """
    texts = [_text(stamp) for stamp in stamps]
    dates = [None if text in _UNKNOWN else _date(text) for text in texts]
    if any(date is None and text not in _UNKNOWN for date, text in zip(dates, texts, strict=True)):
        number_of = {text: number for number, text in enumerate(sorted(set(texts)))}
        numbers = [NO_PLACE if text in _UNKNOWN else number_of[text] for text in texts]
        unknown = np.full(len(texts), UNKNOWN_STAMP_NS, np.int64)
        return Visits(np.array(numbers, np.int64), 1, unknown, 'equal stamps are one visit')
    numbers = [NO_PLACE if date is None else _visit(date) for date in dates]
    stamp_ns = [UNKNOWN_STAMP_NS if date is None else _stamp_ns(date) for date in dates]
    return Visits(
        np.array(numbers, np.int64), DAYS_A_MONTH, np.array(stamp_ns, np.int64), 'a month apart'
    )


def _text(stamp: Any) -> str:
    """A stamp as text: 734000.0 becomes 734000."""
    if isinstance(stamp, int | float | np.number):
        return f'{float(stamp):.9g}'
    return str(stamp).strip().lower()


def _date(text: str) -> datetime.date | None:
    """The date of a stamp (without a day: the first of the month), or None."""
    parts = re.fullmatch(r'(\d{4})[-_/.]?(\d{2})(?:[-_/.]?(\d{2}))?', text)
    if parts is not None:
        year, month, day = int(parts[1]), int(parts[2]), int(parts[3] or 1)
        try:
            return datetime.date(year, month, day) if 1900 <= year < 2100 else _of_datenum(text)
        except ValueError:
            return _of_datenum(text)
    return _of_datenum(text)


def _of_datenum(text: str) -> datetime.date | None:
    try:
        days = float(text)
    except ValueError:
        return None
    if not _LEAST_DATENUM <= days <= _LAST_DATENUM:
        return None
    return datetime.date.fromordinal(int(days) - _MATLAB_EPOCH)


def _visit(date: datetime.date) -> int:
    return DAYS_A_MONTH * (12 * date.year + date.month) + date.day


def _stamp_ns(date: datetime.date) -> int:
    days = (date - _EPOCH).days
    return days * 86_400 * 10**9 if days >= 0 else UNKNOWN_STAMP_NS
