"""The town in the light and with the parked cars of one drive: lit textures, ready to draw."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.replay.sample_town import props
from ghost_vpr_ros.replay.sample_town.furniture import parking_places
from ghost_vpr_ros.replay.sample_town.light import Light, response
from ghost_vpr_ros.replay.sample_town.rasterizer import Pyramid, make_pyramid
from ghost_vpr_ros.replay.sample_town.seeding import stream
from ghost_vpr_ros.replay.sample_town.sky import paint_sky
from ghost_vpr_ros.replay.sample_town.surfaces import Surface, Texture
from ghost_vpr_ros.replay.sample_town.town import Town
from ghost_vpr_ros.replay.sample_town.vehicles import Vehicle, draw_vehicle

SUN_STEPS = 8
SHADOW_GRID = (24, 18)
LAMP_RGB = (1.0, 0.78, 0.42)
RESIDENT_SHARE = 0.3


class Scene:
    """One drive's view of the town.

    Attributes:
        town: what stays.
        drive: number of the drive.
        light: its weather.
        parked: cars along the kerbs on that day.
    """

    def __init__(
        self,
        town: Town,
        drive: int,
        light: Light,
        parked_share: float,
        pictures: dict[str, Texture],
    ) -> None:
        """Set the scene; `pictures` is a cache that the scenes of a town share."""
        self.town, self.drive, self.light = town, drive, light
        self.parked = park_cars(town, drive, parked_share)
        self._pictures = pictures
        self._lit: dict[object, Pyramid] = {}

    @cached_property
    def surfaces(self) -> list[Surface]:
        """Everything static, except for trees and other posts."""
        parts = [part for house in self.town.houses for part in house.surfaces()]
        return parts + [part for car in self.parked for part in car.surfaces()]

    @cached_property
    def panorama(self) -> NDArray[np.uint8]:
        """The sky of the day."""
        return paint_sky(self.town.seed, self.drive, self.light)

    @cached_property
    def ground(self) -> Pyramid:
        """The ground in the light of the day, row 0 the southern edge."""
        paint = self.town.ground.rgb
        sunny = self.town.heights.ground_in_sun(self.light.sun_direction)
        sun = float(self.light.sun_direction[2])
        height, width = paint.shape[:2]
        mask = np.asarray(cv2.resize(sunny, (width, height)), np.uint8)
        return make_pyramid(self._illuminate(paint, mask, sun, openness=0.9), smallest_px=32)

    def sunshine(
        self, middles: NDArray[np.float64], normals: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Cosine to the sun (N,), 0 where turned away or in another thing's shadow."""
        sun = self.light.sun_direction
        facing = np.maximum(normals @ sun, 0.0)
        return facing * self.town.heights.in_sun(middles + normals * 0.4, sun)

    def lit(self, surface: Surface, sunshine: float) -> Pyramid:
        """The surface's picture in the light of the day."""
        if not surface.shadowed:
            return self.lit_evenly(surface.key, surface.paint, sunshine)
        key = id(surface)
        if key not in self._lit:
            self._lit[key] = self._light_wall(surface)
        return self._lit[key]

    def lit_evenly(self, key: str, paint: Callable[[], Texture], sun: float) -> Pyramid:
        """A picture under the same light everywhere; the sunshine is rounded to a few steps."""
        step = round(sun * SUN_STEPS)
        if (key, step) not in self._lit:
            picture = self._picture(key, paint)
            rgb = _apply(picture.image[..., :3], response(self.light, step / SUN_STEPS, 0.85))
            self._lit[key, step] = make_pyramid(self._finish(rgb, picture))
        return self._lit[key, step]

    def post(self, kind: str) -> Pyramid:
        """The picture of a tree, lamp, sign or bin in the light of the day."""
        return self.lit_evenly(kind, partial(_paint_post, self.town.seed, kind), 0.55)

    def _picture(self, key: str, paint: Callable[[], Texture]) -> Texture:
        if key not in self._pictures:
            self._pictures[key] = paint()
        return self._pictures[key]

    def _light_wall(self, surface: Surface) -> Pyramid:
        picture = self._picture(surface.key, surface.paint)
        columns, rows = SHADOW_GRID
        u, v = np.meshgrid((np.arange(columns) + 0.5) / columns, (np.arange(rows) + 0.5) / rows)
        across = np.stack([u.ravel(), v.ravel(), np.ones(u.size)])
        normal = surface.normal
        sun = self.light.sun_direction
        lit = self.town.heights.in_sun((surface.frame @ across).T + normal * 0.45, sun)
        height, width = picture.image.shape[:2]
        mask = (lit.reshape(rows, columns) * 255).astype(np.uint8)
        mask = np.asarray(cv2.resize(mask, (width, height)), np.uint8)
        facing = max(0.0, float(normal @ sun))
        return make_pyramid(
            self._finish(self._illuminate(picture.image, mask, facing, 0.8), picture)
        )

    def _illuminate(
        self, paint: NDArray[np.uint8], mask: NDArray[np.uint8], sun: float, openness: float
    ) -> NDArray[np.uint8]:
        shade = _apply(paint, response(self.light, 0.0, openness))
        if sun <= 0 or not mask.any():
            return shade
        sunny = _apply(paint, response(self.light, sun, openness))
        weight = mask.astype(np.float32) * np.float32(1 / 255)
        return np.asarray(cv2.blendLinear(sunny, shade, weight, 1 - weight), np.uint8)

    def _finish(self, rgb: NDArray[np.uint8], picture: Texture) -> NDArray[np.uint8]:
        """Add the picture's own light and its transparency."""
        if picture.glow is not None and self.light.glow > 0 and picture.glow.any():
            lamp = np.array(LAMP_RGB) * 255 * self.light.glow
            own = picture.glow[..., None] / 255.0 * lamp
            own *= 0.35 + 0.65 * picture.image[..., :3] / 255.0
            rgb = np.clip(rgb + own, 0, 255).astype(np.uint8)
        return np.dstack([rgb, picture.image[..., 3]]) if picture.image.shape[2] == 4 else rgb


def _apply(paint: NDArray[np.uint8], table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    opaque = np.ascontiguousarray(paint[..., :3])
    return np.asarray(cv2.LUT(opaque, table.reshape(1, 256, 3)), np.uint8)


def _paint_post(seed: int, kind: str) -> Texture:
    name, _, number = kind.partition(' ')
    if name == 'lamp':
        return Texture(*props.paint_lamp())
    if name == 'tree':
        return Texture(props.paint_tree(seed, int(number)))
    return Texture((props.paint_road_sign if name == 'sign' else props.paint_bin)(int(number)))


def park_cars(town: Town, drive: int, share: float) -> list[Vehicle]:
    """The cars along the kerbs: residents stay from drive to drive, visitors come and go."""
    cars = []
    for place in parking_places(town.grid):
        rng = stream(town.seed, 'resident', place.name)
        resident = rng.random() < RESIDENT_SHARE
        if not resident:
            rng = stream(town.seed, 'visitor', place.name, drive)
        if rng.random() < share:
            jitter = rng.normal(0, 0.12, 2)
            cars.append(
                draw_vehicle(
                    rng, place.position + jitter, place.yaw_rad + float(rng.normal(0, 0.02))
                )
            )
    return cars
