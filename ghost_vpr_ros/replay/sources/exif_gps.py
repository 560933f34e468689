"""Position and time of capture from a photo's EXIF GPS block (EXIF 2.32, section 4.6.6).

An ambiguous position is not used, and the user is told why: a latitude without a hemisphere is as
likely wrong as right.
"""

from __future__ import annotations

import datetime
import math
import re
import warnings
from collections.abc import Mapping
from functools import partial
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

from PIL import Image

from ghost_vpr_ros.core.config.image import ImageConfig
from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, Frame, GeoPoint, Pose, ScalableLoad
from ghost_vpr_ros.core.geodesy import (
    MOST_ERROR_M,
    check_geo,
    is_null_island,
    known_altitude_m,
)
from ghost_vpr_ros.core.image import read_image
from ghost_vpr_ros.core.image_header import exif_blocks, kind_of, xmp_packet
from ghost_vpr_ros.core.poses import heading_to_quaternion
from ghost_vpr_ros.replay.sources.xmp_gps import gps_of_xmp, sidecar

_GPS_BLOCK = 0x8825
_LATITUDE_REF, _LATITUDE, _LONGITUDE_REF, _LONGITUDE, _ALTITUDE_REF, _ALTITUDE = range(1, 7)
_TIME, _STATUS, _DILUTION, _HEADING_REF, _HEADING, _DATUM, _DATE = 7, 9, 11, 16, 17, 18, 29
_ERROR = 31
"""Tags of the GPS block. Older Pillows have no names for them."""

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_FIRST_GPS_DAY = datetime.datetime(1980, 1, 6)
_LAST_DAY = datetime.datetime(2262, 4, 11)
"""Nanoseconds since 1970 of later days take more than the 64 bits that a map stores."""

_OLD_DATUMS = (
    *('TOKYO', 'NAD27', 'ED50', 'OSGB', 'AGD66', 'AGD84', 'PULKOVO', 'NZGD49', 'INDIAN'),
    *('GCJ', 'BD09', 'CH1903', 'DHDN', 'MGI', 'HD72', 'SK42', 'ROME1940', 'MONTEMARIO'),
)
"""Beginnings of names, the shifted ones of China too; others lie within metres of WGS84."""

_MOST_DILUTION = 50.0
"""Receivers write 99 without a fix."""

_BELOW = (1, 3)
"""Values of the altitude's reference: below the sea (EXIF 2), below the ellipsoid (EXIF 3)."""


class _Unsettled(ValueError):
    """The tags do not determine where the photo was taken; the text is the reason."""


def photo_frame(path: Path, name: str, config: ImageConfig | None = None) -> tuple[Frame, str]:
    """Frame of a photo, with position, UTC stamp and heading if its EXIF holds them.

    The camera's own clock (DateTimeOriginal) has no time zone and is not used.

    Returns:
        the frame, and why a position was not used; empty if it was, or there is none.
    """
    gps = read_gps(path)
    reason = ''
    try:
        geo = _position(gps)
    except _Unsettled as unsettled:
        geo, reason = None, str(unsettled)
    pose = None if geo is None else _heading(gps)
    load = ScalableLoad(partial(read_image, path, config))
    return Frame(name=name, load=load, stamp_ns=_stamp_ns(gps), geo=geo, pose=pose), reason


def read_gps(path: Path) -> Mapping[int, Any]:
    """The GPS tags of an image file by number; empty where there are none.

    A damaged file has none either: it is refused by name when its pixels are loaded.
    """
    try:
        with path.open('rb') as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            kind = kind_of(data)
            is_heic = kind in ('HEIC', 'AVIF')
            blocks = [_heic_exif(data[:])] if is_heic else list(exif_blocks(data))
            packet = xmp_packet(data)
    except (OSError, ValueError):
        return {}
    try:
        with warnings.catch_warnings():
            # Pillow warns of every odd tag; the values are checked below.
            warnings.simplefilter('ignore')
            found = [_gps_tags(block) for block in blocks]
            if not blocks and kind == 'PNG':
                found = [_png_text_gps(path)]
    except Exception:
        # Its parser gets arbitrary bytes here, and raises exceptions of any kind.
        return {}
    tags = next((tags for tags in found if tags), {})
    return tags if _LATITUDE in tags else {**tags, **gps_of_xmp(packet or sidecar(path))}


