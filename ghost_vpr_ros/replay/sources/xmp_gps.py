"""GPS tags of XMP, which editors write into a photo or into a file beside it.

XMP names its hemisphere in the value (`33,51.42S`); a value without it is passed on as it is, and
settled or doubted as EXIF. Drones of DJI write signed degrees under names of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_VALUE = rb'(?:\s*=\s*["\']|>)\s*([^"\'<]{1,40}?)\s*["\'<]'
_ANGLE = re.compile(
    r'([+-]?\d{1,3}(?:\.\d+)?)(?:,(\d{1,2}(?:\.\d+)?))?(?:,(\d{1,2}(?:\.\d+)?))?([NSEW]?)',
    re.ASCII,
)
_DRONE = b'drone-dji:Gps'
_MOST_BYTES = 1 << 20


def sidecar(photo: Path) -> bytes:
    """The packet in `photo.xmp` or `photo.jpg.xmp` beside a photo; empty without one."""
    for path in (photo.with_suffix('.xmp'), Path(f'{photo}.xmp'), photo.with_suffix('.XMP')):
        try:
            if path.is_file():
                with path.open('rb') as file:
                    return file.read(_MOST_BYTES)
        except (OSError, ValueError):
            continue
    return b''


def gps_of_xmp(packet: bytes) -> Mapping[int, Any]:
    """The GPS tags of an XMP packet by their numbers in EXIF; empty where there are none.

    Latitude, longitude and altitude alone: its times are those of an editor as often as not.
    """
    latitude = _angle(packet, b'exif:GPSLatitude')
    longitude = _angle(packet, b'exif:GPSLongitude')
    if latitude is None or longitude is None:
        return _of_drone(packet)
    if latitude[3] in ('E', 'W') or longitude[3] in ('N', 'S'):
        return {}
    tags: dict[int, Any] = {1: latitude[3], 2: latitude[:3], 3: longitude[3], 4: longitude[:3]}
    altitude = re.fullmatch(r'(\d{1,9})/(\d{1,9})', _text(packet, b'exif:GPSAltitude'), re.ASCII)
    if altitude is not None and int(altitude[2]):
        below = _text(packet, b'exif:GPSAltitudeRef')
        tags |= {5: int(below == '1'), 6: int(altitude[1]) / int(altitude[2])}
    return tags


def _of_drone(packet: bytes) -> Mapping[int, Any]:
    # Some firmwares misspell the second name.
    latitude = _angle(packet, _DRONE + b'Latitude')
    longitude = _angle(packet, _DRONE + b'Long(?:t)?itude')
    if latitude is None or longitude is None:
        return {}
    return {
        1: 'S' if latitude[0] < 0 else 'N',
        2: (abs(latitude[0]), 0.0, 0.0),
        3: 'W' if longitude[0] < 0 else 'E',
        4: (abs(longitude[0]), 0.0, 0.0),
    }


def _angle(packet: bytes, name: bytes) -> tuple[float, float, float, str] | None:
    match = _ANGLE.fullmatch(_text(packet, name))
    if match is None:
        return None
    return float(match[1]), float(match[2] or 0), float(match[3] or 0), match[4]


def _text(packet: bytes, name: bytes) -> str:
    match = re.search(name + _VALUE, packet)
    return '' if match is None else match[1].decode('latin-1')
