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

What other programs call these columns is in `column_names`. Rows can be chosen by `column=value`,
or `column=low..high` for numbers.
"""

from __future__ import annotations

import math
import os
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import unquote

from ghost_vpr_ros.core.config.image import ImageConfig
from ghost_vpr_ros.core.config.settings import nearest_hint
from ghost_vpr_ros.core.datatypes import Frame, ScalableLoad
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.image import has_heic_decoder, read_image, valid_text
from ghost_vpr_ros.replay.sources.cell_values import (
    is_empty,
    letter_of,
    may_be_coordinates,
    may_be_pairs,
)
from ghost_vpr_ros.replay.sources.column_names import (
    DOCUMENTED,
    OPTIONAL,
    POSITIONS,
    check_columns,
    column_key,
    unread_remarks,
)
from ghost_vpr_ros.replay.sources.coordinate_system import with_grid
from ghost_vpr_ros.replay.sources.folder_scan import HEIC_PHOTOS
from ghost_vpr_ros.replay.sources.headings import with_known_headings
from ghost_vpr_ros.replay.sources.manifest_columns import (
    band_of,
    geo_of,
    heading_of,
    pose_of,
    stamp_of,
)
from ghost_vpr_ros.replay.sources.plausible_positions import NORTH_TAKEN, NULL_NOT_TAKEN, some_of
from ghost_vpr_ros.replay.sources.table import Table, TableRow, read_table
from ghost_vpr_ros.replay.sources.utm_grid import tells_hemisphere

_OFTEN_OTHER = ('time',)
"""Names that mean many things, as a time of day: not told where they are not read."""

_KEPT_AS_TEXT = ('heading_deg', 'yaw_rad')
_SHOWN_CHARACTERS = 120
_VALUES_SHOWN = 10


def read_manifest(
    path: Path, where: Mapping[str, str], config: ImageConfig | None
) -> tuple[list[Frame], list[str]]:
    """Frames of the rows that pass `where`, in the manifest's order, and remarks for the user.

    Raises:
        SourceError: unreadable, a missing column, a bad value (with its row), an image that does
            not exist, an image in two of the rows, or no row left.
    """
    table, unreadable = _with_readable_columns(with_grid(read_table(path)))
    check_columns(table.columns, table.meanings, path)
    table, no_headings = with_known_headings(table)
    if not table.rows:
        raise SourceError(f'{path}: expected one row for each image, found only the header')
    rows = filter_rows(table.rows, where)
    _check_zones(rows)
    names = _image_names(rows, path)
    pairs = zip(rows, names, strict=True)
    frames = [_frame(row, name, path.parent, config) for row, name in pairs]
    others = [column for column in table.columns if column not in unreadable]
    remarks = [*unreadable.values(), *unread_remarks(others, table.meanings), *no_headings]
    remarks += [*_unnamed_positions(table, rows), *_unnamed_hemispheres(table, rows)]
    if table.encoding == 'cp1252':
        remarks.append('the table is not UTF-8 and was read as Windows-1252; save it as UTF-8')
    return frames, remarks + _position_remarks(rows, frames)


def _with_readable_columns(table: Table) -> tuple[Table, dict[str, str]]:
    """The table without the meanings of columns that only look like one, and why, by column.

    A `timestamp` without a zone, or a `heading` in radians, is text: it was never promised.
    """
    remarks: dict[str, str] = {}
    for meaning in OPTIONAL:
        column = table.meanings.get(meaning)
        if column is None or column in DOCUMENTED:
            continue
        reason = _unreadable(table.rows, meaning)
        if reason:
            # An empty name, which no column has: the meaning may be a column's own name.
            kept = {**table.meanings, meaning: ''}
            rows = tuple(replace(row, columns=kept) for row in table.rows)
            table = replace(table, meanings=kept, rows=rows)
            if column_key(column) not in _OFTEN_OTHER:
                remarks[column] = f'the column {column!r} is not read: {reason}'
    return table, remarks


def _unreadable(rows: Sequence[TableRow], meaning: str) -> str:
    """Why a column of another name cannot have this meaning; empty where it can."""
    try:
        if meaning == 'altitude':
            _read_all(rows, lambda row: row.number('altitude'))
        elif meaning != 'heading_deg':
            _read_all(rows, stamp_of)
        elif 0 < max((abs(heading_of(row) or 0.0) for row in rows), default=0.0) <= math.tau:
            return 'it could be degrees or radians; name it heading_deg, or yaw_rad'
    except SourceError as error:
        return str(error)
    return ''


def _unnamed_positions(table: Table, rows: Sequence[TableRow]) -> list[str]:
    """A sentence on columns that may hold positions under names of another language or program."""
    if POSITIONS & set(table.meanings):
        return []
    others = [column for column in table.columns if column not in table.meanings.values()]
    texts = {column: [row.cells[column] for row in rows] for column in others}
    found = [column for column in others if may_be_coordinates(texts[column])]
    pairs = [column for column in others if may_be_pairs(texts[column])]
    if len(found) < 2 and pairs:
        return [
            f'no column is known as a position, but {pairs[0]!r} seems to hold two numbers; write '
            'them into two columns, latitude and longitude'
        ]
    if len(found) < 2:
        return []
    named = ' and '.join(map(repr, found[:2]))
    return [
        f'no column is known as a position, but {named} could be one; '
        'name them latitude and longitude, easting and northing, or x and y'
    ]


def _unnamed_hemispheres(table: Table, rows: Sequence[TableRow]) -> list[str]:
    """A sentence on a column of letters that would lay unsigned degrees on the other half."""
    remarks = []
    unread = [column for column in table.columns if column not in table.meanings.values()]
    for meaning, letters in (('latitude', 'NS'), ('longitude', 'EW')):
        if meaning not in table.meanings or f'{meaning}_ref' in table.meanings:
            continue
        for column in unread:
            filled = [row.cells[column] for row in rows if not is_empty(row.cells[column])]
            found = {letter_of(text, letters) for text in filled}
            if letters[1] in found and '' not in found:
                remarks.append(
                    f'the column {column!r} holds the letter {letters[1]} and is not read; if it '
                    f'is the hemisphere, name it {meaning}_ref'
                )
    return remarks


def _read_all(rows: Sequence[TableRow], read: Callable[[TableRow], object]) -> None:
    for row in rows:
        read(row)


def _check_zones(rows: Sequence[TableRow]) -> None:
    """Refuse metres without a zone among others with one: they would count as local metres.

    Raises:
        SourceError: with the first such row.
    """
    without = [row for row in rows if not row.text('utm_zone') and _has_metres_alone(row)]
    if without and len(without) < sum(map(_has_metres_alone, rows)):
        raise without[0].error(
            'utm_zone is empty although other rows have one; fill it, or empty the easting and '
            'the northing'
        )


def _has_metres_alone(row: TableRow) -> bool:
    has_degrees = row.pair('latitude', 'longitude') is not None
    return not has_degrees and row.pair('easting', 'northing') is not None


def _image_names(rows: Sequence[TableRow], path: Path) -> list[str]:
    """Path of each row's image relative to the manifest's folder, as it is on the disk.

    Raises:
        SourceError: an empty cell, an image that is not there, or one that was listed before.
    """
    first_line: dict[Path, int] = {}
    names = []
    for row in rows:
        name = _name_on_disk(row, path.parent)
        image = Path(os.path.normpath(path.parent / name))
        if image in first_line:
            raise row.error(
                f'{valid_text(row.text("image"))} was already listed in row {first_line[image]}; '
                'remove one of the rows or choose between them with --where (in evaluate: '
                '--database-where, --queries-where)'
            )
        if image.suffix.lower() in HEIC_PHOTOS.suffixes and not has_heic_decoder():
            raise row.error(f'{name} is one of the HEIC photos; {HEIC_PHOTOS.next_step}')
        first_line[image] = row.line
        names.append(name)
    return names


def _name_on_disk(row: TableRow, folder: Path) -> str:
    """The image's path as written, or with slashes for backslashes, or with composed letters."""
    text = row.text('image')
    if not text:
        raise row.error('expected the path of an image, found an empty cell')
    written = [text, text.replace('\\', '/'), _of_other_bytes(text), _of_address(text)]
    forms = [unicodedata.normalize(form, path) for path in written for form in ('NFC', 'NFD')]
    for name in (*written, *forms):
        if _is_file(folder / name):
            return name
    spaced = _with_its_spaces(folder, text)
    if spaced:
        return spaced
    shown = valid_text(str(folder / text))
    shown = shown if len(shown) <= _SHOWN_CHARACTERS else f'{shown[:_SHOWN_CHARACTERS]}...'
    raise row.error(
        f'there is no image {shown}; correct the path or remove the row{_path_hint(folder, text)}'
    )


