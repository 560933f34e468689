"""A CSV manifest becomes frames: one row an image, columns found by name.

Columns (in any order and case; the rest is kept as text in the frame's attributes):

| column | meaning |
|---|---|
| `image` | path of the image, relative to the manifest's folder |
| `latitude`, `longitude` (or `lat`, `lon`), `altitude` | WGS84 degrees; metres |
| `easting`, `northing`, `utm_zone`, `utm_band` | metres; WGS84 only where the zone is given |
| `x`, `y`, `z` | metres in the map frame |
| `yaw_rad` or `heading_deg` | yaw in the map frame, or compass (0 = north, clockwise) |
| `stamp_ns`, `stamp_s` or `stamp` | time of capture, see `manifest_columns.stamp_of` |
| `panorama` | images of one panorama are never matched with each other |

Rows can be chosen by `column=value`, or `column=low..high` for numbers.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ghost_vpr_ros.core.config.settings import nearest_hint
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.image import read_image
from ghost_vpr_ros.replay.sources.manifest_columns import (
    CONSUMED_COLUMNS,
    Row,
    check_columns,
    geo_of,
    pose_of,
    stamp_of,
)


@dataclass(frozen=True)
class Table:
    """A manifest's text: the columns' names in lower case, and its rows."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def manifest_frames(path: Path, where: Mapping[str, str]) -> list[Frame]:
    """Frames of the rows that pass `where`, in the manifest's order.

    Raises:
        SourceError: unreadable, a missing column, a bad value (with its row), an image that does
            not exist, an image in two of the rows, or no row left.
    """
    table = read_table(path)
    check_columns(table.columns, path)
    if not table.rows:
        raise SourceError(f'{path}: expected one row for each image, found only the header')
    rows = filter_rows(table.rows, where)
    _check_images(rows, path)
    return [_frame(row, path.parent) for row in rows]


def read_table(path: Path) -> Table:
    """Rows of a CSV file separated by comma, semicolon or tab; blank lines are skipped.

    Raises:
        SourceError: unreadable, empty, a column twice, or a row of another length.
    """
    text = _read_text(path)
    header = text.partition('\n')[0]
    reader = csv.reader(io.StringIO(text, newline=''), delimiter=_delimiter(header))
    columns = tuple(name.strip().lower() for name in next(reader, []))
    if not columns:
        raise SourceError(f'{path}: expected a header line with a column `image`, found nothing')
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise SourceError(f'{path}: column {twice[0]!r} occurs twice; rename one of them')
    try:
        return Table(path, columns, tuple(_rows(reader, columns, path)))
    except csv.Error as error:
        raise SourceError(f'{path} row {reader.line_num}: not valid CSV ({error})') from error


def _read_text(path: Path) -> str:
    try:
        return path.read_text('utf-8-sig')
    except OSError as error:
        raise SourceError(f'{path}: the manifest cannot be read ({error.strerror})') from error
    except UnicodeDecodeError as error:
        raise SourceError(
            f'{path}: expected a CSV file in UTF-8, found byte {error.object[error.start]:#04x} '
            f'at {error.start}; save it as UTF-8'
        ) from error


def _delimiter(header: str) -> str:
    return max(',;\t', key=header.count)


def _rows(reader: Any, columns: tuple[str, ...], path: Path) -> list[Row]:
    rows = []
    for cells in reader:
        line = reader.line_num
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(columns):
            raise SourceError(
                f'{path} row {line}: expected {len(columns)} cells, found {len(cells)}; '
                'quote cells that hold the separator'
            )
        values = [cell.strip() for cell in cells]
        rows.append(Row(path, line, dict(zip(columns, values, strict=True))))
    return rows


def _check_images(rows: Sequence[Row], path: Path) -> None:
    first_line: dict[Path, int] = {}
    for row in rows:
        image = path.parent / _image_of(row)
        if image in first_line:
            raise row.error(
                f'{row.text("image")} was already listed in row {first_line[image]}; '
                'remove one of the rows or choose between them with --where (in evaluate: '
                '--database-where, --queries-where)'
            )
        if not image.is_file():
            raise row.error(f'there is no image {image}; correct the path or remove the row')
        first_line[image] = row.line


def _image_of(row: Row) -> str:
    if not row.text('image'):
        raise row.error('expected the path of an image, found an empty cell')
    return row.text('image')


def _frame(row: Row, folder: Path) -> Frame:
    return Frame(
        name=row.text('image'),
        load=partial(read_image, folder / row.text('image')),
        stamp_ns=stamp_of(row),
        geo=geo_of(row),
        pose=pose_of(row),
        panorama=row.text('panorama') or None,
        attributes={k: v for k, v in row.cells.items() if k not in CONSUMED_COLUMNS},
    )


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
