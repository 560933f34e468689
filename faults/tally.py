"""What became of each case of the campaign, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from ghost_vpr_ros.core.errors import GhostVprError

OUTCOMES = ('refused', 'unharmed', 'counted', 'silent', 'crashed', 'lost')
"""Refused with a sentence; the answers of the intact file; damage left out and counted; other
answers without a word; an unknown error or a signal; what was durable is missing."""

BAD = ('silent', 'crashed', 'lost')


@dataclass
class Tally:
    """Cases of one group.

    Attributes:
        name: of the group.
        outcomes: how often each came.
        details: of the bad ones, a line each.
    """

    name: str
    outcomes: Counter[str] = field(default_factory=Counter)
    details: list[str] = field(default_factory=list)

    def add(self, outcome: str, detail: str = '') -> None:
        """Count one case."""
        self.outcomes[outcome] += 1
        if outcome in BAD:
            self.details.append(f'{outcome}: {detail}')

    @property
    def cases(self) -> int:
        """How many there were."""
        return sum(self.outcomes.values())

    @property
    def is_good(self) -> bool:
        """Whether none was bad."""
        return not any(self.outcomes[each] for each in BAD)

    def row(self) -> dict[str, object]:
        """For the report."""
        counts = {name: self.outcomes[name] for name in OUTCOMES}
        return {'group': self.name, 'cases': self.cases, **counts, 'details': self.details[:20]}


def outcome_of(case: Callable[[], str]) -> tuple[str, str]:
    """The outcome of a case, and a remark."""
    try:
        return case(), ''
    except GhostVprError as error:
        return 'refused', str(error)
    except Exception as error:
        return 'crashed', f'{type(error).__name__}: {error}'[:300]
