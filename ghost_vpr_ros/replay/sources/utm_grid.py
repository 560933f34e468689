"""UTM coordinates as tables and file names give them: zone, letter and metres become WGS84.

The letter is a latitude band (`56H`), but many write `S` and `N` for the hemispheres, and band S
lies north of the equator. So letter and northing are checked against each other.
"""

from __future__ import annotations

import re

import numpy as np

from ghost_vpr_ros.core.datatypes import GeoPoint
from ghost_vpr_ros.core.geodesy import known_geo, utm_to_geo

_BANDS = 'CDEFGHJKLMNPQRSTUVWX'
_BAND_HEIGHT_DEG = 8.0
_LOWEST_BAND_DEG = -80.0
_TOP_DEG = 84.0
_BAND_TOLERANCE_DEG = 1.0
"""Data sets keep one letter a little beyond the edge of its band."""

_MOST_EASTING_M = 1_000_000
_MOST_NORTHING_M = 10_000_000
_MOST_DEGREES = 180.0
_WORDS = {'NORTH': True, 'NORTHERN': True, 'SOUTH': False, 'SOUTHERN': False}
_EPSG = {'326': True, '327': False}


def utm_position(
    easting_m: float, northing_m: float, zone: str, band: str, altitude_m: float | None = None
) -> GeoPoint | None:
    """WGS84 position of UTM coordinates; None where both are 0: not known.

    Args:
        easting_m: of the grid.
        northing_m: of the grid, counted from 10,000,000 at the equator in the south.
        zone: `33`, `33U`, `33 north`, `56 south` or `EPSG:32756`.
        band: latitude band C .. X, `north`, `south`, or empty. Without it, and without a letter
            in `zone`, the northern half is meant.
        altitude_m: passed on.

    Raises:
        ValueError: no such zone or band, no such position, or a letter that contradicts the
            northing, with a text for people.
    """
    if easting_m == northing_m == 0.0:
        return None
    number, letter, is_north = _zone(zone, band)
    _check_metres(easting_m, northing_m)
    degrees = utm_to_geo(easting_m, northing_m, number, is_north)[0]
    if not np.isfinite(degrees).all():
        raise ValueError(f'easting {easting_m:g} and northing {northing_m:g} are no UTM position')
    latitude, longitude = float(degrees[0]), float(degrees[1])
    _check_letter(number, letter, northing_m, latitude)
    return known_geo(latitude, longitude, altitude_m)


def tells_hemisphere(zone: str, band: str) -> bool:
    """Whether zone and band say on which half of the Earth the northing is counted.

    Raises:
        ValueError: as `utm_position`.
    """
    _zone(zone, band)
    return re.search(r'[A-Z]|32\d{3}', re.sub('UTM|ZONE', '', f'{zone}{band}'.upper())) is not None


def is_band(text: str) -> bool:
    """Whether a text is the letter of a latitude band."""
    return len(text) == 1 and text.upper() in _BANDS


def _zone(zone: str, band: str) -> tuple[int, str, bool]:
    """Number of the zone, letter of the band (may be empty), and whether it counts as north."""
    text = ' '.join(f'{zone} {band}'.upper().split())
    epsg = re.fullmatch(r'(?:EPSG:\s*)?(32[67])(\d\d)', text)
    if epsg is not None and 1 <= int(epsg[2]) <= 60:
        return int(epsg[2]), '', _EPSG[epsg[1]]
    match = re.fullmatch(r'(?:UTM )?(?:ZONE )?(\d{1,2})(?:\.0+)? ?([A-Z]*)(?: \2)?', text)
    if match is not None and 1 <= int(match[1]) <= 60:
        word = match[2]
        if word in _WORDS:
            return int(match[1]), '', _WORDS[word]
        if not word or is_band(word):
            return int(match[1]), word, (word or 'N') >= 'N'
    found = zone + band
    raise ValueError(f'expected a UTM zone 1 .. 60 and a band C .. X, found {found[:40]}')


def _check_metres(easting_m: float, northing_m: float) -> None:
    found = f'easting {easting_m:g} and northing {northing_m:g} are no UTM position'
    if abs(easting_m) <= _MOST_DEGREES and abs(northing_m) <= _MOST_DEGREES:
        raise ValueError(f'{found} in metres but look like degrees; name them longitude, latitude')
    if 0 <= easting_m <= _MOST_EASTING_M and 0 <= northing_m <= _MOST_NORTHING_M:
        return
    if northing_m < 0:
        raise ValueError(f'{found}; south of the equator northings count from 10,000,000 m')
    if 0 <= northing_m <= _MOST_EASTING_M and 0 <= easting_m <= _MOST_NORTHING_M:
        raise ValueError(f'{found}; they seem to be swapped')
    raise ValueError(found)


def _check_letter(number: int, letter: str, northing_m: float, latitude_deg: float) -> None:
    """N is left alone: as a band and as a hemisphere it means the same position."""
    if not letter or letter == 'N':
        return
    low = _LOWEST_BAND_DEG + _BAND_HEIGHT_DEG * _BANDS.index(letter)
    high = _TOP_DEG if letter == 'X' else low + _BAND_HEIGHT_DEG
    if low - _BAND_TOLERANCE_DEG <= latitude_deg <= high + _BAND_TOLERANCE_DEG:
        return
    south = f'; if S stands for south write {number} south' if letter == 'S' else ''
    raise ValueError(
        f'zone {number}{letter} names the latitude band {letter} ({low:g} .. {high:g} degrees), '
        f'but the northing {northing_m:.0f} lies at {latitude_deg:.1f} degrees there; correct the '
        f'letter (a band, not a hemisphere) or the northing{south}'
    )
