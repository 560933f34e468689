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
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

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
from ghost_vpr_ros.replay.sources.row_filter import filter_rows


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
