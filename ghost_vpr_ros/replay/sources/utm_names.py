"""File names that carry UTM coordinates, as the benchmarks of this field write them.

`@easting@northing@zone@band@latitude@longitude@panorama@tile@heading@pitch@roll@height@time@note@`
and the suffix. Only easting and northing are required; any later field may be empty or absent.
"""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import numpy as np

from ghost_vpr_ros.core.datatypes import Frame, GeoPoint, Pose
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.geodesy import check_geo
from ghost_vpr_ros.core.image import read_image
from ghost_vpr_ros.core.poses import heading_to_quaternion
from ghost_vpr_ros.replay.sources.manifest_columns import utm_position

_POSITION_FIELDS = ('easting', 'northing', 'utm_zone', 'utm_band', 'latitude', 'longitude')
_VIEW_FIELDS = ('tile', 'heading_deg', 'pitch_deg', 'roll_deg', 'height_m', 'time', 'note')
_FIELDS = (*_POSITION_FIELDS, 'panorama', *_VIEW_FIELDS)


def is_utm_name(path: Path) -> bool:
    """Whether the file's name is of this form."""
    return path.name.startswith('@') and path.name.count('@') >= 2


def utm_frame(path: Path, name: str) -> Frame:
    """Frame of an image: WGS84 where the zone or the degrees are given, metric pose otherwise.

    A heading is kept in both cases.

    Raises:
        SourceError: a field that should be a number is none, or is out of range.
    """
    fields = _fields(path)
    try:
        geo = _geo(fields)
        pose = _pose(fields, has_geo=geo is not None)
    except ValueError as error:
        raise SourceError(f'{path}: {error}; rename the file') from error
    return Frame(
        name=name,
        load=partial(read_image, path),
        geo=geo,
        pose=pose,
        panorama=fields.get('panorama'),
        attributes={key: text for key, text in fields.items() if key in _VIEW_FIELDS},
    )


def _fields(path: Path) -> dict[str, str]:
    """The fields that are not empty, by name."""
    parts = path.stem.split('@')[1:]
    return {name: text for name, text in zip(_FIELDS, parts, strict=False) if text}


def _geo(fields: dict[str, str]) -> GeoPoint | None:
    if 'latitude' in fields and 'longitude' in fields:
        latitude, longitude = _number(fields, 'latitude'), _number(fields, 'longitude')
        check_geo(latitude, longitude)
        return GeoPoint(latitude, longitude)
    if 'utm_zone' not in fields:
        return None
    easting, northing = _number(fields, 'easting'), _number(fields, 'northing')
    return utm_position(easting, northing, fields['utm_zone'], fields.get('utm_band', ''))


def _pose(fields: dict[str, str], *, has_geo: bool) -> Pose | None:
    """Easting and northing as metres, unless WGS84 says where it is: then the heading alone."""
    quaternion = None
    if 'heading_deg' in fields:
        quaternion = heading_to_quaternion(_number(fields, 'heading_deg'))
    if has_geo:
        return None if quaternion is None else Pose.of_heading(quaternion)
    position = np.array([_number(fields, 'easting'), _number(fields, 'northing'), 0.0])
    return Pose(position, quaternion)


def _number(fields: dict[str, str], name: str) -> float:
    """A finite number.

    Raises:
        ValueError: with a text for people.
    """
    text = fields.get(name, '')
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f'expected a finite number as {name} in the name, found {text!r}')
    return value
