"""Maps from the pixels of a perspective view to the pixels of a panorama.

A view is a pinhole camera at the panorama's centre. Yaw is clockwise seen from above, like compass
headings; pitch is upwards; the field of view is horizontal. Pixel centres are at half-integers, so
the optical axis passes through the middle of the image.

Four sides of 90 degrees cover only a band around the horizon: +-45 degrees in the middle of a
side, +-35.3 degrees where two sides meet. A view that exceeds the band is refused or, on request,
completed by mirroring at its edge: at the worst yaw, 6 % of the pixels of a square view of 90
degrees (sky and road) are mirrored.

A camera away from the panorama's centre is rendered with a simple scene model: level ground, and
walls on all sides at one distance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.core.errors import ConfigError

Floats: TypeAlias = NDArray[np.floating[Any]]
Rays: TypeAlias = tuple[Floats, Floats, Floats]

_MOST_MIRRORED = 0.25
_NEAREST_WALL = 0.9
"""Largest shift of a camera, as a share of the distance to the walls."""

_ROUNDING = 1e-4
_FRACTION = 32
"""OpenCV interpolates in steps of 1/32 pixel."""

_EDGE_POINTS = 501
_WIDEST_DEG = 150
_CACHED_CHECKS = 4096
_CACHED_MAPS = 64
"""Some 40 MB of maps at 320 x 320 px."""


@dataclass(frozen=True)
class ViewConfig(Config):
    """The camera of a view; the defaults are those of the Pittsburgh data set."""

    fov_deg: float = setting(
        60.0, 'horizontal field of view', unit='deg', low=1.0, high=_WIDEST_DEG
    )
    width_px: int = setting(640, 'width of a view', unit='px', low=8, high=4096)
    height_px: int = setting(480, 'height of a view', unit='px', low=8, high=4096)
    pitch_deg: float = setting(0.0, 'elevation of a view', unit='deg', low=-89.0, high=89.0)
    beyond: str = setting(
        'refuse',
        'what to do with views that need more sky or ground than the panorama has',
        choices=('refuse', 'mirror'),
    )
    ahead_m: float = setting(
        0.0, 'shift of the camera ahead of the panorama', unit='m', low=-100.0, high=100.0
    )
    aside_m: float = setting(
        0.0, 'shift of the camera to the right', unit='m', low=-100.0, high=100.0
    )
    wall_m: float = setting(
        15.0,
        'assumed distance of the walls around the panorama, for shifted cameras',
        unit='m',
        low=0.1,
        high=1000.0,
    )
    camera_height_m: float = setting(
        2.5,
        'assumed height of the panorama above the ground, for shifted cameras',
        unit='m',
        low=0.1,
        high=100.0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if math.hypot(self.ahead_m, self.aside_m) > _NEAREST_WALL * self.wall_m:
            raise ConfigError(
                'ahead_m, aside_m: expected a shift of at most '
                f'{_NEAREST_WALL * self.wall_m:g} m, found {self.ahead_m:g}, {self.aside_m:g}; '
                'reduce the shift, or increase wall_m'
            )

    @property
    def focal_px(self) -> float:
        """Focal length, equal in both directions."""
        return self.width_px / 2.0 / math.tan(math.radians(self.fov_deg) / 2.0)


@dataclass(frozen=True)
class ViewMap:
    """Positions of a view's pixels in an atlas, which is padded by one column on each side.

    Attributes:
        columns_rows: (height, width, 2) int16 whole columns and rows.
        fractions: (height, width) uint16 interpolation between pixels, in OpenCV's format.
        sides: numbers of the sides in the view, ascending; (0,) for a single image.
    """

    columns_rows: NDArray[np.int16]
    fractions: NDArray[np.uint16]
    sides: tuple[int, ...]


@lru_cache(_CACHED_MAPS)
def map_to_sides(yaw_deg: float, view: ViewConfig, side_px: int) -> ViewMap:
    """The map into four sides from left to right, clockwise as seen from above.

    Args:
        yaw_deg: clockwise from the middle of side 0.
        view: the camera.
        side_px: width and height of a side.

    Raises:
        ConfigError: the view exceeds the sides; the message gives the widest that fits.
    """
    side, along, up = _on_sides(*seen_from_centre(yaw_deg, view))
    _check_inside(up, yaw_deg, view, widest_fov_deg)
    column = (side + (along + 1.0) / 2.0) * side_px - 0.5
    return _fixed_point(
        column, (1.0 - up) / 2.0 * side_px - 0.5, _sides_touched(side, along, side_px)
    )


@lru_cache(_CACHED_MAPS)
def map_to_equirectangular(
    yaw_deg: float, view: ViewConfig, width_px: int, height_px: int
) -> ViewMap:
    """The map into an image of 360 degrees; with height < width / 2 it is a band.

    Args:
        yaw_deg: clockwise from the image's middle column.
        view: the camera.
        width_px: columns for 360 degrees.
        height_px: rows, centred on the horizon.

    Raises:
        ConfigError: the view exceeds the band; the message gives the widest that fits.
    """
    highest_rad = height_px / width_px * math.pi

    def widest(yaw_deg: float, view: ViewConfig) -> float:
        return _widest(lambda *rays: _on_sphere(*rays)[1] / highest_rad, yaw_deg, view)

    azimuth, elevation = _on_sphere(*seen_from_centre(yaw_deg, view))
    _check_inside(elevation / highest_rad, yaw_deg, view, widest)
    px_per_rad = width_px / math.tau
    column = (azimuth * px_per_rad + width_px / 2.0) % width_px - 0.5
    return _fixed_point(column, height_px / 2.0 - elevation * px_per_rad - 0.5, (0,))


@lru_cache(_CACHED_CHECKS)
def check_sides_cover(yaw_deg: float, view: ViewConfig) -> None:
    """Check that four sides cover a view, at a yaw clockwise from the middle of any side.

    Raises:
        ConfigError: as `map_to_sides`.
    """
    _, _, up = _on_sides(*seen_from_centre(yaw_deg, view))
    _check_inside(up, yaw_deg, view, widest_fov_deg)


def widest_fov_deg(yaw_deg: float, view: ViewConfig) -> float:
    """Widest field of view of this shape and pitch that four sides cover, in whole degrees.

    0 if there is none. Square, level views: 90 at the middle of a side, 70 where two sides meet.
    """
    return _widest(lambda *rays: _on_sides(*rays)[2], yaw_deg, view)


def seen_from_centre(yaw_deg: float, view: ViewConfig) -> Rays:
    """Rays from the panorama's centre to the points that a view's pixels show: (height, width).

    Rightward, upward and forward components, of any length. Rays of a shifted camera are traced to
    the ground or the walls, whichever is closer.
    """
    right, up, ahead = _rays(yaw_deg, view.pitch_deg, *_pixel_grid(view))
    if not (view.ahead_m or view.aside_m):
        return right, up, ahead
    yaw = math.radians(yaw_deg)
    stand_right = view.aside_m * math.cos(yaw) + view.ahead_m * math.sin(yaw)
    stand_ahead = view.ahead_m * math.cos(yaw) - view.aside_m * math.sin(yaw)
    level2 = np.maximum(right**2 + ahead**2, 1e-12)
    towards = right * stand_right + ahead * stand_ahead
    rest = view.wall_m**2 - stand_right**2 - stand_ahead**2
    to_wall = (np.sqrt(towards**2 + level2 * rest) - towards) / level2
    to_ground = np.where(up < 0.0, view.camera_height_m / np.maximum(-up, 1e-9), np.inf)
    length = np.minimum(to_wall, to_ground)
    return stand_right + length * right, length * up, stand_ahead + length * ahead


def _pixel_grid(view: ViewConfig) -> tuple[Floats, Floats]:
    """Rightward (1, width) and upward (height, 1) coordinates of the pixels at unit depth."""
    right = (np.arange(view.width_px) + 0.5 - view.width_px / 2.0) / view.focal_px
    up = (view.height_px / 2.0 - np.arange(view.height_px) - 0.5) / view.focal_px
    return right.astype(np.float32)[None], up.astype(np.float32)[:, None]


def _rays(yaw_deg: float, pitch_deg: float, right: Floats, up: Floats) -> Rays:
    """Rightward, upward and forward components of rays; forward is yaw 0, level."""
    pitch, yaw = math.radians(pitch_deg), math.radians(yaw_deg)
    level = math.cos(pitch) - up * math.sin(pitch)
    raised = math.sin(pitch) + up * math.cos(pitch)
    turned = right * math.cos(yaw) + level * math.sin(yaw)
    ahead = level * math.cos(yaw) - right * math.sin(yaw)
    return turned, np.broadcast_to(raised, turned.shape), ahead


def _on_sides(right: Floats, up: Floats, ahead: Floats) -> tuple[NDArray[np.int8], Floats, Floats]:
    """Side 0 .. 3 of each ray, and its rightward and upward position there, -1 .. 1 inside."""
    is_across = np.abs(right) > np.abs(ahead)
    side = np.where(is_across, np.int8(2) - np.sign(right), np.int8(1) - np.sign(ahead))
    depth = np.where(is_across, right, ahead)
    along = np.where(is_across, -ahead, right) / np.where(depth == 0.0, 1e-9, depth)
    return side.astype(np.int8), along, up / np.maximum(np.abs(depth), 1e-9)


def _on_sphere(right: Floats, up: Floats, ahead: Floats) -> tuple[Floats, Floats]:
    """Azimuth and elevation of each ray, radians."""
    return np.arctan2(right, ahead), np.arctan2(up, np.hypot(right, ahead))


def _sides_touched(side: NDArray[np.int8], along: Floats, side_px: int) -> tuple[int, ...]:
    """The sides in the view, including neighbours needed for interpolation at the border."""
    last = 1.0 - 1.0 / side_px + 1.0 / (_FRACTION * side_px)
    found = [side, side[along > last] + 1, side[along < -last] - 1]
    counts = np.bincount(np.concatenate([each.ravel() % 4 for each in found]), minlength=4)
    return tuple(int(number) for number in np.flatnonzero(counts))


def _check_inside(
    up: Floats,
    yaw_deg: float,
    view: ViewConfig,
    widest: Callable[[float, ViewConfig], float],
) -> None:
    outside = float((np.abs(up) > 1.0 + _ROUNDING).mean())
    if outside == 0.0 or (view.beyond == 'mirror' and outside <= _MOST_MIRRORED):
        return
    fits = widest(yaw_deg, view)
    advice = f'take a field of view of {fits:g} degrees' if fits else 'take a smaller pitch'
    if view.beyond == 'refuse' and outside <= _MOST_MIRRORED:
        advice += ', or `beyond: mirror`'
    raise ConfigError(
        f'view at yaw {yaw_deg:g}, pitch {view.pitch_deg:g}, field of view {view.fov_deg:g} '
        f'degrees, {view.width_px} x {view.height_px} px: {100 * outside:.2g} % of it lies above '
        f'or below what the panorama shows; {advice}'
    )


def _widest(place: Callable[..., Floats], yaw_deg: float, view: ViewConfig) -> float:
    """The widest view whose edges and middle are within -1 .. 1, by bisection."""
    from_to = np.linspace(-1.0, 1.0, _EDGE_POINTS)
    one = np.ones(_EDGE_POINTS)
    right = np.concatenate([from_to, from_to, one, -one, [0.0]])
    up = np.concatenate([one, -one, from_to, from_to, [0.0]]) * view.height_px / view.width_px
    low, high = 0, _WIDEST_DEG
    while low < high:
        middle = (low + high + 1) // 2
        size = math.tan(math.radians(middle) / 2.0)
        inside = place(*_rays(yaw_deg, view.pitch_deg, right * size, up * size))
        fits = np.abs(inside).max() <= 1.0 + _ROUNDING
        low, high = (middle, high) if fits else (low, middle - 1)
    return float(low)


def _fixed_point(column: Floats, row: Floats, sides: tuple[int, ...]) -> ViewMap:
    maps = cv2.convertMaps((column + 1.0).astype(np.float32), row.astype(np.float32), cv2.CV_16SC2)
    return ViewMap(np.asarray(maps[0], np.int16), np.asarray(maps[1], np.uint16), sides)
