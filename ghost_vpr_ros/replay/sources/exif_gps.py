"""Position and time of capture from a photo's EXIF GPS block (EXIF 2.32, section 4.6.6)."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, Frame, GeoPoint, Pose
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.geodesy import check_geo
from ghost_vpr_ros.core.image import read_image
from ghost_vpr_ros.core.poses import heading_to_quaternion

_TAG = ExifTags.GPS
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def exif_frame(path: Path, name: str) -> Frame:
    """Frame of a photo, with position, UTC stamp and heading where its EXIF holds them.

    The camera's own clock (DateTimeOriginal) has no time zone and is not used.

    Raises:
        SourceError: a latitude or longitude that does not exist on Earth.
    """
    gps = read_gps(path)
    geo = _position(gps, path)
    return Frame(
        name=name,
        load=partial(read_image, path),
        stamp_ns=_stamp_ns(gps),
        geo=geo,
        pose=None if geo is None else _heading(gps),
    )


def read_gps(path: Path) -> Mapping[int, Any]:
    """The GPS tags of an image file by number; empty where there are none.

    A damaged file has none either: it is refused by name when its pixels are loaded.
    """
    try:
        with Image.open(path) as image:
            return dict(image.getexif().get_ifd(ExifTags.IFD.GPSInfo))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return {}


def _heading(gps: Mapping[int, Any]) -> Pose | None:
    """The camera's orientation where the compass gives true north; None where it wrote 0/0."""
    numbers = _numbers((gps.get(_TAG.GPSImgDirection),), 1)
    if numbers is None or gps.get(_TAG.GPSImgDirectionRef, 'T') != 'T':
        return None
    return Pose.of_heading(heading_to_quaternion(numbers[0]))


def _position(gps: Mapping[int, Any], path: Path) -> GeoPoint | None:
    """None without coordinates, or where the receiver had no fix and wrote 0/0."""
    latitude = _degrees(gps.get(_TAG.GPSLatitude), gps.get(_TAG.GPSLatitudeRef), 'S')
    longitude = _degrees(gps.get(_TAG.GPSLongitude), gps.get(_TAG.GPSLongitudeRef), 'W')
    if latitude is None or longitude is None:
        return None
    try:
        check_geo(latitude, longitude)
    except ValueError as error:
        raise SourceError(f'{path}: EXIF GPS: {error}; remove the photo or its tag') from error
    return GeoPoint(latitude, longitude, _altitude_m(gps))


def _degrees(parts: Any, reference: Any, negative: str) -> float | None:
    """Decimal degrees from degrees, minutes, seconds; None where absent or 0/0."""
    numbers = _numbers(parts, 3)
    if numbers is None:
        return None
    degrees = numbers[0] + numbers[1] / 60 + numbers[2] / 3600
    return -degrees if str(reference).upper().startswith(negative) else degrees


def _altitude_m(gps: Mapping[int, Any]) -> float | None:
    numbers = _numbers((gps.get(_TAG.GPSAltitude),), 1)
    if numbers is None:
        return None
    is_below = gps.get(_TAG.GPSAltitudeRef) in (1, b'\x01')
    return -numbers[0] if is_below else numbers[0]


def _stamp_ns(gps: Mapping[int, Any]) -> int:
    """UTC date and time of the GPS fix in nanoseconds, or `UNKNOWN_STAMP_NS`."""
    time = _numbers(gps.get(_TAG.GPSTimeStamp), 3)
    try:
        date = datetime.datetime.strptime(str(gps.get(_TAG.GPSDateStamp)).strip('\0 '), '%Y:%m:%d')
    except ValueError:
        return UNKNOWN_STAMP_NS
    if time is None:
        return UNKNOWN_STAMP_NS
    day_s = (date.replace(tzinfo=datetime.timezone.utc) - _EPOCH).days * 86_400
    milliseconds = round((time[0] * 3600 + time[1] * 60 + time[2]) * 1000)
    return day_s * 10**9 + milliseconds * 10**6


def _numbers(parts: Any, count: int) -> list[float] | None:
    """`count` finite numbers, or None: absent, of another length, or with a zero denominator."""
    try:
        numbers = [float(part) for part in parts]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else None
