"""Headings of a table that mean "not known", and angles in the wrong unit."""

from __future__ import annotations

import math
from dataclasses import replace

from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.sources.table import Table, TableRow

_NEGATIVE_UNKNOWN = -1.0
"""What phones write for it; only where no other heading is negative."""

_BEYOND_UNKNOWN = (511.0, 655.35)
"""What AIS and CAN receivers write for it: their largest numbers."""


def with_known_headings(table: Table) -> tuple[Table, list[str]]:
    """The table without headings that mean "not known", and sentences on them and on odd yaws."""
    remarks = _yaw_remarks(table)
    column = table.meanings.get('heading_deg')
    if not column:
        return table, remarks
    headings = [_number(row, 'heading_deg') for row in table.rows]
    others = [each for each in headings if each is not None and each < 0.0]
    is_phone = set(others) == {_NEGATIVE_UNKNOWN}
    unknown = (_NEGATIVE_UNKNOWN, *_BEYOND_UNKNOWN) if is_phone else _BEYOND_UNKNOWN
    is_unknown = [heading in unknown for heading in headings]
    if not any(is_unknown):
        return table, remarks
    rows = tuple(
        replace(row, cells={**row.cells, column: ''}) if is_none else row
        for row, is_none in zip(table.rows, is_unknown, strict=True)
    )
    found = ' and '.join(f'{each:g}' for each in unknown if each in headings)
    remarks.append(
        f'{sum(is_unknown)} of {len(rows)} rows: {column} {found} means "not known"; heading not '
        'taken'
    )
    return replace(table, rows=rows), remarks


def _yaw_remarks(table: Table) -> list[str]:
    """A sentence on yaws that may be degrees; those of a robot that turns on and on may be so."""
    column = table.meanings.get('yaw_rad')
    if not column:
        return []
    largest = max((abs(_number(row, 'yaw_rad') or 0.0) for row in table.rows), default=0.0)
    if not math.tau < largest <= 360.0:
        return []
    return [
        f'{column} goes to {largest:g}, more than a full turn of 6.28 rad; where it is in degrees'
        ', convert it, or name a compass heading heading_deg'
    ]


def _number(row: TableRow, meaning: str) -> float | None:
    """Of the cell; None, too, for what is refused when the row is read."""
    try:
        return row.number(meaning)
    except SourceError:
        return None