def _gps_tags(block: bytes) -> Mapping[int, Any]:
    exif = Image.Exif()
    exif.load(block if block.startswith(b'Exif\0\0') else b'Exif\0\0' + block)
    return dict(exif.get_ifd(_GPS_BLOCK)) if block else {}


def _png_text_gps(path: Path) -> Mapping[int, Any]:
    """The tags of a PNG that an older program wrote as text."""
    with Image.open(path) as image:
        return dict(image.getexif().get_ifd(_GPS_BLOCK))


def _heic_exif(data: bytes) -> bytes:
    """The EXIF block of a HEIC photo, where its decoder is installed."""
    try:
        import pillow_heif

        return bytes(pillow_heif.open_heif(data).info.get('exif') or b'')
    except (ImportError, ValueError, EOFError, OSError, SyntaxError, RuntimeError):
        return b''


def _heading(gps: Mapping[int, Any]) -> Pose | None:
    """The orientation of the camera, if the compass gives true north; None if it wrote 0/0."""
    numbers = _numbers((gps.get(_HEADING),))
    is_true = _text(gps.get(_HEADING_REF, 'T')).upper().startswith('T')
    if numbers is None or not is_true or not 0.0 <= numbers[0] <= 360.0:
        return None
    return Pose.of_heading(heading_to_quaternion(numbers[0]))


def _position(gps: Mapping[int, Any]) -> GeoPoint | None:
    """None without coordinates, or where the receiver had no fix and wrote 0/0 or 0, 0.

    Raises:
        _Unsettled: the hemisphere, the seconds or the datum leaves the position open, or there is
            no such position on Earth.
    """
    latitude = _degrees(gps, _LATITUDE, _LATITUDE_REF, 'NS')
    longitude = _degrees(gps, _LONGITUDE, _LONGITUDE_REF, 'EW')
    if latitude is None and longitude is None:
        return None
    if latitude is None or longitude is None:
        found, missing = ('longitude', 'latitude')[:: 1 if latitude is None else -1]
        raise _Unsettled(f'a {found} without a {missing}')
    if is_null_island(latitude, longitude):
        raise _Unsettled('position 0, 0, which a receiver without a fix writes')
    try:
        check_geo(latitude, longitude)
    except ValueError as error:
        raise _Unsettled(str(error)) from error
    _check_quality(gps)
    datum = _text(gps.get(_DATUM))
    if re.sub('[^A-Z0-9]', '', datum.upper()).startswith(_OLD_DATUMS):
        raise _Unsettled(f'datum {datum}, which lies 50 to 500 m from WGS84')
    return GeoPoint(latitude, longitude, _altitude_m(gps))


def _check_quality(gps: Mapping[int, Any]) -> None:
    """Refuse a position that the receiver marks as no fix, or as too inaccurate.

    Raises:
        _Unsettled: with the reason.
    """
    if _text(gps.get(_STATUS)).upper().startswith('V'):
        raise _Unsettled('no fix at that time (GPSStatus V)')
    error_m, dilution = _number(gps.get(_ERROR)), _number(gps.get(_DILUTION))
    if error_m is not None and error_m > MOST_ERROR_M:
        raise _Unsettled(f'a position with a stated error of {error_m:.0f} m')
    if dilution is not None and dilution >= _MOST_DILUTION:
        raise _Unsettled(f'no fix at that time (GPSDOP {dilution:g})')


def _degrees(gps: Mapping[int, Any], tag: int, reference_tag: int, letters: str) -> float | None:
    """Signed decimal degrees; None where the tag is absent or 0/0.

    Args:
        gps: tags by number.
        tag: of degrees, minutes and seconds; the later ones may be absent.
        reference_tag: of the hemisphere.
        letters: of the positive and the negative hemisphere.

    Raises:
        _Unsettled: neither a reference nor a sign determines the hemisphere, or they contradict
            each other; the seconds are missing that the position needs.
    """
    parts = gps.get(tag)
    if parts is None:
        return None
    size = _size_of_angle(parts if isinstance(parts, tuple | list) else (parts,))
    if size is None:
        return None
    name = 'latitude' if letters == 'NS' else 'longitude'
    reference = _text(gps.get(reference_tag))
    letter = reference[:1].upper()
    if size < 0 and letter in ('', letters[1]):
        return size
    if letter not in letters or not letter or size < 0:
        said = f'the reference {reference!r}' if reference else 'no reference'
        raise _Unsettled(f'a {name} with {said} (expected {" or ".join(letters)})')
    return -size if letter == letters[1] else size