def _with_its_spaces(folder: Path, text: str) -> str:
    """The name on the disk that begins or ends with spaces, which a table does not keep."""
    parent = (folder / text).parent
    try:
        found = [path for path in parent.iterdir() if path.name.strip() == Path(text).name]
    except (OSError, ValueError):
        return ''
    return os.path.relpath(found[0], folder) if len(found) == 1 and _is_file(found[0]) else ''


def _of_other_bytes(text: str) -> str:
    """The name on the disk whose bytes a table in Windows-1252 holds."""
    try:
        return os.fsdecode(text.encode('cp1252'))
    except UnicodeEncodeError:
        return text


def _of_address(text: str) -> str:
    """`file:///photos/my%20street.jpg`, or `my%20street.jpg`, without what addresses add."""
    return unquote(re.sub('^file://(localhost)?', '', text))


def _path_hint(folder: Path, text: str) -> str:
    """The probable fault in the path of a missing image."""
    name = text.replace('\\', '/')
    if re.match(r'[A-Za-z]:[\\/]|\\\\', text):
        parts = name.split('/')
        ends = ('/'.join(parts[start:]) for start in range(1, len(parts)))
        found = next((end for end in ends if end and _is_file(folder / end)), None)
        there = f', such as {found}' if found else ''
        return f' (a path of another computer; write it relative to the manifest{there})'
    try:
        others = [path.name for path in (folder / name).parent.iterdir()]
    except (OSError, ValueError):
        return ''
    if Path(name).name in others:
        return ' (there is a folder of this name)'
    same = [other for other in others if other.casefold() == Path(name).name.casefold()]
    return f' (there is {same[0]}: capital and small letters differ)' if same else ''


