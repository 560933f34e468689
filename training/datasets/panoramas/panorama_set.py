"""The panoramas of a data set, and views of them in any direction, rendered on loading.

Images with one panorama number form a panorama: four images, 90 degrees apart, are its sides; a
single image is equirectangular, and its middle column has the image's heading.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Frame, Pose
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.poses import heading_to_quaternion
from ghost_vpr_ros.replay.places.place_set import NO_PLACE, PlaceSet
from training.datasets.panoramas.panorama import Equirectangular, FourSides, Panorama, render
from training.datasets.panoramas.view_geometry import ViewConfig, check_sides_cover

NETVLAD_HEADINGS = 12
"""Views of a panorama in NetVLAD (journal version), Section 6.1: evenly around the horizon.

Section 4 mentions two elevation angles without their values.
"""

_HEADING_TOLERANCE_DEG = 1.0


def even_headings(count: int) -> list[float]:
    """`count` compass headings, evenly spaced from north."""
    return [360.0 * number / count for number in range(count)]


@dataclass(frozen=True)
class PlacedPanorama:
    """One panorama of a data set.

    Attributes:
        panorama: its pixels.
        rows: (n,) int64 rows of its images in the data set.
        label: prefix of the names of its views.
        has_heading: whether its views' headings are compass headings.
    """

    panorama: Panorama
    rows: NDArray[np.int64]
    label: str
    has_heading: bool


class PanoramaSet:
    """The panoramas of a data set.

    Args:
        place_set: with four sides or one equirectangular image for each panorama.

    Raises:
        SourceError: a panorama is neither; the message names the first.
    """

    def __init__(self, place_set: PlaceSet) -> None:
        self.place_set = place_set
        self.panoramas = tuple(_placed(place_set, rows) for rows in _groups(place_set.panorama))

    def __len__(self) -> int:
        return len(self.panoramas)

    def frame_at(self, number: int, yaw_deg: float, view: ViewConfig) -> Frame:
        """One view of one panorama, rendered on loading.

        Args:
            number: of the panorama, from 0.
            yaw_deg: compass heading; relative to the image's middle if that has no heading.
            view: the camera.

        Raises:
            ConfigError: four sides do not cover the view; the message gives the widest that fits.
        """
        placed = self.panoramas[number]
        yaw_deg = yaw_deg % 360.0
        if isinstance(placed.panorama, FourSides):
            offset_deg = round((yaw_deg - placed.panorama.heading_deg) % 90.0, 3) % 90.0
            check_sides_cover(offset_deg, view)
        model = self.place_set.frames[placed.rows[0]]
        return replace(
            model,
            name=f'{placed.label}_yaw{yaw_deg:05.1f}_pitch{view.pitch_deg:+05.1f}'
            f'{_stand_name(view)}.jpg',
            load=partial(render, placed.panorama, yaw_deg, view),
            pose=_turned(model.pose, yaw_deg) if placed.has_heading else model.pose,
            panorama=placed.label,
            attributes=_attributes(model, yaw_deg, view, placed.has_heading),
        )

    def frames_at(
        self,
        yaws_deg: Sequence[float],
        view: ViewConfig | None = None,
        pitches_deg: Sequence[float] = (),
    ) -> list[Frame]:
        """Views of every panorama: all of the first one, then all of the second one, ...

        Args:
            yaws_deg: compass headings, as from `even_headings(NETVLAD_HEADINGS)`.
            view: the camera.
            pitches_deg: elevations, each for all headings; empty: the camera's own.

        Raises:
            ConfigError: as `frame_at`.
        """
        view = view or ViewConfig()
        views = [replace(view, pitch_deg=float(p)) for p in pitches_deg or [view.pitch_deg]]
        return [
            self.frame_at(number, yaw_deg, each)
            for number in range(len(self))
            for each in views
            for yaw_deg in yaws_deg
        ]


def rendered_place_set(
    place_set: PlaceSet,
    yaws_deg: Sequence[float],
    view: ViewConfig | None = None,
    pitches_deg: Sequence[float] = (),
) -> PlaceSet:
    """The same places in rendered views; panoramas keep their roles.

    Raises:
        SourceError: as `PanoramaSet`.
        ConfigError: as `PanoramaSet.frame_at`.
    """
    panoramas = PanoramaSet(place_set)
    frames = panoramas.frames_at(yaws_deg, view, pitches_deg)
    each = len(frames) // max(len(panoramas), 1)
    origin = np.repeat([placed.rows[0] for placed in panoramas.panoramas], each).astype(np.int64)
    number = np.repeat(np.arange(len(panoramas)), each)
    headings = [float(frame.attributes.get('heading_deg', 'nan')) for frame in frames]
    return PlaceSet(
        name=f'{place_set.name}, {each} views of each panorama',
        frames=frames,
        positions_m=place_set.positions_m[origin],
        queries=np.flatnonzero(_any_row_in(panoramas, place_set.queries)[number]),
        database=np.flatnonzero(_any_row_in(panoramas, place_set.database)[number]),
        panorama=number,
        heading_deg=np.array(headings, np.float64),
        stamp_ns=place_set.stamp_ns[origin],
        facts={**place_set.facts, 'views_of_a_panorama': each},
        visit=None if place_set.visit is None else place_set.visit[origin],
        visit_gap=place_set.visit_gap,
    )


def with_synthesised_views(
    place_set: PlaceSet, yaws_deg: Sequence[float], view: ViewConfig, shift_m: float = 0.0
) -> PlaceSet:
    """The set with views of its database panoramas added to the database.

    Source: NetVLAD (journal version), Fig. 5, compares with Torii et al., "24/7 place recognition
    by view synthesis": virtual views on a grid around each panorama, rendered with depth maps.
    Deviation: without depth maps, shifted views assume level ground and walls at one distance.

    Args:
        place_set: its database images are sides of panoramas.
        yaws_deg: compass headings of the views.
        view: their camera.
        shift_m: render each view also from this far ahead, behind, right and left; 0: only from
            the panorama's position.

    Raises:
        SourceError: a database image belongs to no panorama.
        ConfigError: as `PanoramaSet.frame_at`.
    """
    shown = np.isin(place_set.panorama, place_set.panorama[place_set.database])
    alone = place_set.panorama == NO_PLACE
    shown &= ~alone | np.isin(np.arange(len(place_set)), place_set.database)
    panoramas = PanoramaSet(_rows_of(place_set, np.flatnonzero(shown)))
    stands = [(0.0, 0.0)]
    if shift_m:
        stands += [(shift_m, 0.0), (-shift_m, 0.0), (0.0, shift_m), (0.0, -shift_m)]
    views = [replace(view, ahead_m=ahead, aside_m=aside) for ahead, aside in stands]
    frames, origin, offsets, headings = [], [], [], []
    for number, placed in enumerate(panoramas.panoramas):
        for each in views:
            for yaw_deg in yaws_deg:
                frames.append(panoramas.frame_at(number, yaw_deg, each))
                origin.append(np.flatnonzero(shown)[placed.rows[0]])
                offsets.append(_offset_m(yaw_deg, each))
                headings.append(yaw_deg)
    rows = np.concatenate([np.arange(len(place_set)), np.array(origin, np.int64)])
    moved = np.concatenate([np.zeros((len(place_set), 2)), np.array(offsets).reshape(-1, 2)])
    count = len(place_set)
    return replace(
        _rows_of(place_set, rows),
        name=f'{place_set.name}, with {len(frames)} synthesised views',
        frames=[*place_set.frames, *frames],
        positions_m=place_set.positions_m[rows] + moved,
        queries=place_set.queries,
        database=np.concatenate([place_set.database, np.arange(count, len(rows))]),
        heading_deg=np.concatenate([place_set.heading_deg, np.array(headings, np.float64)]),
        facts={**place_set.facts, 'synthesised_views': len(frames)},
    )


def _offset_m(yaw_deg: float, view: ViewConfig) -> tuple[float, float]:
    """Metres east and north from the panorama to the camera of a view."""
    yaw = np.radians(yaw_deg)
    east = view.ahead_m * np.sin(yaw) + view.aside_m * np.cos(yaw)
    north = view.ahead_m * np.cos(yaw) - view.aside_m * np.sin(yaw)
    return float(east), float(north)


def _rows_of(place_set: PlaceSet, rows: NDArray[np.int64]) -> PlaceSet:
    """A set of these rows, all of them database."""
    return replace(
        place_set,
        frames=[place_set.frames[row] for row in rows],
        positions_m=place_set.positions_m[rows],
        queries=np.empty(0, np.int64),
        database=np.arange(len(rows)),
        panorama=place_set.panorama[rows],
        heading_deg=place_set.heading_deg[rows],
        stamp_ns=place_set.stamp_ns[rows],
        files=(),
        visit=None if place_set.visit is None else place_set.visit[rows],
    )


def _groups(panorama: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Rows of each panorama in the order of their first rows; each `NO_PLACE` row is a group."""
    rows_of: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row, number in enumerate(panorama.tolist()):
        rows_of[number, row if number == NO_PLACE else 0].append(row)
    return [np.array(rows, np.int64) for rows in rows_of.values()]


