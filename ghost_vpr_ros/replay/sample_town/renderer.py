"""Renders the camera's view: sky, ground, surfaces near to far, posts far to near, haze, lens."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.replay.sample_town.camera import PinholeCamera
from ghost_vpr_ros.replay.sample_town.light import develop_color
from ghost_vpr_ros.replay.sample_town.rasterizer import Canvas
from ghost_vpr_ros.replay.sample_town.scene import Scene
from ghost_vpr_ros.replay.sample_town.sky import SkyView
from ghost_vpr_ros.replay.sample_town.terrain import draw_ground, draw_shadow
from ghost_vpr_ros.replay.sample_town.vehicles import Vehicle
from ghost_vpr_ros.replay.sample_town.visibility import SurfaceSet, View, posts_in_view


class Renderer:
    """Renders one scene with one camera; holds what stays the same from frame to frame."""

    def __init__(self, scene: Scene, camera: PinholeCamera) -> None:
        self.scene, self.camera = scene, camera
        self._standing = SurfaceSet(scene.surfaces)
        self._standing_sun = scene.sunshine(self._standing.middles, self._standing.normals)
        self._sky = SkyView(camera)
        self._vignette = _vignette(camera)

    def render(
        self,
        map_T_base: NDArray[np.float64],
        moving: Iterable[Vehicle] = (),
        noise: np.random.Generator | None = None,
    ) -> NDArray[np.uint8]:
        """RGB (H, W, 3) from a pose (4, 4), with vehicles that pass by, and sensor noise."""
        return self._expose(self.draw(map_T_base, moving).rgb, noise)

    def draw(self, map_T_base: NDArray[np.float64], moving: Iterable[Vehicle] = ()) -> Canvas:
        """The picture before the camera's lens and noise, with its depth."""
        view = View(self.camera, map_T_base)
        canvas = Canvas(self.camera.width, self.camera.height)
        vehicles = list(moving)
        self._draw_sky(canvas, view)
        draw_ground(canvas, view, self.scene.ground, self.scene.town.ground)
        for vehicle in self.scene.parked + vehicles:
            draw_shadow(canvas, view, vehicle.footprint(0.18))
        self._draw_surfaces(canvas, view, vehicles)
        self._draw_posts(canvas, view)
        smooth_edges(canvas)
        self._add_haze(canvas)
        return canvas

    def _draw_sky(self, canvas: Canvas, view: View) -> None:
        rows = min(self.camera.height, view.lowest_sky_row + 2)
        if rows > 0:
            rotation = view.map_T_optical[:3, :3]
            canvas.rgb[:rows] = self._sky.render(self.scene.panorama, rotation, rows)

    def _draw_surfaces(self, canvas: Canvas, view: View, vehicles: list[Vehicle]) -> None:
        passing = SurfaceSet([part for vehicle in vehicles for part in vehicle.surfaces()])
        moving_sun = self.scene.sunshine(passing.middles, passing.normals)
        pairs = ((self._standing, self._standing_sun), (passing, moving_sun))
        sights = [(sight, *pair) for pair in pairs for sight in pair[0].visible(view)]
        # Near surfaces first: what they hide is then never sampled.
        for sight, group, sun in sorted(sights, key=lambda item: item[0].distance_m):
            surface = group.surfaces[sight.index]
            lit = partial(self.scene.lit, surface, float(sun[sight.index]))
            canvas.draw(sight.make_patch(lit))

    def _draw_posts(self, canvas: Canvas, view: View) -> None:
        for post, patch in posts_in_view(self.scene.town.posts, view):
            canvas.draw(patch(partial(self.scene.post, post.kind)))

    def _add_haze(self, canvas: Canvas) -> None:
        light = self.scene.light
        depth = 1 / np.maximum(canvas.inverse_depth, np.float32(1 / 400))
        clear = cv2.exp(depth * np.float32(-light.haze_per_m))
        clear[canvas.inverse_depth == 0] = 1
        veil = np.empty_like(canvas.rgb)
        veil[:] = develop_color(light.horizon, light.exposure)
        canvas.rgb = np.asarray(cv2.blendLinear(canvas.rgb, veil, clear, 1 - clear), np.uint8)

    def _expose(
        self, rgb: NDArray[np.uint8], noise: np.random.Generator | None
    ) -> NDArray[np.uint8]:
        image = np.asarray(cv2.multiply(rgb, self._vignette, dtype=cv2.CV_8U), np.uint8)
        if noise is None:
            return image
        # One noise field, rolled at random, costs a tenth of a new one.
        grain = noise.integers(-4, 5, (64, 64, 3), dtype=np.int16)
        tiles = (-(-image.shape[0] // 64), -(-image.shape[1] // 64), 1)
        grain = np.tile(grain, tiles)[: image.shape[0], : image.shape[1]]
        return np.asarray(cv2.add(image, grain, dtype=cv2.CV_8U), np.uint8)


def smooth_edges(canvas: Canvas) -> None:
    """Soften the stairs along outlines: where depth jumps, a 3 x 3 mean replaces the pixel."""
    near = cv2.dilate(canvas.inverse_depth, np.ones((3, 3), np.uint8))
    far = cv2.erode(canvas.inverse_depth, np.ones((3, 3), np.uint8))
    edge = (near - far > 0.12 * near).astype(np.uint8)
    cv2.copyTo(cv2.GaussianBlur(canvas.rgb, (3, 3), 0), edge, canvas.rgb)


def _vignette(camera: PinholeCamera) -> NDArray[np.float32]:
    x = (np.arange(camera.width) - camera.cx) / camera.fx
    y = (np.arange(camera.height) - camera.cy) / camera.fy
    radius = x[None, :] ** 2 + y[:, None] ** 2
    return np.repeat((1 / (1 + radius) ** 0.3)[..., None], 3, 2).astype(np.float32)
