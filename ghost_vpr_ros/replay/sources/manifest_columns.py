"""The columns of a manifest's row become a stamp, a WGS84 position and a metric pose."""

from __future__ import annotations

import re
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, GeoPoint, Pose
from ghost_vpr_ros.core.geodesy import known_geo
from ghost_vpr_ros.core.poses import heading_to_quaternion, yaw_to_quaternion
from ghost_vpr_ros.replay.sources.cell_values import (
    decimal_of,
    is_empty,
    nanoseconds_of_date,
    shown,
)
from ghost_vpr_ros.replay.sources.column_names import STAMPS
from ghost_vpr_ros.replay.sources.table import TableRow
from ghost_vpr_ros.replay.sources.utm_grid import check_agreement, utm_position

_LEAST_NS = 10**15
_MOST_NS = 2**63 - 1
_UNITS = {'stamp_ns': 1, 'stamp_us': 10**3, 'stamp_ms': 10**6, 'stamp_s': 10**9}
_NANOSECONDS_BY_DIGITS = {10: 10**9, 13: 10**6, 16: 10**3, 19: 1}
"""Seconds since 1970 have ten digits from 2001 to 2286, and each unit three more."""

_MOST_HEADING_DEG = 720.0
_SENTINELS = {999.0, 999.9, 999.99, 999.999, 9999.0, 99999.0, 999999.0}
"""Degrees that receivers and programs write for "not known"."""

_UNIX_NS, _ROUNDED_NS, _DIGITS_OF_CUT = 10**18, 10**10, 5
"""A time after 2001 whose last digit is worth ten seconds, as in `1.71499E+18`, was cut."""

_EXCEL_DAYS = (36_526, 73_051)
"""Dates of the years 2000 to 2100 as spreadsheets count them: days since 1900."""


def stamp_of(row: TableRow) -> int:
    """Time of capture in integer nanoseconds, or `UNKNOWN_STAMP_NS` where no cell is filled.

    `stamp_ns` holds integer nanoseconds and `stamp_s` seconds. A column `stamp` is seconds where
    it is written with a point or an exponent, and nanoseconds where it is an integer of at least
    16 digits; shorter integers could be either and are refused. An integer in a column `timestamp`
    is in the unit that follows from its digits (10: seconds ... 19: nanoseconds). A date with a
    time zone (`2024-05-06T10:00:00Z`) is read in each. Decimal arithmetic keeps all nanoseconds.

    Raises:
        SourceError: not a number, negative, a fraction of a nanosecond, too large, or ambiguous.
    """
    for column in STAMPS:
        text = row.text(column)
        if not is_empty(text):
            return _checked_stamp(row, column, text)
    return UNKNOWN_STAMP_NS


def geo_of(row: TableRow) -> GeoPoint | None:
    """WGS84 position from latitude and longitude, or from UTM where its zone is given.

    0, 0 is a position that is not known.

    Raises:
        SourceError: outside the range, half a pair, or no such zone.
    """
    altitude_m = row.number('altitude')
    degrees = row.pair('latitude', 'longitude')
    metres = row.pair('easting', 'northing')
    try:
        geo = None
        if degrees is not None:
            latitude_deg, longitude_deg = degrees
            geo = known_geo(latitude_deg, longitude_deg, altitude_m)
        if geo is not None and metres is not None and row.text('utm_zone'):
            check_agreement(geo, *metres, row.text('utm_zone'), band_of(row))
        if geo is None and metres is not None and row.text('utm_zone'):
            easting_m, northing_m = metres
            zone, band = row.text('utm_zone'), band_of(row)
            return utm_position(easting_m, northing_m, zone, band, altitude_m)
        return geo
    except ValueError as error:
        raise row.error(f'{error}{_hint(degrees)}') from error


def pose_of(row: TableRow) -> Pose | None:
    """Metric pose from x, y, z, or from easting and northing that have no zone.

    Beside a WGS84 position a heading alone gives a pose without a position.

    Raises:
        SourceError: half a pair, or a cell that is not a number.
    """
    position = row.pair('x', 'y')
    if position is not None:
        return Pose(np.array([*position, row.number('z') or 0.0]), _quaternion(row))
    position, quaternion = row.pair('easting', 'northing'), _quaternion(row)
    if row.text('utm_zone') or row.pair('latitude', 'longitude') is not None:
        if quaternion is None or geo_of(row) is None:
            return None
        return Pose.of_heading(quaternion)
    if position is None:
        return None
    return Pose(np.array([*position, row.number('altitude') or 0.0]), quaternion)