def _placed(place_set: PlaceSet, rows: NDArray[np.int64]) -> PlacedPanorama:
    frame = place_set.frames[rows[0]]
    label = re.sub(r'[^\w.-]+', '_', frame.panorama or frame.name.rpartition('.')[0] or frame.name)
    headings = place_set.heading_deg[rows]
    if len(rows) == 1:
        is_known = bool(np.isfinite(headings[0]))
        image = Equirectangular(frame.load, float(headings[0]) if is_known else 0.0)
        return PlacedPanorama(image, rows, label, is_known)
    order = np.argsort(headings % 360.0)
    turns = (headings[order] - headings[order[0]] - 90.0 * np.arange(len(rows))) % 360.0
    off_deg = np.minimum(turns, 360.0 - turns)
    if len(rows) != 4 or not (off_deg <= _HEADING_TOLERANCE_DEG).all():
        raise SourceError(_not_a_panorama(place_set, rows))
    loads = [place_set.frames[row].load for row in rows[order]]
    return PlacedPanorama(FourSides(loads, float(headings[order[0]])), rows, label, True)


def _not_a_panorama(place_set: PlaceSet, rows: NDArray[np.int64]) -> str:
    shown = ', '.join(f'{heading:g}' for heading in place_set.heading_deg[rows][:8])
    return (
        f'{place_set.name}: panorama of {place_set.frames[rows[0]].name}: expected four sides '
        'with headings 90 degrees apart, or one image of 360 degrees, found '
        f'{len(rows)} images with headings {shown}; leave its rows out, or correct their headings'
    )