def _size_of_angle(parts: tuple[Any, ...] | list[Any]) -> float | None:
    """Degrees of one to three numbers; None where they are 0/0 or no angle.

    Cameras that write fractions of a minute leave the seconds at 0/0.

    Raises:
        _Unsettled: seconds that a position needs are 0/0.
    """
    numbers = [_number(part) for part in parts]
    known = len(numbers)
    while known and numbers[known - 1] is None:
        known -= 1
    angle = [number for number in numbers[:known] if number is not None]
    if not 1 <= known <= len(numbers) <= 3 or len(angle) != known:
        return None
    # Rounding makes 60 seconds of 59.9996.
    if any(not 0 <= part <= 60 for part in angle[1:]):
        raise _Unsettled('minutes or seconds outside 0 .. 60')
    if any(part % 1 and any(angle[place + 1 :]) for place, part in enumerate(angle)):
        raise _Unsettled('degrees with a fraction and with minutes or seconds as well')
    if known < len(numbers) and not _has_fraction(parts[known - 1]):
        raise _Unsettled(f'a position without its {("minutes", "seconds")[known - 1]} (0/0)')
    sign = math.copysign(1.0, angle[0])
    return sign * sum(abs(part) / 60**power for power, part in enumerate(angle))


def _has_fraction(part: Any) -> bool:
    """Whether a rational was written with a denominator that leaves room for a fraction."""
    return getattr(part, 'denominator', 1) > 1 or float(part) != int(part)


def _altitude_m(gps: Mapping[int, Any]) -> float | None:
    numbers = _numbers((gps.get(_ALTITUDE),))
    if numbers is None:
        return None
    reference = gps.get(_ALTITUDE_REF)
    if isinstance(reference, bytes | bytearray) and len(reference) == 1:
        reference = reference[0]
    return known_altitude_m(-numbers[0] if reference in _BELOW else numbers[0])


def _stamp_ns(gps: Mapping[int, Any]) -> int:
    """UTC date and time of the GPS fix in nanoseconds, or `UNKNOWN_STAMP_NS`.

    A time that no clock shows, and a day before the first one of GPS or after 2262, are not known.
    """
    parts = gps.get(_TIME)
    time = _numbers(parts) if isinstance(parts, tuple | list) and len(parts) == 3 else None
    day = re.fullmatch(r'(\d{4})[:/-](\d{1,2})[:/-](\d{1,2})', _text(gps.get(_DATE)))
    if time is None or day is None:
        return UNKNOWN_STAMP_NS
    hours, minutes, seconds = time
    try:
        date = datetime.datetime(int(day[1]), int(day[2]), int(day[3]))
    except ValueError:
        return UNKNOWN_STAMP_NS
    is_time = 0 <= hours < 24 and 0 <= minutes < 60 and 0 <= seconds < 61
    if not is_time or not _FIRST_GPS_DAY <= date < _LAST_DAY:
        return UNKNOWN_STAMP_NS
    day_s = (date.replace(tzinfo=datetime.timezone.utc) - _EPOCH).days * 86_400
    milliseconds = round((hours * 3600 + minutes * 60 + seconds) * 1000)
    return day_s * 10**9 + milliseconds * 10**6


def _text(value: Any) -> str:
    """Text of a tag that cameras write as text, bytes or numbers of characters."""
    if isinstance(value, tuple | list) and all(isinstance(v, int) and 0 <= v < 256 for v in value):
        value = bytes(value)
    if isinstance(value, bytes | bytearray):
        value = value.decode('latin-1')
    return '' if value is None else str(value).strip('\0 \t\r\n')


def _numbers(parts: Any) -> list[float] | None:
    """Finite numbers, or None: absent, or with a zero denominator."""
    numbers = [_number(part) for part in parts]
    known = [number for number in numbers if number is not None]
    return known if known and len(known) == len(numbers) else None


def _number(part: Any) -> float | None:
    try:
        number = float(part)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if math.isfinite(number) else None
