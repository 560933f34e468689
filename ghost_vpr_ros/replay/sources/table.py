"""Reads CSV files of any program: encoding and separator are detected."""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.sources.cell_values import (
    degrees_of,
    hemisphere_in,
    is_empty,
    is_nmea,
    letter_of,
    metres_of,
    nmea_degrees,
    number_of,
    shown,
    without_invisible,
)
from ghost_vpr_ros.replay.sources.column_names import NAMES_FIRST, meanings

_MARKS = (
    (codecs.BOM_UTF8, 'utf-8-sig'),
    (codecs.BOM_UTF32_LE, 'utf-32'),
    (codecs.BOM_UTF32_BE, 'utf-32'),
    (codecs.BOM_UTF16_LE, 'utf-16'),
    (codecs.BOM_UTF16_BE, 'utf-16'),
)
_WINDOWS = 'cp1252'
_SEPARATORS = ',;\t|'
_HEMISPHERES = {'latitude': 'NS', 'longitude': 'EW'}


@dataclass(frozen=True)
class TableRow:
    """One row of a table: its line in the file and its cells by column, as stripped text.

    Attributes:
        path: of the table.
        line: as an editor counts it; the header is line 1.
        cells: by the column's own name in lower case.
        columns: the column's own name by what it means, where these differ.
        comma_is_decimal: the table is separated by something else than commas.
    """

    path: Path
    line: int
    cells: Mapping[str, str]
    columns: Mapping[str, str] = field(default_factory=dict)
    comma_is_decimal: bool = False

    def text(self, column: str) -> str:
        """The cell's text; empty where the column is absent, too. Finds `lat` as `latitude`."""
        return self.cells.get(self.columns.get(column, column), '')

    def number(self, column: str) -> float | None:
        """The cell as a finite number, or None where it is empty, `nan` or absent.

        Raises:
            SourceError: the cell holds something else.
        """
        text = without_invisible(self.text(column))
        if is_empty(text):
            return None
        try:
            if column in _HEMISPHERES:
                return self._degrees(text, column)
            if column == 'altitude':
                return metres_of(text, self.comma_is_decimal)
            return number_of(text.removesuffix('°'), self.comma_is_decimal)
        except ValueError as error:
            said = str(error).replace('expected a finite number,', '')
            if said != str(error):
                raise self.error(f'expected a finite number in {column},{said}') from error
            raise self.error(f'{column}: {error}') from error

    def _degrees(self, text: str, column: str) -> float:
        """Signed by the cell itself, or by that of a column such as `latitude_ref`.

        Raises:
            ValueError: no angle, or a hemisphere that is not settled.
        """
        letters = _HEMISPHERES[column]
        reference = f'{column}_ref'
        value = degrees_of(text, letters, self.comma_is_decimal)
        is_signed = value < 0 or hemisphere_in(text, letters) != ''
        if is_nmea(text, letters):
            if not is_signed and not letter_of(self.text(reference), letters):
                raise ValueError(
                    f'{shown(text)} looks like degrees and minutes of a receiver (NMEA); write '
                    f'one of {letters} behind it, or decimal degrees; metres belong into easting, '
                    'northing or x, y'
                )
            value = math.copysign(nmea_degrees(text, letters), value)
        if reference not in self.columns or value == 0:
            return value
        letter = letter_of(self.text(reference), letters)
        if not letter and not is_signed:
            found = shown(self.text(reference))
            raise ValueError(f'expected one of {letters} in {reference}, found {found}')
        if is_signed and letter and (letter == letters[0]) != (value > 0):
            raise ValueError(f'{shown(text)} and {reference} {letter} contradict each other')
        return value if is_signed or letter == letters[0] else -value

    def pair(self, first: str, second: str) -> tuple[float, float] | None:
        """Two numbers that belong together, or None where both are empty.

        Raises:
            SourceError: one of the two is empty, or either is not a number.
        """
        a, b = self.number(first), self.number(second)
        if a is not None and b is not None:
            self._check_alike(first, second)
            return a, b
        if a is None and b is None:
            return None
        empty = first if a is None else second
        if self.text(empty):
            found = shown(self.text(empty))
            raise self.error(f'expected a finite number in {empty}, found {found}')
        raise self.error(f'{empty} is empty; fill it, or empty both {first} and {second}')

    def _check_alike(self, first: str, second: str) -> None:
        """Spreadsheets turn the `00007.2` of a receiver into 7.2, and its latitude stays."""
        names = (first, second)
        if not set(names) <= set(_HEMISPHERES):
            return
        forms = [is_nmea(self.text(name), _HEMISPHERES[name]) for name in names]
        if any(forms) and not all(forms):
            raise self.error(
                f'{names[forms.index(True)]} is in degrees and minutes (NMEA) and '
                f'{names[forms.index(False)]} is not; write both as 5212.5N and 00007.2E, zeros '
                'included'
            )

    def error(self, text: str) -> SourceError:
        """An error that names the file and the row as an editor counts it (header = row 1)."""
        return SourceError(f'{self.path} row {self.line}: {text}')


