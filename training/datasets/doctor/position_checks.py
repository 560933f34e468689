"""Checks of coordinates: plausible positions, and a single UTM zone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.geodesy import geo_to_utm, utm_zone
from ghost_vpr_ros.replay.places.place_set import PlaceSet
from ghost_vpr_ros.replay.sources.utm_names import is_utm_name
from training.datasets.doctor.findings import Finding, note, problem, some_of

UTM_FORMATS = ('dbstruct', 'lists')
"""Formats with UTM metres in one list and names in another."""

_EASTING_M = (100_000.0, 900_000.0)
_NORTHING_M = (0.0, 10_000_000.0)
_FAR_M = 100_000.0
_SAME_POSITION_M = 20.0


def check_coordinates(places: PlaceSet) -> Iterator[Finding]:
    """Implausible positions: not finite, outside the grid, without a fix, far from the rest."""
    left_out = places.facts.get('images_without_position', 0)
    if left_out:
        sentence = (
            f'{left_out:,} further images have no position and are left out; add their positions, '
            'or continue without them'
        )
        yield note('coordinates', places.name, sentence)
    is_finite = np.asarray(np.isfinite(places.positions_m).all(axis=1))
    if not is_finite.all():
        sentence = (
            f'{_some(places, ~is_finite)} without a finite position; correct them, or leave these '
            'images out'
        )
        yield problem('coordinates', places.name, sentence)
    if is_finite.any():
        is_utm = places.facts.get('format') in UTM_FORMATS
        yield from _check_grid(places, is_finite) if is_utm else _check_null_island(places)
        yield from _check_far(places, is_finite)


def _check_far(places: PlaceSet, is_finite: NDArray[np.bool_]) -> Iterator[Finding]:
    middle = np.median(places.positions_m[is_finite], axis=0)
    is_far = is_finite & (np.linalg.norm(places.positions_m - middle, axis=1) > _FAR_M)
    if is_far.any():
        sentence = (
            f'{_some(places, is_far)} more than {_FAR_M / 1000:g} km from the middle of the set, '
            'expected one city; their zone is wrong or their coordinates are swapped: correct them'
        )
        yield problem('coordinates', places.name, sentence)


def _check_grid(places: PlaceSet, is_finite: NDArray[np.bool_]) -> Iterator[Finding]:
    """Metres outside the UTM grid, and degrees instead of metres."""
    points = places.positions_m
    if (np.abs(points[is_finite]) <= 180.0).all():
        sentence = (
            'all positions lie within +-180, expected UTM easting and northing in metres; these '
            'are degrees, convert them'
        )
        yield problem('coordinates', places.name, sentence)
        return
    low, high = np.array([_EASTING_M, _NORTHING_M]).T
    is_outside = is_finite & ((points < low) | (points > high)).any(axis=1)
    if is_outside.any():
        sentence = (
            f'{_some(places, is_outside)} outside the UTM grid, expected an easting of 100,000 .. '
            '900,000 m and a northing of 0 .. 10,000,000 m; check their order and their zone'
        )
        yield problem('coordinates', places.name, sentence)


def _check_null_island(places: PlaceSet) -> Iterator[Finding]:
    is_null = [
        frame.geo is not None and frame.geo.latitude_deg == frame.geo.longitude_deg == 0.0
        for frame in places.frames
    ]
    if any(is_null):
        sentence = (
            f'{_some(places, np.array(is_null))} with latitude 0 and longitude 0, which receivers '
            'write without a fix; leave them out'
        )
        yield problem('coordinates', places.name, sentence)


def check_zone(places: PlaceSet) -> Iterator[Finding]:
    """Names whose UTM fields contradict their degrees, and sets with several zones."""
    is_wrong = np.array([_contradicts_itself(frame.name) for frame in places.frames], bool)
    if is_wrong.any():
        sentence = (
            f'{_some(places, is_wrong)} whose UTM coordinates and degrees in the name are more '
            f'than {_SAME_POSITION_M:g} m apart; zone or band is wrong, rename them'
        )
        yield problem('zone', places.name, sentence)
    zones = {
        utm_zone(frame.geo.latitude_deg, frame.geo.longitude_deg)
        for frame in places.frames
        if frame.geo is not None
    }
    if len(zones) > 1:
        names = ', '.join(f'{zone}{"N" if north else "S"}' for zone, north in sorted(zones))
        sentence = (
            f'the images lie in {len(zones)} UTM zones ({names}); distances are measured in one '
            'local frame, so no action is needed unless the set should be one city'
        )
        yield note('zone', places.name, sentence)


def _contradicts_itself(name: str) -> bool:
    """Whether the UTM fields and the degrees of an `@UTM@` name are different positions."""
    if '@' not in name or not is_utm_name(Path(name)):
        return False
    fields = Path(name).stem.split('@')[1:7]
    try:
        easting_m, northing_m, zone = float(fields[0]), float(fields[1]), int(fields[2])
        latitude_deg, longitude_deg = float(fields[4]), float(fields[5])
        point = geo_to_utm(latitude_deg, longitude_deg, zone, latitude_deg >= 0.0)[0]
    except (ValueError, IndexError):
        return False
    off_m = float(np.linalg.norm(point - [easting_m, northing_m]))
    return not off_m <= _SAME_POSITION_M


def _some(places: PlaceSet, chosen: NDArray[np.bool_]) -> str:
    """`2 images (a.jpg, b.jpg)`."""
    names = [places.frames[row].name for row in np.flatnonzero(chosen).tolist()]
    return f'{len(names):,} image{"s" if len(names) != 1 else ""} ({some_of(names)})'
