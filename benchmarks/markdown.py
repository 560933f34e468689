"""Markdown tables and paragraphs."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

WIDTH = 115


def paragraph(text: str) -> list[str]:
    """The wrapped lines of a text."""
    return textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    return [_row(columns), _row(['---'] * len(columns)), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return '| ' + ' | '.join(cells) + ' |'


def significant(value: float, digits: int = 3) -> str:
    """A number with this many significant digits and no exponent: 0.0123, 1.23, 123, 1234."""
    if value == 0.0:
        return '0'
    text = f'{value:.{digits}g}'
    return f'{value:.0f}' if 'e' in text and abs(value) >= 1.0 else text


def machine_lines(report: dict[str, Any]) -> list[str]:
    """Machine, versions and command of a report."""
    machine = report['machine']
    versions = ', '.join(f'{name} {version}' for name, version in machine['versions'].items())
    return [
        *paragraph(
            f'{machine["processor"]}; {machine["cores"]} cores, {machine["memory_gib"]} GiB; '
            f'{machine["system"]}, Python {machine["python"]}; {versions}. Commit '
            f'{machine["commit"]}, {machine["day"]}.'
        ),
        '',
        f'    {report["command"]}',
        '',
    ]