def band_of(row: TableRow) -> str:
    """The text beside a UTM zone; in a column `hemisphere` S and N are not bands."""
    text = row.text('utm_band')
    if row.columns.get('utm_band') != 'hemisphere':
        return text
    return {'S': 'south', 'N': 'north'}.get(text.upper(), text)


def heading_of(row: TableRow) -> float | None:
    """Degrees of the compass, or None.

    Raises:
        SourceError: no number, or none that a compass shows.
    """
    heading_deg = row.number('heading_deg')
    if heading_deg is not None and abs(heading_deg) > _MOST_HEADING_DEG:
        raise row.error(f'heading_deg {heading_deg:g} is not a direction in degrees')
    return heading_deg


def _hint(degrees: tuple[float, float] | None) -> str:
    """The probable meaning of a pair of degrees outside the valid range."""
    if degrees is None:
        return ''
    latitude, longitude = degrees
    if abs(latitude) > 90.0 and abs(latitude) <= 180.0 and abs(longitude) <= 90.0:
        return '; latitude and longitude seem to be swapped'
    if abs(latitude) <= 90.0 and 180.0 < longitude <= 360.0:
        return '; subtract 360 from longitudes beyond 180'
    if {abs(latitude), abs(longitude)} <= _SENTINELS:
        return '; leave the cells empty where the position is not known'
    if max(abs(latitude), abs(longitude)) > 360.0:
        return '; metres belong into easting,northing,utm_zone or x,y'
    return ''


def _quaternion(row: TableRow) -> NDArray[np.float64] | None:
    yaw_rad, heading_deg = row.number('yaw_rad'), heading_of(row)
    if yaw_rad is not None:
        return yaw_to_quaternion(yaw_rad)
    return None if heading_deg is None else heading_to_quaternion(heading_deg)


def _checked_stamp(row: TableRow, column: str, text: str) -> int:
    try:
        stamp_ns = nanoseconds_of_date(text)
    except ValueError as error:
        raise row.error(f'{column}: {error}') from error
    if stamp_ns is None:
        stamp_ns = _scaled_stamp(row, column, text)
    if not 0 <= stamp_ns <= _MOST_NS:
        raise row.error(f'{column} {text} is outside 0 .. {_MOST_NS} ns')
    return stamp_ns


def _scaled_stamp(row: TableRow, column: str, text: str) -> int:
    """Nanoseconds of a number; a comma is a decimal point where commas separate nothing."""
    plain = text.replace(',', '.') if row.comma_is_decimal else text
    value = decimal_of(plain)
    if value is None:
        raise row.error(f'expected a time in {column}, found {shown(text)}')
    unit = _unit_ns(row, column, plain, value)
    scaled = value * unit
    if abs(scaled) > 10 * _MOST_NS:
        raise row.error(f'{column} {text[:40]} is outside 0 .. {_MOST_NS} ns')
    digits = value.as_tuple()
    last_digit_ns = unit * Decimal(10) ** int(digits.exponent)
    is_cut = len(digits.digits) >= _DIGITS_OF_CUT and last_digit_ns >= _ROUNDED_NS
    if is_cut and scaled >= _UNIX_NS:
        raise row.error(
            f'{column} {text} was rounded to {last_digit_ns / 10**9:,.0f} s, as spreadsheets do '
            'with long numbers; write it with all its digits, for example as text'
        )
    if unit == 1 and scaled != int(scaled):
        raise row.error(f'expected integer nanoseconds in {column}, found {text!r}')
    return round(scaled)


def _unit_ns(row: TableRow, column: str, text: str, value: Decimal) -> int:
    if column in _UNITS:
        return _UNITS[column]
    if re.fullmatch(r'\d+', text) is None:
        if column == 'timestamp' and _EXCEL_DAYS[0] <= value < _EXCEL_DAYS[1]:
            raise row.error(
                f'timestamp {text} could be seconds or the days of a spreadsheet; name the column '
                'stamp_s, or write dates as 2024-05-06T10:00:00Z'
            )
        return 10**9
    if column == 'timestamp' and value:
        if len(text) not in _NANOSECONDS_BY_DIGITS:
            raise row.error(
                f'timestamp {text} could be of any unit; name the column stamp_s or stamp_ns'
            )
        return _NANOSECONDS_BY_DIGITS[len(text)]
    if 0 < value < _LEAST_NS:
        raise row.error(
            f'stamp {text} could be seconds or nanoseconds; name the column stamp_s or stamp_ns'
        )
    return 1
