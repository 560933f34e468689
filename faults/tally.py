"""Counts of the campaign's outcomes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ghost_vpr_ros.core.errors import GhostVprError

OUTCOMES = ('refused', 'unharmed', 'counted', 'silent', 'crashed', 'lost')
"""Refused with an error message; the answers of the intact file; damage left out and counted;
different answers without a warning; an unknown error or a signal; durable content is missing."""

BAD = ('silent', 'crashed', 'lost')


@dataclass
class Tally:
    """Cases of one group.

    Attributes:
        name: of the group.
        outcomes: number of cases with each outcome.
        details: one line for each bad outcome.
    """

    name: str
    outcomes: Counter[str] = field(default_factory=Counter)
    details: list[str] = field(default_factory=list)

    def add(self, outcome: str, detail: str = '') -> None:
        """Count one case."""
        self.outcomes[outcome] += 1
        if outcome in BAD:
            self.details.append(f'{outcome}: {detail}')

    def add_lines(self, lines: Iterable[str]) -> None:
        """Count the cases printed by a child process, one JSON object each."""
        for line in lines:
            if line.startswith('{'):
                self.add(**json.loads(line))

    def add_children(
        self, arguments: Sequence[str], count: int, env: Mapping[str, str] | None = None
    ) -> None:
        """Count the cases that a module runs in child processes; a crash is counted as a case.

        Args:
            arguments: module and its arguments; the first case and the end are appended.
            count: number of cases; after a crash a new process continues with the next case.
            env: environment of the processes; None: this one's.
        """
        first, before = 0, self.cases
        while first < count:
            command = [sys.executable, '-m', *arguments, f'{first}', f'{count}']
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as child:
                assert child.stdout is not None
                self.add_lines(child.stdout)
            if child.returncode:
                died = self.cases - before
                self.add('crashed', f'case {died} ended with status {child.returncode}')
            first = self.cases - before

    @property
    def cases(self) -> int:
        """Number of cases."""
        return sum(self.outcomes.values())

    @property
    def is_good(self) -> bool:
        """Whether there was no bad outcome."""
        return not any(self.outcomes[each] for each in BAD)

    def row(self) -> dict[str, object]:
        """Plain values for the report."""
        counts = {name: self.outcomes[name] for name in OUTCOMES}
        return {'group': self.name, 'cases': self.cases, **counts, 'details': self.details[:20]}


def print_case(outcome: str, detail: str) -> None:
    """Print one case of a child process for `Tally.add_lines`."""
    print(json.dumps({'outcome': outcome, 'detail': detail}), flush=True)


def outcome_of(case: Callable[[], str]) -> tuple[str, str]:
    """The outcome of a case, and its error message."""
    try:
        return case(), ''
    except GhostVprError as error:
        return 'refused', str(error)
    except Exception as error:
        return 'crashed', f'{type(error).__name__}: {error}'[:300]