def _turned(pose: Pose | None, heading_deg: float) -> Pose:
    quaternion = heading_to_quaternion(heading_deg)
    if pose is None:
        return Pose.of_heading(quaternion)
    return replace(pose, quaternion_xyzw=quaternion)


def _stand_name(view: ViewConfig) -> str:
    if not (view.ahead_m or view.aside_m):
        return ''
    return f'_ahead{view.ahead_m:+.1f}_aside{view.aside_m:+.1f}'


def _attributes(
    model: Frame, yaw_deg: float, view: ViewConfig, has_heading: bool
) -> dict[str, str]:
    """Attributes of the panorama's first image, with the view's heading, pitch and field."""
    kept = {k: v for k, v in model.attributes.items() if k not in ('heading_deg', 'yaw_rad')}
    name = 'heading_deg' if has_heading else 'yaw_deg'
    described = {name: f'{yaw_deg:g}', 'pitch_deg': f'{view.pitch_deg:g}'}
    return {**kept, **described, 'fov_deg': f'{view.fov_deg:g}'}


def _any_row_in(panoramas: PanoramaSet, chosen: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(P,) whether any image of the panorama is among the chosen rows."""
    is_chosen = np.zeros(len(panoramas.place_set), bool)
    is_chosen[chosen] = True
    return np.array([is_chosen[placed.rows].any() for placed in panoramas.panoramas], bool)
