"""Perspective views of panoramas: equirectangular images, or four sides of 90 degrees each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.errors import ImageError
from training.datasets.panoramas.view_geometry import (
    ViewConfig,
    ViewMap,
    map_to_equirectangular,
    map_to_sides,
)

Pixels: TypeAlias = NDArray[np.uint8]
Load: TypeAlias = Callable[[], Pixels]


@dataclass(frozen=True)
class FourSides:
    """A panorama of four square images of 90 degrees, each read when a view needs it.

    Attributes:
        loads: four functions that return RGB uint8 (S, S, 3), clockwise as seen from above.
        heading_deg: compass heading of the first side's middle.
    """

    loads: Sequence[Load]
    heading_deg: float = 0.0


@dataclass(frozen=True)
class Equirectangular:
    """A panorama in one image: columns are headings, rows elevations about the horizon.

    Attributes:
        load: returns RGB uint8 (H, W, 3), W columns for 360 degrees; with H = W / 2 it is the
            whole sphere, with less a band about the horizon.
        heading_deg: compass heading of its middle column.
    """

    load: Load
    heading_deg: float = 0.0


Panorama: TypeAlias = FourSides | Equirectangular


def render(panorama: Panorama, yaw_deg: float, view: ViewConfig) -> Pixels:
    """The view in this direction, RGB uint8 (height, width, 3), interpolated linearly.

    A panorama with at least twice the view's resolution is downsampled first, against aliasing.
    The last images read are cached, so successive views of one panorama read it once.

    Raises:
        ConfigError: the view exceeds the panorama; the message gives the widest that fits.
        ImageError: an image is unreadable or has the wrong shape.
    """
    offset_deg = round((yaw_deg - panorama.heading_deg) % 360.0, 3) % 360.0
    if isinstance(panorama, FourSides):
        return _render_sides(panorama, offset_deg, view)
    return _render_equirectangular(panorama, offset_deg, view)


def _render_sides(panorama: FourSides, offset_deg: float, view: ViewConfig) -> Pixels:
    """Views that differ by a quarter turn share their map, with the sides rotated."""
    turns = int((offset_deg + 45.0) // 90.0)
    rest_deg = round(offset_deg - 90.0 * turns, 3)
    loads = [panorama.loads[(turns + k) % 4] for k in range(4)]
    size_px = len(_square(loads[0], view))
    plan = map_to_sides(rest_deg, view, size_px)
    atlas = np.zeros((size_px, 4 * size_px + 2, 3), np.uint8)
    for number in plan.sides:
        side = _square(loads[number], view)
        if len(side) != size_px:
            raise ImageError(
                f'four sides of a panorama: expected one size, found {size_px} and {len(side)} '
                'px; write them again in one size'
            )
        atlas[:, 1 + number * size_px : 1 + (number + 1) * size_px] = side
    atlas[:, 0], atlas[:, -1] = atlas[:, -2], atlas[:, 1]
    return _looked_up(atlas, plan)


def _square(load: Load, view: ViewConfig) -> Pixels:
    side = _pixels(load, lambda image: image.shape[1] / 2.0, view)
    if side.shape[0] != side.shape[1]:
        raise ImageError(
            'side of a panorama: expected a square image of 90 degrees, found '
            f'{side.shape[1]} x {side.shape[0]} px; leave this panorama out'
        )
    return side


def _render_equirectangular(
    panorama: Equirectangular, offset_deg: float, view: ViewConfig
) -> Pixels:
    image = _pixels(panorama.load, lambda found: found.shape[1] / (2.0 * np.pi), view)
    height_px, width_px = image.shape[:2]
    if height_px > width_px // 2:
        raise ImageError(
            f'panorama of {width_px} x {height_px} px: expected an image of 360 degrees, at least '
            'twice as wide as high; leave this image out'
        )
    plan = map_to_equirectangular(offset_deg, view, width_px, height_px)
    atlas = np.concatenate([image[:, -1:], image, image[:, :1]], axis=1)
    return _looked_up(atlas, plan)


def _looked_up(atlas: Pixels, plan: ViewMap) -> Pixels:
    # Only rows can lie outside: beyond the band, or half a pixel beyond its edge.
    view = cv2.remap(
        atlas,
        plan.columns_rows,
        plan.fractions,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    return np.asarray(view, np.uint8)


def _pixels(load: Load, focal_px: Callable[[Pixels], float], view: ViewConfig) -> Pixels:
    """The image, downsampled if it has at least twice the resolution of the view."""
    image = _recently_read(load)
    factor = int(focal_px(image) / view.focal_px + 1e-6)
    if factor < 2:
        return image
    size = (image.shape[1] // factor, image.shape[0] // factor)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


@lru_cache(maxsize=4)
def _recently_read(load: Load) -> Pixels:
    return load()
