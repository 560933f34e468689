"""Which rows of a manifest are wanted: `column=value`, or `column=low..high` for numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ghost_vpr_ros.core.config.settings import nearest_hint
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.sources.manifest_columns import Row

_VALUES_SHOWN = 10


def filter_rows(rows: Sequence[Row], where: Mapping[str, str]) -> tuple[Row, ...]:
    """Rows that pass every condition of `where`.

    A condition is a text that the cell must equal, or `low..high`, both inclusive: then the cell
    must be a number in this range, and empty cells do not pass. Where `low` is greater than
    `high` the range goes over the end and starts anew: `time=180000..55959` is the night, and
    `heading_deg=315..45` looks north. A text that some cell equals is never taken for a range.

    Args:
        rows: at least one row of one manifest.
        where: condition by column.

    Raises:
        SourceError: an unknown column, a range over cells that are no numbers, or no row left
            (the values that exist are named).
    """
    kept = tuple(rows)
    for name, condition in where.items():
        column = name.strip().lower()
        if column not in kept[0].cells:
            hint = nearest_hint(column, list(kept[0].cells))
            raise SourceError(f'{kept[0].path}: no column {name!r} to filter by{hint}')
        kept = _passing(kept, column, condition.strip())
    return kept


def _passing(rows: tuple[Row, ...], column: str, condition: str) -> tuple[Row, ...]:
    """Never empty: an error says what could have been asked for."""
    equal = tuple(row for row in rows if row.text(column) == condition)
    if equal:
        return equal
    none = f'{rows[0].path}: no row with {column}={condition}; {column}'
    bounds = _bounds(condition)
    if bounds is None:
        raise SourceError(f'{none} is one of {_distinct_values(rows, column)}')
    values = [_value(row, column, condition) for row in rows]
    inside = tuple(row for row, v in zip(rows, values, strict=True) if _is_inside(v, *bounds))
    if not inside:
        known = [value for value in values if not math.isnan(value)]
        found = f'goes from {min(known):.9g} to {max(known):.9g}' if known else 'is empty'
        raise SourceError(f'{none} {found}')
    return inside


def _bounds(condition: str) -> tuple[float, float] | None:
    """Both ends of a range, or None where the condition is another text."""
    low, dots, high = condition.partition('..')
    try:
        bounds = float(low), float(high)
    except ValueError:
        return None
    return bounds if dots and all(map(math.isfinite, bounds)) else None


def _value(row: Row, column: str, condition: str) -> float:
    """The cell as a number; NaN, which lies in no range, where it is empty."""
    try:
        value = row.number(column)
    except SourceError as error:
        raise SourceError(f'{error}; the range {column}={condition} needs numbers') from error
    return math.nan if value is None else value


def _is_inside(value: float, low: float, high: float) -> bool:
    if low <= high:
        return low <= value <= high
    return value >= low or value <= high


def _distinct_values(rows: Sequence[Row], column: str) -> str:
    values = sorted({row.text(column) for row in rows})
    more = f' and {len(values) - _VALUES_SHOWN} more' if len(values) > _VALUES_SHOWN else ''
    return ', '.join(map(repr, values[:_VALUES_SHOWN])) + more
