"""The columns of a manifest's row become a stamp, a WGS84 position and a metric pose."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, GeoPoint, Pose
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.geodesy import check_geo, utm_to_geo
from ghost_vpr_ros.core.poses import heading_to_quaternion, yaw_to_quaternion

CONSUMED_COLUMNS = frozenset(
    {'image', 'panorama', 'stamp', 'stamp_s', 'stamp_ns'}
    | {'latitude', 'lat', 'longitude', 'lon', 'altitude', 'alt'}
    | {'easting', 'northing', 'utm_zone', 'utm_band', 'x', 'y', 'z'}
)
"""Columns that become fields of a frame; all others, headings included, stay as attributes."""

_PAIRS = (('latitude', 'longitude'), ('easting', 'northing'), ('x', 'y'))
_OTHER_NAME = {'latitude': 'lat', 'longitude': 'lon', 'altitude': 'alt'}
_LEAST_NS = 10**15
_MOST_NS = 2**63 - 1
_MOST_EASTING_M = 1_000_000
_MOST_NORTHING_M = 10_000_000


@dataclass(frozen=True)
class Row:
    """One row of a manifest: its line in the file and its cells by column, as stripped text."""

    path: Path
    line: int
    cells: Mapping[str, str]

    def text(self, column: str) -> str:
        """The cell's text; empty where the column is absent, too; knows `lat`, `lon`, `alt`."""
        other = _OTHER_NAME.get(column, column)
        return self.cells.get(column, self.cells.get(other, ''))

    def number(self, column: str) -> float | None:
        """The cell as a finite number, or None where it is empty or absent.

        Raises:
            SourceError: the cell holds something else.
        """
        text = self.text(column)
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.error(f'expected a finite number in {column}, found {text!r}')
        return value

    def pair(self, first: str, second: str) -> tuple[float, float] | None:
        """Two numbers that belong together, or None where both are empty.

        Raises:
            SourceError: one of the two is empty, or either is no number.
        """
        a, b = self.number(first), self.number(second)
        if a is not None and b is not None:
            return a, b
        if a is None and b is None:
            return None
        empty = first if a is None else second
        raise self.error(f'{empty} is empty; fill it, or empty both {first} and {second}')

    def error(self, text: str) -> SourceError:
        """An error that names the file and the row as an editor counts it (header = row 1)."""
        return SourceError(f'{self.path} row {self.line}: {text}')


def check_columns(columns: Sequence[str], path: Path) -> None:
    """Check that `image` is there and that coordinates come in pairs.

    Raises:
        SourceError: the missing column beside those found.
    """
    found = f'; found the columns {", ".join(columns)}'
    if 'image' not in columns:
        raise SourceError(f'{path}: the column `image` is missing{found}')
    for pair in _PAIRS:
        missing = [n for n in pair if n not in columns and _OTHER_NAME.get(n) not in columns]
        if len(missing) == 1:
            raise SourceError(f'{path}: the column `{missing[0]}` is missing{found}')


def stamp_of(row: Row) -> int:
    """Time of capture in integer nanoseconds, or `UNKNOWN_STAMP_NS` where no cell is filled.

    `stamp_ns` holds integer nanoseconds and `stamp_s` seconds. A column `stamp` is seconds where
    it is written with a point or an exponent, and nanoseconds where it is an integer of at least
    16 digits; shorter integers could be either and are refused. Decimal arithmetic keeps all
    nanoseconds.

    Raises:
        SourceError: not a number, negative, a fraction of a nanosecond, too large, or ambiguous.
    """
    for column in ('stamp_ns', 'stamp_s', 'stamp'):
        text = row.text(column)
        if text:
            return _checked_stamp(row, column, text)
    return UNKNOWN_STAMP_NS


def geo_of(row: Row) -> GeoPoint | None:
    """WGS84 position from latitude and longitude, or from UTM where its zone is given.

    Raises:
        SourceError: outside the range, half a pair, or no such zone.
    """
    altitude_m = row.number('altitude')
    degrees = row.pair('latitude', 'longitude')
    metres = row.pair('easting', 'northing')
    try:
        if degrees is not None:
            check_geo(*degrees)
            return GeoPoint(*degrees, altitude_m)
        if metres is not None and row.text('utm_zone'):
            return utm_position(*metres, row.text('utm_zone'), row.text('utm_band'), altitude_m)
    except ValueError as error:
        raise row.error(str(error)) from error
    return None


def pose_of(row: Row) -> Pose | None:
    """Metric pose from x, y, z, or from easting and northing that have no zone.

    Beside a WGS84 position a heading alone gives a pose without a position.

    Raises:
        SourceError: half a pair, or a cell that is no number.
    """
    position = row.pair('x', 'y')
    if position is not None:
        return Pose(np.array([*position, row.number('z') or 0.0]), _quaternion(row))
    position, quaternion = row.pair('easting', 'northing'), _quaternion(row)
    if row.text('utm_zone') or row.pair('latitude', 'longitude') is not None:
        return None if quaternion is None else Pose.of_heading(quaternion)
    if position is None:
        return None
    return Pose(np.array([*position, row.number('altitude') or 0.0]), quaternion)


def utm_position(
    easting_m: float, northing_m: float, zone: str, band: str, altitude_m: float | None = None
) -> GeoPoint:
    """WGS84 position of UTM coordinates; `zone` is `33` or `33U`, `band` the latitude band.

    Bands from N on lie north of the equator; without a band the northern half is meant.

    Raises:
        ValueError: no such zone or band, with a text for people.
    """
    match = re.fullmatch(r'(\d{1,2})\s*([C-HJ-NP-X]?)', (zone + band).strip().upper())
    if match is None or not 1 <= int(match[1]) <= 60:
        raise ValueError(f'expected a UTM zone 1 .. 60 and a band C .. X, found {zone}{band}')
    is_inside = 0 <= easting_m <= _MOST_EASTING_M and 0 <= northing_m <= _MOST_NORTHING_M
    degrees = utm_to_geo(easting_m, northing_m, int(match[1]), (match[2] or 'N') >= 'N')[0]
    if not is_inside or not np.isfinite(degrees).all():
        raise ValueError(f'easting {easting_m:g} and northing {northing_m:g} are no UTM position')
    return GeoPoint(float(degrees[0]), float(degrees[1]), altitude_m)


def _quaternion(row: Row) -> NDArray[np.float64] | None:
    yaw_rad, heading_deg = row.number('yaw_rad'), row.number('heading_deg')
    if yaw_rad is not None:
        return yaw_to_quaternion(yaw_rad)
    return None if heading_deg is None else heading_to_quaternion(heading_deg)


def _checked_stamp(row: Row, column: str, text: str) -> int:
    value = _decimal(row, column, text)
    is_integer = re.fullmatch(r'\d+', text) is not None
    if column == 'stamp' and is_integer and 0 < value < _LEAST_NS:
        raise row.error(
            f'stamp {text} could be seconds or nanoseconds; name the column stamp_s or stamp_ns'
        )
    is_seconds = column == 'stamp_s' or (column == 'stamp' and not is_integer)
    scaled = value * 10**9 if is_seconds else value
    if not is_seconds and scaled != int(scaled):
        raise row.error(f'expected integer nanoseconds in {column}, found {text!r}')
    if not 0 <= scaled <= _MOST_NS:
        raise row.error(f'{column} {text} is outside 0 .. {_MOST_NS} ns')
    return round(scaled)


def _decimal(row: Row, column: str, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal('nan')
    if not value.is_finite():
        raise row.error(f'expected a time in {column}, found {text!r}')
    return value
