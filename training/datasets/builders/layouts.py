"""Paths of images in a built data set, and their rows in the manifest."""

from __future__ import annotations

import csv
import datetime
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, Frame
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.geodesy import geo_to_utm, utm_zone
from ghost_vpr_ros.core.image import IMAGE_SUFFIXES
from ghost_vpr_ros.replay.places.place_set import PlaceSet
from ghost_vpr_ros.replay.sources.utm_names import is_utm_name

LAYOUTS = ('csv', 'utm')
"""A manifest next to the images, or folders of `@UTM@` names."""

_BANDS = 'CDEFGHJKLMNPQRSTUVWX'
_LONGEST_NOTE = 100
_FIRST_COLUMNS = ('image', 'split', 'role', 'panorama')
_POSITION_COLUMNS = ('latitude', 'longitude', 'easting', 'northing')
_LAST_COLUMNS = ('heading_deg', 'stamp_ns')


@dataclass(frozen=True)
class Roles:
    """Whether an image may be query, database, or both."""

    is_query: bool
    is_database: bool

    @property
    def word(self) -> str:
        """Value of a manifest's column `role`; empty for both."""
        if self.is_query and self.is_database:
            return ''
        return 'query' if self.is_query else 'database'

    @property
    def folders(self) -> list[str]:
        """Folders of the image in the `@UTM@` layout, one for each role."""
        both = {'database': self.is_database, 'queries': self.is_query}
        return [folder for folder, is_in in both.items() if is_in]


def roles_of(places: PlaceSet) -> list[Roles]:
    """The roles of every row."""
    rows = np.arange(len(places))
    is_query, is_database = np.isin(rows, places.queries), np.isin(rows, places.database)
    return [Roles(bool(q), bool(d)) for q, d in zip(is_query, is_database, strict=True)]


def image_path(places: PlaceSet, row: int) -> PurePosixPath:
    """The path below `images/SPLIT` in a built set with a manifest."""
    name = PurePosixPath(places.frames[row].name.replace('\\', '/'))
    parts = [part for part in name.parts if part not in ('/', '..', '.')]
    return _with_suffix(PurePosixPath(*parts), places, row)


def utm_path(places: PlaceSet, row: int, is_both: bool) -> PurePosixPath:
    """The `@UTM@` name of an image; existing `@UTM@` names are kept.

    An image that is both query and database is in both folders. If it has no panorama, it gets a
    unique one, so that it is never matched with itself.
    """
    frame = places.frames[row]
    name = PurePosixPath(frame.name).name
    if is_utm_name(Path(name)) and (frame.panorama or not is_both):
        return _with_suffix(PurePosixPath(name), places, row)
    note = _plain(str(image_path(places, row).with_suffix('')))[-_LONGEST_NOTE:]
    panorama = _plain(frame.panorama or (note if is_both else ''))
    fields = [*_position_fields(places, row), panorama, '']
    heading_deg = places.heading_deg[row]
    fields += [f'{heading_deg:.2f}' if np.isfinite(heading_deg) else '']
    fields += [_plain(frame.attributes.get(key, '')) for key in ('pitch_deg', 'roll_deg')]
    fields += ['', _time_text(int(places.stamp_ns[row])), note]
    stem = '@' + '@'.join(fields) + '@'
    return PurePosixPath(stem + (places.files[row].suffix if places.files else '.jpg'))


def _position_fields(places: PlaceSet, row: int) -> list[str]:
    """Easting, northing, zone, band, latitude and longitude; degrees are empty if unknown."""
    geo = places.frames[row].geo
    if geo is None:
        easting_m, northing_m = places.positions_m[row]
        return [f'{easting_m:.2f}', f'{northing_m:.2f}', '', '', '', '']
    latitude_deg, longitude_deg = geo.latitude_deg, geo.longitude_deg
    zone, is_north = utm_zone(latitude_deg, longitude_deg)
    easting_m, northing_m = geo_to_utm(latitude_deg, longitude_deg, zone, is_north)[0]
    band = _BANDS[min(max(int((latitude_deg + 80.0) // 8.0), 0), len(_BANDS) - 1)]
    grid = [f'{easting_m:.2f}', f'{northing_m:.2f}', str(zone), band]
    return [*grid, f'{latitude_deg:.8f}', f'{longitude_deg:.8f}']


def _time_text(stamp_ns: int) -> str:
    if stamp_ns == UNKNOWN_STAMP_NS:
        return ''
    moment = datetime.datetime.fromtimestamp(stamp_ns // 10**9, datetime.timezone.utc)
    return moment.strftime('%Y%m%d_%H%M%S')


def _plain(text: str) -> str:
    """The text without the characters that separate fields and folders."""
    return re.sub(r'[@/\\\s]+', '_', text)


def _with_suffix(path: PurePosixPath, places: PlaceSet, row: int) -> PurePosixPath:
    """The path with the suffix .jpg for images that are not files, which are written as JPEG."""
    if places.files or path.suffix.lower() in ('.jpg', '.jpeg'):
        return path
    has_suffix = path.suffix.lower() in IMAGE_SUFFIXES
    return (path.with_suffix('') if has_suffix else path).with_name(
        (path.stem if has_suffix else path.name) + '.jpg'
    )


def manifest_text(entries: Iterable[tuple[PlaceSet, int, str, str, Roles]]) -> str:
    """A manifest of images: data set, row, path in the manifest, split and roles of each."""
    rows = [_cells(*entry) for entry in entries]
    filled = {column for row in rows for column, text in row.items() if text}
    further = sorted(filled.difference(_FIRST_COLUMNS, _POSITION_COLUMNS, _LAST_COLUMNS))
    columns = [
        column
        for column in (*_FIRST_COLUMNS, *_POSITION_COLUMNS, *_LAST_COLUMNS, *further)
        if column in filled
    ]
    text = io.StringIO(newline='')
    writer = csv.DictWriter(text, columns, restval='', extrasaction='ignore', lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _cells(places: PlaceSet, row: int, path: str, split: str, roles: Roles) -> Mapping[str, str]:
    frame, heading_deg = places.frames[row], places.heading_deg[row]
    stamp_ns = int(places.stamp_ns[row])
    return {
        **{key: text for key, text in frame.attributes.items() if key != 'yaw_rad'},
        **_position_cells(frame, places, row),
        'image': path,
        'split': split or frame.attributes.get('split', ''),
        'role': roles.word,
        'panorama': frame.panorama or '',
        'heading_deg': f'{round(heading_deg, 4):g}' if np.isfinite(heading_deg) else '',
        'stamp_ns': '' if stamp_ns == UNKNOWN_STAMP_NS else str(stamp_ns),
    }


def _position_cells(frame: Frame, places: PlaceSet, row: int) -> dict[str, str]:
    """Degrees if they are known, else metres without a zone."""
    if frame.geo is not None:
        degrees = frame.geo.latitude_deg, frame.geo.longitude_deg
        return {'latitude': f'{degrees[0]:.9f}', 'longitude': f'{degrees[1]:.9f}'}
    easting_m, northing_m = places.positions_m[row]
    return {'easting': f'{easting_m:.4f}', 'northing': f'{northing_m:.4f}'}


def check_distinct(paths: Sequence[str], name: str) -> None:
    """Refuse two images with the same path.

    Raises:
        SourceError: two images have the same path; the message names it.
    """
    seen: set[str] = set()
    for path in paths:
        if path in seen:
            raise SourceError(
                f'{name}: two images would get the path {path}, expected distinct paths; rename '
                'one of them, or build the other layout'
            )
        seen.add(path)