def _is_file(path: Path) -> bool:
    """False, too, for what no file can be called: too long a name, or a zero byte in it."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _frame(row: TableRow, name: str, folder: Path, config: ImageConfig | None) -> Frame:
    used = {column for meaning, column in row.columns.items() if meaning not in _KEPT_AS_TEXT}
    attributes = {column: text for column, text in row.cells.items() if column not in used}
    if 'heading_deg' in row.columns:
        attributes['heading_deg'] = row.text('heading_deg')
    return Frame(
        name=valid_text(name),
        load=ScalableLoad(partial(read_image, folder / name, config)),
        stamp_ns=stamp_of(row),
        geo=geo_of(row),
        pose=pose_of(row),
        panorama=row.text('panorama') or None,
        attributes=attributes,
    )


def _position_remarks(rows: Sequence[TableRow], frames: Sequence[Frame]) -> list[str]:
    """What was interpreted as a position, or not, without being marked so in the table."""
    null, north = [], []
    for row, frame in zip(rows, frames, strict=True):
        zone, band = row.text('utm_zone'), band_of(row)
        has_degrees = row.pair('latitude', 'longitude') is not None
        has_utm = zone and row.pair('easting', 'northing') is not None
        if (has_degrees or has_utm) and frame.geo is None:
            null.append(frame.name)
        elif zone and frame.geo is not None and not tells_hemisphere(zone, band):
            north.append(frame.name)
    remarks = [f'{some_of(null)}: {NULL_NOT_TAKEN}'] if null else []
    return remarks + ([f'{some_of(north)}: {NORTH_TAKEN}'] if north else [])


def filter_rows(rows: Sequence[TableRow], where: Mapping[str, str]) -> tuple[TableRow, ...]:
    """Rows that pass every condition of `where`.

    A condition is a text that the cell must equal, or `low..high`, both inclusive: then the cell
    must be a number in this range, and empty cells do not pass. Where `low` is greater than
    `high` the range wraps around: `time=180000..55959` is the night, and
    `heading_deg=315..45` looks north. A text that some cell equals is never read as a range.

    Args:
        rows: at least one row of one manifest.
        where: condition by column.

    Raises:
        SourceError: an unknown column, a range over cells that are not numbers, or no row left
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


def _passing(rows: tuple[TableRow, ...], column: str, condition: str) -> tuple[TableRow, ...]:
    """Never empty: an error lists the values to choose from."""
    equal = tuple(row for row in rows if row.cells[column] == condition)
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


def _value(row: TableRow, column: str, condition: str) -> float:
    """The cell as a number; NaN, which lies in no range, where it is empty."""
    try:
        # By the column's own name, however it is interpreted.
        value = replace(row, columns={}).number(column)
    except SourceError as error:
        raise SourceError(f'{error}; the range {column}={condition} needs numbers') from error
    return math.nan if value is None else value


def _is_inside(value: float, low: float, high: float) -> bool:
    if low <= high:
        return low <= value <= high
    return value >= low or value <= high


def _distinct_values(rows: Sequence[TableRow], column: str) -> str:
    values = sorted({row.cells[column] for row in rows})
    more = f' and {len(values) - _VALUES_SHOWN} more' if len(values) > _VALUES_SHOWN else ''
    return ', '.join(map(repr, values[:_VALUES_SHOWN])) + more
