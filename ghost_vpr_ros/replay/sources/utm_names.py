"""File names that carry UTM coordinates, as the benchmarks of this field write them.

`@easting@northing@zone@band@latitude@longitude@panorama@tile@heading@pitch@roll@height@time@note@`
and the suffix. Only easting and northing are required; any later field may be empty or absent.
Evaluation code of the field also takes `@easting@northing@anything@`: what follows the northing is
read as zone and the rest only where a band's letter stands behind a number, or all fields are
there. Numbers before letters that differ within one town are those of frames, not zones.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np

from ghost_vpr_ros.core.config.image import ImageConfig
from ghost_vpr_ros.core.datatypes import Frame, GeoPoint, Pose, ScalableLoad
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.geodesy import known_geo
from ghost_vpr_ros.core.image import read_image, valid_text
from ghost_vpr_ros.core.poses import heading_to_quaternion
from ghost_vpr_ros.replay.sources.utm_grid import (
    check_agreement,
    is_band,
    tells_hemisphere,
    utm_position,
)

_POSITION_FIELDS = ('easting', 'northing', 'utm_zone', 'utm_band', 'latitude', 'longitude')
_VIEW_FIELDS = ('tile', 'heading_deg', 'pitch_deg', 'roll_deg', 'height_m', 'time', 'note')
_FIELDS = (*_POSITION_FIELDS, 'panorama', *_VIEW_FIELDS)
_EASTING_M = (100_000.0, 1_000_000.0)
_NORTHING_M = (0.0, 10_000_000.0)
_ONE_TOWN_M = 50_000.0


def is_utm_name(path: Path) -> bool:
    """Whether the file's name is of this form; `@lake@2024-05-01.jpg` only looks like it.

    The form ends in `@`. Without that, both numbers have to be metres of the grid.
    """
    stem = path.stem
    parts = stem.split('@')
    if parts[0] or len(parts) < 3:
        return False
    numbers = [_as_number(text) for text in parts[1:3]]
    known = [number for number in numbers if number is not None]
    if stem.endswith('@') and len(parts) > 3:
        return len(known) == 2 or (len(known) == 1 and len(parts) > 4)
    return len(known) == 2 and _is_on_grid(*known)


def utm_frame(
    path: Path, name: str, config: ImageConfig | None = None, *, has_zone: bool = True
) -> Frame:
    """Frame of an image: WGS84 where the zone or the degrees are given, metric pose otherwise.

    A heading is kept in both cases. 0, 0 is a position that is not known.

    Args:
        path: the image.
        name: of the frame.
        config: how large the image may be.
        has_zone: whether a number and a letter behind the northing are a zone in a short name.

    Raises:
        SourceError: a field that should be a number is none, or is out of range.
    """
    fields = _fields(path, has_zone=has_zone)
    try:
        geo = _geo(fields)
        pose = _pose(fields, has_geo=geo is not None)
    except ValueError as error:
        raise SourceError(f'{valid_text(str(path))}: {error}; rename the file') from error
    return Frame(
        name=name,
        load=ScalableLoad(partial(read_image, path, config)),
        geo=geo,
        pose=pose,
        panorama=fields.get('panorama'),
        attributes={key: text for key, text in fields.items() if key in _VIEW_FIELDS},
    )


def lacks_hemisphere(path: Path) -> bool:
    """Whether a name has a zone but neither a band nor degrees: it is then taken as north."""
    fields = _fields(path)
    if 'utm_zone' not in fields or {'latitude', 'longitude'} <= set(fields):
        return False
    return not tells_hemisphere(fields['utm_zone'], fields.get('utm_band', ''))


def zones_are_numbers(paths: Iterable[Path]) -> bool:
    """Whether what looks like zones in short names of one folder are numbers of its frames.

    Zones that differ lie hundreds of kilometres apart, or their eastings do.
    """
    known = [_fields(path) for path in paths if not _is_full(path)]
    short = [fields for fields in known if 'utm_zone' in fields]
    metres = [(_as_number(each['easting']), _as_number(each['northing'])) for each in short]
    points = np.array([point for point in metres if None not in point], np.float64)
    if len({each['utm_zone'] for each in short}) < 2 or not len(points):
        return False
    points = points[points.any(axis=1)]
    return bool(len(points) and np.ptp(points, axis=0).max() <= _ONE_TOWN_M)


def _is_full(path: Path) -> bool:
    return path.stem.count('@') >= len(_FIELDS)


def _fields(path: Path, *, has_zone: bool = True) -> dict[str, str]:
    """The fields that are not empty, by name."""
    parts = valid_text(path.stem).split('@')[1:]
    zone, band = (*parts[2:4], '', '')[:2]
    is_zone = has_zone and is_band(band) and zone.strip().isdecimal()
    if not (_is_full(path) or is_zone or not zone):
        rest = '@'.join(parts[2:]).strip('@')
        return {'easting': parts[0], 'northing': parts[1], 'note': rest}
    return {name: text for name, text in zip(_FIELDS, parts, strict=False) if text}


def _geo(fields: dict[str, str]) -> GeoPoint | None:
    if 'latitude' in fields and 'longitude' in fields:
        geo = known_geo(_number(fields, 'latitude'), _number(fields, 'longitude'))
        if geo is not None and 'utm_zone' in fields:
            check_agreement(geo, *_grid_of(fields))
        if geo is not None:
            return geo
    return utm_position(*_grid_of(fields)) if 'utm_zone' in fields else None


def _grid_of(fields: dict[str, str]) -> tuple[float, float, str, str]:
    """Easting, northing, zone and band."""
    easting, northing = _number(fields, 'easting'), _number(fields, 'northing')
    return easting, northing, fields['utm_zone'], fields.get('utm_band', '')


def _pose(fields: dict[str, str], *, has_geo: bool) -> Pose | None:
    """Easting and northing as metres; where there is a WGS84 position, only the heading."""
    quaternion = None
    if 'heading_deg' in fields:
        quaternion = heading_to_quaternion(_number(fields, 'heading_deg'))
    if has_geo:
        return None if quaternion is None else Pose.of_heading(quaternion)
    position = np.array([_number(fields, 'easting'), _number(fields, 'northing'), 0.0])
    is_known = bool(position.any()) or 'utm_zone' not in fields
    return Pose(position, quaternion) if is_known else None


def _is_on_grid(easting_m: float, northing_m: float) -> bool:
    return (
        _EASTING_M[0] <= easting_m < _EASTING_M[1]
        and _NORTHING_M[0] <= northing_m <= _NORTHING_M[1]
    )


def _as_number(text: str) -> float | None:
    """A number; with a comma metres of the grid alone, as `302,700` could be either."""
    try:
        return float(text)
    except ValueError:
        metres = re.fullmatch(r'(\d{6,8}),(\d+)', text)
    return None if metres is None else float(f'{metres[1]}.{metres[2]}')


def _number(fields: dict[str, str], name: str) -> float:
    """A finite number.

    Raises:
        ValueError: with a readable text.
    """
    text = fields.get(name, '')
    value = _as_number(text)
    if value is None or not math.isfinite(value):
        raise ValueError(f'expected a finite number as {name} in the name, found {text[:40]!r}')
    return value
