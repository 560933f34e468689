"""A finding of a check, and its severity."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

_SHOWN = 3


class Severity(enum.Enum):
    """Only problems make a data set unhealthy; notes do not."""

    PROBLEM = 'problem'
    NOTE = 'note'


@dataclass(frozen=True)
class Finding:
    """A problem or a note about a data set.

    Attributes:
        severity: problem or note.
        check: name of the check, for example `counts` or `missing`.
        places: name of the data set.
        sentence: what, where, expected and found, next step.
    """

    severity: Severity
    check: str
    places: str
    sentence: str


def problem(check: str, places: str, sentence: str) -> Finding:
    """A finding of severity `PROBLEM`."""
    return Finding(Severity.PROBLEM, check, places, sentence)


def note(check: str, places: str, sentence: str) -> Finding:
    """A finding of severity `NOTE`."""
    return Finding(Severity.NOTE, check, places, sentence)


def some_of(names: Sequence[str]) -> str:
    """The first names, and the number of the others."""
    others = len(names) - _SHOWN
    return ', '.join(names[:_SHOWN]) + (f' and {others:,} more' if others > 0 else '')
