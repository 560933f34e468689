"""Checks whether the positions of a source are plausible together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.geodesy import horizontal_distance_m, on_unit_sphere

NORTH_TAKEN = 'a UTM zone without a band is taken as north of the equator'
NULL_NOT_TAKEN = 'position 0, 0 means "not known"; position not taken'

_NAMES_SHOWN = 3
_FAR_FROM_ORIGIN_M = 100_000.0
_LEAST_EXTENT_M = 0.5
_EARTH_RADIUS_M = 6_371_000.0
_FAR_FROM_OTHERS_M = 1_000_000.0
_FAR_FROM_ONE_TOWN_M = 100_000.0
_TIMES_THE_USUAL = 20.0
"""A wrong digit of a UTM zone moves a position by 6 degrees of longitude: 60 to 670 km. Where half
of the images lie within a twentieth of this distance, that is far, too."""

_LEAST_TO_COMPARE = 3
_FEW = 0.05
_MOST_DEGREES = 180.0


def checked_positions(frames: Sequence[Frame]) -> tuple[list[Frame], list[str]]:
    """The frames without metric positions that mean "not known", and notes on the rest.

    0, 0 among coordinates that lie hundreds of kilometres away (a national grid, UTM) was written
    by a program that knew no position. Positions that are all alike are often degrees.
    """
    rows = [row for row, frame in enumerate(frames) if _is_metric(frame)]
    points = np.array([frames[row].pose.position_m[:2] for row in rows])  # type: ignore[union-attr]
    kept = list(frames)
    if not len(points):
        return kept, far_away(frames)
    at_origin = np.asarray(~points.any(axis=1))
    others = points[~at_origin]
    remarks = []
    origin = np.zeros((1, 2))
    if (
        at_origin.any()
        and len(others)
        and horizontal_distance_m(others, origin).min() > (_FAR_FROM_ORIGIN_M)
    ):
        unknown = [row for row, is_zero in zip(rows, at_origin, strict=True) if is_zero]
        for row in unknown:
            kept[row] = replace(frames[row], pose=None)
        names = [frames[row].name for row in unknown]
        remarks.append(f'{some_of(names)}: {NULL_NOT_TAKEN}')
        points = others
    extent_m = float(np.ptp(points, axis=0).max())
    if len(points) > 1 and extent_m < _LEAST_EXTENT_M and np.abs(points).max() <= _MOST_DEGREES:
        remarks.append(
            f'all {len(points)} positions lie within {extent_m:.2g} m of each other; if they are '
            'degrees, name the columns latitude and longitude'
        )
    return kept, remarks


def placed_frames(frames: Sequence[Frame]) -> list[Frame]:
    """The frames that have a position; all of them where none has."""
    return [frame for frame in frames if frame.has_position] or list(frames)


def near_frames(frames: Sequence[Frame]) -> list[Frame]:
    """The frames without the few that lie on another part of the Earth than the others."""
    far = set(far_rows(frames))
    return [frame for row, frame in enumerate(frames) if row not in far]


def far_away(frames: Sequence[Frame]) -> list[str]:
    """A note on the few WGS84 positions that lie far from the others: another part of the Earth.

    Where the others are of one town, another town is far.
    """
    rows, distances_m = _distances_from_middle(frames)
    if not rows:
        return []
    usual_m = _TIMES_THE_USUAL * float(np.median(distances_m))
    limit_m = float(np.clip(usual_m, _FAR_FROM_ONE_TOWN_M, _FAR_FROM_OTHERS_M))
    names = [frames[row].name for row in _few_beyond(rows, distances_m, limit_m)]
    if not names:
        return []
    return [
        f'{some_of(names)}: more than {limit_m / 1000:,.0f} km from the others; the sign, the '
        'zone or the order of the coordinates may be wrong'
    ]


def far_rows(frames: Sequence[Frame]) -> list[int]:
    """Which frames lie on another part of the Earth than the others.

    None where they are many, as in data of two continents.
    """
    rows, distances_m = _distances_from_middle(frames)
    return _few_beyond(rows, distances_m, _FAR_FROM_OTHERS_M)


def _distances_from_middle(frames: Sequence[Frame]) -> tuple[list[int], NDArray[np.float64]]:
    """Frames with WGS84 positions, and metres (N,) from where most are; none of too few."""
    rows = [row for row, frame in enumerate(frames) if frame.geo is not None]
    if len(rows) < _LEAST_TO_COMPARE:
        return [], np.zeros(0)
    geos = [frames[row].geo for row in rows]
    degrees = np.array([(g.latitude_deg, g.longitude_deg) for g in geos if g is not None])
    on_sphere = on_unit_sphere(*np.radians(degrees).T)
    away = np.linalg.norm(on_sphere - np.median(on_sphere, axis=0), axis=1)
    return rows, away * _EARTH_RADIUS_M


def _few_beyond(rows: list[int], distances_m: NDArray[np.float64], limit_m: float) -> list[int]:
    is_far = distances_m > limit_m
    is_few = is_far.sum() <= max(1, _FEW * len(rows))
    return [row for row, far in zip(rows, is_far.tolist(), strict=True) if far and is_few]


def some_of(names: Sequence[str]) -> str:
    """`3 images (a.jpg, b.jpg, c.jpg)`, the first ones where there are many."""
    more = ', ...' if len(names) > _NAMES_SHOWN else ''
    plural = '' if len(names) == 1 else 's'
    return f'{len(names)} image{plural} ({", ".join(names[:_NAMES_SHOWN])}{more})'


def _is_metric(frame: Frame) -> bool:
    return frame.geo is None and frame.has_metric_position
