"""UTM coordinates as tables and file names give them: zone, letter and metres become WGS84.

The letter is a latitude band (`56H`), but many write `S` and `N` for the hemispheres, and band S
lies north of the equator. So letter and northing are checked against each other.
"""

from __future__ import annotations

import re

import numpy as np

from ghost_vpr_ros.core.datatypes import GeoPoint
from ghost_vpr_ros.core.geodesy import east_north, known_geo, utm_to_geo

_BANDS = 'CDEFGHJKLMNPQRSTUVWX'
_BAND_HEIGHT_DEG = 8.0
_LOWEST_BAND_DEG = -80.0
_TOP_DEG = 84.0
_BAND_TOLERANCE_DEG = 1.0
"""Data sets keep one letter a little beyond the edge of its band."""

_MOST_EASTING_M = 1_000_000
_MOST_NORTHING_M = 10_000_000
_MOST_DEGREES = 180.0
_MOST_APART_M = 5000.0
_WORDS = {'NORTH': True, 'NORTHERN': True, 'SOUTH': False, 'SOUTHERN': False}
_DATUMS = '(?:WGS ?(?:19)?84|ETRS ?(?:19)?89|NAD ?(?:19)?83|GDA ?(?:19)?94|GDA ?2020)'
_OFFICIAL = re.compile(rf'{_DATUMS}[^/]*/ ?UTM ZONE (\d{{1,2}})([NS])')
"""As catalogues name them: there S is south. These datums lie within metres of WGS84."""

_EPSG = {
    **{32600 + zone: (zone, True) for zone in range(1, 61)},
    **{32700 + zone: (zone, False) for zone in range(1, 61)},
    **{25800 + zone: (zone, True) for zone in range(28, 39)},
    **{26900 + zone: (zone, True) for zone in range(1, 24)},
    **{28300 + zone: (zone, False) for zone in range(48, 59)},
    **{7800 + zone: (zone, False) for zone in range(46, 60)},
}
"""Zone, and whether north, by code: WGS84, ETRS89, NAD83, GDA94, GDA2020."""


def utm_position(
    easting_m: float, northing_m: float, zone: str, band: str, altitude_m: float | None = None
) -> GeoPoint | None:
    """WGS84 position of UTM coordinates; None where both are 0: not known.

    Args:
        easting_m: of the grid.
        northing_m: of the grid, counted from 10,000,000 at the equator in the south.
        zone: `33`, `33U`, `33 north`, `56 south`, `EPSG:32756`, `WGS 84 / UTM zone 56S` or
            `+proj=utm +zone=56 +south`.
        band: latitude band C .. X, `north`, `south`, or empty. Without it, and without a letter
            in `zone`, it is the northern half.
        altitude_m: passed on.

    Raises:
        ValueError: no such zone or band, no such position, or a letter that contradicts the
            northing, with a readable text.
    """
    if easting_m == northing_m == 0.0:
        return None
    number, letter, is_north = _zone(zone, band)
    _check_metres(easting_m, northing_m)
    degrees = utm_to_geo(easting_m, northing_m, number, is_north)[0]
    if not np.isfinite(degrees).all():
        raise ValueError(
            f'easting {easting_m:g} and northing {northing_m:g} are not a UTM position'
        )
    latitude, longitude = float(degrees[0]), float(degrees[1])
    _check_on_grid(number, is_north, northing_m, latitude)
    _check_letter(number, letter, northing_m, latitude)
    return known_geo(latitude, longitude, altitude_m)


def check_agreement(
    degrees: GeoPoint, easting_m: float, northing_m: float, zone: str, band: str
) -> None:
    """Are the degrees and the UTM coordinates of one image of one place?

    Where the latter settle nothing (no letter, or a wrong one) the degrees alone count.

    Raises:
        ValueError: they lie further apart than rounding explains, so one of them is wrong.
    """
    try:
        is_settled = tells_hemisphere(zone, band)
        grid = utm_position(easting_m, northing_m, zone, band) if is_settled else None
    except ValueError:
        return
    if grid is None:
        return
    both = [(point.latitude_deg, point.longitude_deg) for point in (degrees, grid)]
    apart_m = float(np.linalg.norm(east_north(both)[1]))
    if apart_m > _MOST_APART_M:
        raise ValueError(
            f'the degrees ({degrees.latitude_deg:g}, {degrees.longitude_deg:g}) and the '
            f'UTM position ({grid.latitude_deg:g}, {grid.longitude_deg:g}) lie '
            f'{apart_m / 1000:,.0f} km apart; correct one of them'
        )


def tells_hemisphere(zone: str, band: str) -> bool:
    """Whether zone and band determine the hemisphere of the northing.

    Raises:
        ValueError: as `utm_position`.
    """
    text = re.sub('UTM|ZONE', '', f'{zone}{band}'.upper())
    return _zone(zone, band)[1] != '' or re.search(r'[A-Z]|\d{4}', text) is not None


def is_utm_grid(text: str) -> bool:
    """Whether the name or code of a coordinate system is one of UTM."""
    try:
        _zone(text, '')
    except ValueError:
        return False
    return True


def is_band(text: str) -> bool:
    """Whether a text is the letter of a latitude band."""
    return len(text) == 1 and text.upper() in _BANDS


