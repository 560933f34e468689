"""The meaning of a table's columns: documented names, names of other programs, and typos.

A column is read only if its name is unambiguous. If it looks like a position, a heading or a time
but could mean several things, it is not read, and the user gets a note.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ghost_vpr_ros.core.errors import SourceError

DOCUMENTED = (
    *('image', 'panorama', 'latitude', 'longitude', 'altitude', 'x', 'y', 'z'),
    *('easting', 'northing', 'utm_zone', 'utm_band', 'yaw_rad', 'heading_deg'),
    *('stamp_ns', 'stamp_s', 'stamp'),
)
"""Names of columns that the manual gives; each means itself."""

_SYNONYMS: Mapping[str, tuple[str, ...]] = {
    'image': ('filename', 'file_name', 'file', 'filepath', 'file_path', 'path', 'image_path')
    + ('image_name', 'image_file', 'imagename', 'img', 'img_path', 'photo', 'picture')
    + ('sourcefile', 'source_file'),
    'latitude': ('lat', 'latitude_deg', 'lat_deg', 'gps_lat', 'gps_latitude', 'gpslatitude')
    + ('gpslat', 'lat_wgs84', 'wgs84_lat', 'lat_degrees', 'latitude_degrees', 'lat_dd')
    + ('latitude_decimal_degrees', 'decimal_latitude', 'latitude_decimal'),
    'longitude': ('lon', 'lng', 'long', 'longitude_deg', 'lon_deg', 'lng_deg', 'gps_lon')
    + ('gps_lng', 'gps_long', 'gps_longitude', 'gpslongitude', 'gpslon', 'gpslng')
    + ('lon_wgs84', 'wgs84_lon', 'long_deg', 'lon_degrees', 'longitude_degrees', 'lon_dd')
    + ('longitude_decimal_degrees', 'decimal_longitude', 'longitude_decimal'),
    'latitude_ref': ('latituderef', 'lat_ref', 'gps_latitude_ref', 'gpslatituderef', 'lat_dir')
    + ('latitude_hemisphere', 'lat_hemisphere', 'ns', 'n_s', 'latref', 'lat_ns', 'latitude_ns')
    + ('latitude_direction', 'gps_lat_ref', 'gpslatref', 'north_south'),
    'longitude_ref': ('longituderef', 'lon_ref', 'gps_longitude_ref', 'gpslongituderef', 'lon_dir')
    + ('longitude_hemisphere', 'lon_hemisphere', 'ew', 'e_w', 'lonref', 'lon_ew', 'longitude_ew')
    + ('longitude_direction', 'gps_lon_ref', 'gpslonref', 'lng_ref', 'long_ref', 'east_west'),
    'altitude': ('alt', 'altitude_m', 'alt_m', 'elevation', 'elevation_m', 'ele', 'gps_alt')
    + ('gps_altitude', 'gpsaltitude'),
    'easting': ('utm_easting', 'utm_east', 'utm_e', 'utm_x', 'easting_m', 'east'),
    'northing': ('utm_northing', 'utm_north', 'utm_n', 'utm_y', 'northing_m', 'north'),
    'utm_zone': ('zone', 'utmzone', 'utm_zone_number', 'zone_number'),
    'utm_band': ('utmband', 'utm_zone_letter', 'zone_letter', 'utm_letter', 'band', 'hemisphere'),
    'x': ('x_m', 'pos_x', 'position_x'),
    'y': ('y_m', 'pos_y', 'position_y'),
    'z': ('z_m', 'pos_z', 'position_z'),
    'yaw_rad': (),
    'heading_deg': ('heading', 'heading_degrees', 'bearing', 'bearing_deg', 'course')
    + ('course_deg', 'compass', 'compass_angle', 'compass_deg', 'azimuth', 'azimuth_deg')
    + ('gpsimgdirection', 'gps_img_direction'),
    'stamp_ns': ('timestamp_ns', 'time_ns', 'unix_time_ns', 'stamp_nsec', 'timestamp_nsec'),
    'stamp_us': ('timestamp_us', 'time_us', 'unix_time_us'),
    'stamp_ms': ('timestamp_ms', 'time_ms', 'unix_time_ms'),
    'stamp_s': ('timestamp_s', 'timestamp_sec', 'stamp_sec', 'time_s', 'unix_time_s'),
    'timestamp': ('unix_time', 'unixtime', 'epoch', 'gps_time', 'utc_time', 'datetime_utc')
    + ('datetime', 'date_time', 'utc', 'gpsdatetime', 'gps_date_time', 'time', 'ts', 'time_stamp')
    + ('captured_at', 'capture_time', 'acquisition_time', 'image_time', 'gps_timestamp'),
    'crs': ('epsg', 'epsg_code', 'srid', 'srs', 'coordinate_system'),
}
"""By meaning: what other programs call it, after `column_key`."""

STAMPS = ('stamp_ns', 'stamp_s', 'stamp', 'stamp_us', 'stamp_ms', 'timestamp')
"""Meanings that are a time of capture; the first one that a table has is read."""

OPTIONAL = ('heading_deg', 'altitude', 'stamp_us', 'stamp_ms', 'timestamp', 'stamp_ns', 'stamp_s')
"""Where such a column has a name of its own and cannot be read, the rest is still of use."""

NAMES_FIRST = 'the first row has to name the columns, such as image,latitude,longitude'

_PAIRS = (('latitude', 'longitude'), ('easting', 'northing'), ('x', 'y'))
POSITIONS = frozenset(name for pair in _PAIRS for name in pair)
"""Meanings that tell where an image was taken."""

_TELLING = frozenset(
    {'lat', 'latitude', 'lon', 'lng', 'long', 'longitude', 'heading', 'bearing', 'yaw', 'azimuth'}
    | {'stamp', 'timestamp', 'datetime', 'easting', 'northing', 'altitude', 'utm', 'epsg', 'gps'}
    | {'course', 'compass', 'geo', 'coordinates', 'coordinate', 'coords', 'position', 'pose'}
    | {'sec', 'secs', 'nsec', 'nsecs', 'nanosec', 'nanosecs', 'gpstime', 'gpsdate'}
    | {'theta', 'direction', 'orientation', 'quaternion', 'qx', 'qy', 'qz', 'qw'}
    | {'geometry', 'geom', 'wkt', 'geojson', 'location', 'latlon', 'latlng', 'latlong', 'mgrs'}
)
_LIKE = 0.84


def column_key(name: str) -> str:
    """A name as it is compared: `Latitude (deg)` and `latitude_deg` are one."""
    return re.sub(r'[^a-z0-9]+', '_', name.lower()).strip('_')


def meanings(columns: Sequence[str], path: Path) -> dict[str, str]:
    """The column that each meaning has in a table; a documented name goes before all others.

    Args:
        columns: names of a table, in lower case.
        path: of the table, for the message.

    Raises:
        SourceError: two columns could have this meaning.
    """
    found: dict[str, str] = {name: name for name in DOCUMENTED if name in columns}
    found |= {'timestamp': 'timestamp'} if 'timestamp' in columns else {}
    for meaning, names in _SYNONYMS.items():
        fitting = [column for column in columns if column_key(column) in (meaning, *names)]
        if meaning in found or not fitting:
            continue
        if len(fitting) > 1 and column_key(fitting[0]) not in ('lat', 'lon', 'alt'):
            raise SourceError(
                f'{path}: the columns {fitting[0]!r} and {fitting[1]!r} could both be the '
                f'{meaning}; rename the right one to {meaning}'
            )
        found[meaning] = fitting[0]
    return _with_hemisphere(found)


def _with_hemisphere(found: dict[str, str]) -> dict[str, str]:
    """A column `hemisphere` belongs to the latitude where there is no UTM."""
    is_of_latitude = 'latitude' in found and 'easting' not in found
    if not is_of_latitude or column_key(found.get('utm_band', '')) != 'hemisphere':
        return found
    others = {meaning: column for meaning, column in found.items() if meaning != 'utm_band'}
    return {'latitude_ref': found['utm_band']} | others


def check_columns(columns: Sequence[str], found: Mapping[str, str], path: Path) -> None:
    """Check that there are images and that coordinates come in pairs.

    Args:
        columns: names of the table.
        found: as `meanings` returns them.
        path: of the table, for the message.

    Raises:
        SourceError: the missing column beside those found.
    """
    named = f'; found the columns {", ".join(column[:40] for column in columns)}'
    if 'image' not in found:
        hint = '; name the column that holds the paths `image`'
        if len(columns) == 1 or any(re.search(r'\.(jpe?g|png)$', c) for c in columns):
            hint = f'; {NAMES_FIRST}'
        raise SourceError(f'{path}: the column `image` is missing{named}{hint}')
    for pair in _PAIRS:
        missing = [name for name in pair if name not in found]
        if len(missing) == 1:
            raise SourceError(f'{path}: the column `{missing[0]}` is missing{named}')


def unread_remarks(columns: Sequence[str], found: Mapping[str, str]) -> list[str]:
    """A sentence for each column that is not read although its name looks like one that is."""
    remarks = []
    for column in columns:
        key = column_key(column)
        if column in found.values() or not key:
            continue
        likely = difflib.get_close_matches(key, DOCUMENTED, 1, _LIKE)
        if likely and len(key) > 3 and not key.startswith(f'{likely[0]}_'):
            remarks.append(f'the column {column!r} is not read; did you mean {likely[0]!r}?')
        elif _TELLING & set(key.split('_')) or re.fullmatch('[xyz]_[a-z]+|[en]', key):
            remarks.append(
                f'the column {column!r} is not read: its unit or meaning is open; known are '
                f'{", ".join(DOCUMENTED)}'
            )
    return remarks