@dataclass(frozen=True)
class Table:
    """The content of a file.

    Attributes:
        path: of the file.
        encoding: in which its bytes are texts; not always that of UTF-8.
        columns: names in lower case; columns without a name are left out.
        meanings: the column of each meaning, as `column_names.meanings` finds them.
        rows: those that hold anything.
    """

    path: Path
    encoding: str
    columns: tuple[str, ...]
    meanings: Mapping[str, str]
    rows: tuple[TableRow, ...]


def read_table(path: Path) -> Table:
    """Rows of a CSV file separated by comma, semicolon, tab or bar; blank lines are skipped.

    Lines that begin with `#` before the header are remarks, and so are rows of a single cell that
    does; `sep=;` names the separator. A header that is repeated, as between tables that were
    joined, is skipped.

    Raises:
        SourceError: unreadable, empty, a column twice, or a row of another length.
    """
    whole, encoding = _read_text(path)
    if '\0' in whole:
        raise SourceError(
            f'{path}: found {whole.count(chr(0))} zero bytes, as a power cut leaves them; restore '
            'the file, or remove them and check its last rows'
        )
    text, num_skipped, separator = _body(whole)
    reader = csv.reader(io.StringIO(text, newline=''), delimiter=separator)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        columns = tuple(name for name in header if name)
        _check_header(columns, path)
        found = meanings(columns, path)
        rows = []
        for cells in reader:
            if _is_data(cells, header):
                line = reader.line_num + num_skipped
                values = _values(cells, header, path, line)
                rows.append(TableRow(path, line, values, found, separator != ','))
    except csv.Error as error:
        line = reader.line_num + num_skipped
        raise SourceError(f'{path} row {line}: not valid CSV ({error})') from error
    return Table(path, encoding, columns, found, tuple(rows))


def _is_data(cells: list[str], header: list[str]) -> bool:
    """Whether a row is neither empty, nor a remark, nor the header of a table put behind."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    is_remark = len(filled) == 1 < len(header) and filled[0].startswith('#')
    is_header = [cell.strip().lower() for cell in cells] == header
    return bool(filled) and not is_remark and not is_header


def _check_header(columns: tuple[str, ...], path: Path) -> None:
    if not columns:
        raise SourceError(f'{path}: expected a header line with a column `image`, found nothing')
    if all(re.fullmatch(r'[-+.e\d]+', name) for name in columns):
        raise SourceError(
            f'{path}: expected a header line, found only numbers in the first one (lines that '
            f'begin with # are remarks); {NAMES_FIRST}'
        )
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise SourceError(f'{path}: column {twice[0]!r} occurs twice; rename one of them')


def _values(cells: list[str], header: list[str], path: Path, line: int) -> dict[str, str]:
    while len(cells) > len(header) and not cells[-1].strip():
        cells = cells[:-1]
    if not any(header[len(cells) :]):
        # After the last name there are only empty cells, which some programs leave out.
        cells = cells + [''] * (len(header) - len(cells))
    if len(cells) != len(header):
        raise SourceError(
            f'{path} row {line}: expected {len(header)} cells, found {len(cells)}; '
            + ('quote cells that hold the separator' if len(header) > 1 else NAMES_FIRST)
        )
    pairs = zip(header, cells, strict=True)
    return {name: cell.strip() for name, cell in pairs if name}


def _read_text(path: Path) -> tuple[str, str]:
    """The text, and its encoding: by its mark, else UTF-8, or else Windows-1252.

    The latter reads any bytes: names of images have to be there, and numbers are the same.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f'{path}: the manifest cannot be read ({error.strerror})') from error
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), 'utf-8')
    if encoding == 'utf-8' and b'\0' in data[:2]:
        encoding = 'utf-16-be' if data[:1] == b'\0' else 'utf-16-le'
    try:
        # DOS ends a file so.
        return data.decode(encoding).removesuffix('\x1a'), encoding
    except UnicodeDecodeError as error:
        if encoding == 'utf-8' and b'\0' not in data:
            return data.decode(_WINDOWS, 'backslashreplace'), _WINDOWS
        name = encoding.removesuffix('-sig').upper()
        raise SourceError(
            f'{path}: expected a CSV file in {name}, found byte {data[error.start]:#04x} '
            f'at {error.start}; save it as UTF-8'
        ) from error


def _body(text: str) -> tuple[str, int, str]:
    """The text from the header on, how many lines stand before it, and the separator."""
    lines = io.StringIO(text, newline='').readlines()
    num_skipped, separator = 0, ''
    for line in lines:
        stripped = line.strip().strip('"')
        if stripped.lower().startswith('sep=') and len(stripped) <= 5:
            separator = line.strip('"\r\n')[4:5] or '\t'
        elif not stripped.startswith('#') and stripped:
            break
        num_skipped += 1
    header = lines[num_skipped] if num_skipped < len(lines) else ''
    if separator not in header or not separator:
        # An editor that changed the separators left the line as it was.
        separator = _separator(header)
    return ''.join(lines[num_skipped:]), num_skipped, separator


def _separator(header: str) -> str:
    return max(_SEPARATORS, key=header.count)