def _zone(zone: str, band: str) -> tuple[int, str, bool]:
    """Number of the zone, letter of the band (may be empty), and whether it counts as north."""
    signed = re.fullmatch(r'[-\u2212](\d{1,2})(?:\.0+)?', zone.strip())
    if signed is not None:
        raise ValueError(
            f'the UTM zone {zone} has a sign, which some programs use for the south; write '
            f'{signed[1]} south'
        )
    text = ' '.join(re.sub('[_,-]', ' ', f'{zone} {band}').upper().split())
    official = _OFFICIAL.fullmatch(text)
    if official is not None and 1 <= int(official[1]) <= 60:
        return int(official[1]), '', official[2] == 'N'
    code = re.fullmatch(r'(?:.*EPSG[: ]*)?(\d{4,5})', text)
    if code is not None and int(code[1]) in _EPSG:
        number, is_north = _EPSG[int(code[1])]
        return number, '', is_north
    proj = re.fullmatch(r'\+PROJ=UTM \+ZONE=(\d{1,2})( \+SOUTH)?(?: \+.*)?', text)
    if proj is not None and 1 <= int(proj[1]) <= 60:
        return int(proj[1]), '', ' +SOUTH' not in text
    found = _number_and_word(text)
    if code is not None:
        raise ValueError(
            f'EPSG:{code[1]} is no UTM grid that is known here; convert the positions to latitude '
            'and longitude'
        )
    if found is None:
        shown = f'{zone} {band}'.strip()
        raise ValueError(f'expected a UTM zone 1 .. 60 and a band C .. X, found {shown[:40]}')
    number, word = found
    if word in _WORDS:
        return number, '', _WORDS[word]
    return number, word, (word or 'N') >= 'N'


def _number_and_word(text: str) -> tuple[int, str] | None:
    """`56H`, `H56`, `056 south`, `zone 56 southern hemisphere`; None where it is none of them."""
    text = re.sub('^(?:UTM )?(?:ZONE )?', '', text).removesuffix(' UTM')
    hemisphere = re.fullmatch(r'(\d{1,3}) (NORTH(?:ERN)?|SOUTH(?:ERN)?|[NS]) HEMISPHERE', text)
    if hemisphere is not None:
        number, word = hemisphere[1], 'NORTH' if hemisphere[2].startswith('N') else 'SOUTH'
    else:
        swapped = re.fullmatch(r'([A-Z]) ?(\d{1,2})', text)
        text = text if swapped is None else f'{swapped[2]} {swapped[1]}'
        match = re.fullmatch(r'(\d{1,3})(?:\.0+)? ?([A-Z]*)(?: \2)?', text)
        if match is None:
            return None
        number, word = match.groups()
    is_known = not word or word in _WORDS or is_band(word)
    return (int(number), word) if is_known and 1 <= int(number) <= 60 else None


def _check_metres(easting_m: float, northing_m: float) -> None:
    found = f'easting {easting_m:g} and northing {northing_m:g} are not a UTM position'
    if abs(easting_m) <= _MOST_DEGREES and abs(northing_m) <= _MOST_DEGREES:
        raise ValueError(f'{found} in metres but look like degrees; name them longitude, latitude')
    if 0 <= easting_m <= _MOST_EASTING_M and 0 <= northing_m <= _MOST_NORTHING_M:
        return
    if northing_m < 0:
        raise ValueError(f'{found}; south of the equator northings count from 10,000,000 m')
    if 0 <= northing_m <= _MOST_EASTING_M and 0 <= easting_m <= _MOST_NORTHING_M:
        raise ValueError(f'{found}; they seem to be swapped')
    raise ValueError(found)


def _check_on_grid(number: int, is_north: bool, northing_m: float, latitude_deg: float) -> None:
    """UTM ends at 84 degrees north and 80 degrees south: beyond is the other half's northing."""
    low, high = _LOWEST_BAND_DEG - _BAND_TOLERANCE_DEG, _TOP_DEG + _BAND_TOLERANCE_DEG
    if low <= latitude_deg <= high:
        return
    half, other = ('north', 'south')[:: 1 if is_north else -1]
    raise ValueError(
        f'the northing {northing_m:.0f} lies at {latitude_deg:.1f} degrees in zone {number} '
        f'{half}, where UTM ends; {other} of the equator write {number} {other}'
    )


def _check_letter(number: int, letter: str, northing_m: float, latitude_deg: float) -> None:
    """N is left alone: as a band and as a hemisphere it means the same position."""
    if not letter or letter == 'N':
        return
    low = _LOWEST_BAND_DEG + _BAND_HEIGHT_DEG * _BANDS.index(letter)
    high = _TOP_DEG if letter == 'X' else low + _BAND_HEIGHT_DEG
    if low - _BAND_TOLERANCE_DEG <= latitude_deg <= high + _BAND_TOLERANCE_DEG:
        return
    south = f'; if S means south write {number} south' if letter == 'S' else ''
    raise ValueError(
        f'zone {number}{letter} names the latitude band {letter} ({low:g} .. {high:g} degrees), '
        f'but the northing {northing_m:.0f} lies at {latitude_deg:.1f} degrees there; correct the '
        f'letter (a band, not a hemisphere) or the northing{south}'
    )
