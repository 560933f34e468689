"""One finding of the doctor, and how it counts."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

_SHOWN = 3


class Severity(enum.Enum):
    """Whether a data set with this finding is healthy: a note does not make it ill."""

    PROBLEM = 'problem'
    NOTE = 'note'


@dataclass(frozen=True)
class Finding:
    """A fault, or a remark.

    Attributes:
        severity: problem or note.
        check: which check found it, as in `counts` or `missing`.
        places: name of the data set.
        sentence: what, where, expected against found, and what to do next.
    """

    severity: Severity
    check: str
    places: str
    sentence: str


def problem(check: str, places: str, sentence: str) -> Finding:
    """A finding that makes the data set ill."""
    return Finding(Severity.PROBLEM, check, places, sentence)


def note(check: str, places: str, sentence: str) -> Finding:
    """A finding that is worth knowing."""
    return Finding(Severity.NOTE, check, places, sentence)


def some_of(names: Sequence[str]) -> str:
    """The first names, and the number of the others."""
    others = len(names) - _SHOWN
    return ', '.join(names[:_SHOWN]) + (f' and {others:,} more' if others > 0 else '')
