"""The sky as a panorama: a gradient, clouds, the sun's glare, and hills along the horizon."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.replay.sample_town.camera import PinholeCamera
from ghost_vpr_ros.replay.sample_town.light import Light, develop
from ghost_vpr_ros.replay.sample_town.painting import noise
from ghost_vpr_ros.replay.sample_town.seeding import stream

WIDTH_PX = 2048
HEIGHT_PX = 512
TOP_RAD = 1.3


def paint_sky(seed: int, drive: int, light: Light) -> NDArray[np.uint8]:
    """Panorama (512, 2048, 3) RGB: columns by azimuth from north, top row 1.3 rad up."""
    rng = stream(seed, 'sky', drive)
    height = np.linspace(1, 0, HEIGHT_PX)[:, None, None]
    zenith, horizon = np.array(light.zenith), np.array(light.horizon)
    sky = horizon + (zenith - horizon) * height**0.55 + np.zeros((1, WIDTH_PX, 1))
    sky += _glare(light)
    cover = _clouds(rng, light.clouds)[..., None]
    white = np.array(light.ambient) * 0.75 + np.array(light.sun) * 0.5 + horizon * 0.2
    sky = sky * (1 - cover) + white * (0.75 + 0.25 * height) * cover
    hills = _hills(stream(seed, 'hills'))
    far = np.array([0.05, 0.08, 0.06]) * np.array(light.ambient) + 0.55 * horizon
    sky[hills] = far
    return develop(sky, light.exposure)


def _glare(light: Light) -> NDArray[np.float64]:
    azimuth = np.linspace(0, 2 * np.pi, WIDTH_PX, endpoint=False)[None, :]
    elevation = np.linspace(TOP_RAD, 0, HEIGHT_PX)[:, None]
    east, north, up = light.sun_direction
    level = np.cos(elevation)
    cosine = level * (np.sin(azimuth) * east + np.cos(azimuth) * north) + np.sin(elevation) * up
    lobe = 0.35 * np.clip(cosine, 0, 1) ** 12 + 2.0 * np.clip(cosine, 0, 1) ** 400
    return lobe[..., None] * np.array(light.sun)


def _clouds(rng: np.random.Generator, share: float) -> NDArray[np.float64]:
    field = noise(rng, HEIGHT_PX, WIDTH_PX // 2, 130.0, octaves=6)
    # The panorama must close: the right half mirrors the left one.
    field = np.concatenate([field, field[:, ::-1]], 1).astype(np.float64)
    threshold = float(np.quantile(field, 1 - min(share, 0.98)))
    cover = np.clip((field - threshold) * 1.1 + 0.15 * share, 0, 1)
    return cv2.GaussianBlur(cover, (0, 0), 2.0) * (0.9 if share < 1 else 0.6)


def _hills(rng: np.random.Generator) -> NDArray[np.bool_]:
    line = noise(rng, 1, WIDTH_PX // 2, 220.0, octaves=5)[0]
    line = np.concatenate([line, line[::-1]])
    top_px = 14 + 7 * line
    rows = np.arange(HEIGHT_PX)[:, None]
    return rows > HEIGHT_PX - top_px[None, :]


class SkyView:
    """Samples a panorama for a camera; the directions of the pixels are worked out once."""

    def __init__(self, camera: PinholeCamera) -> None:
        x, y = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
        rays = [(x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy]
        self._rays = np.stack([*rays, np.ones_like(rays[0])], -1).astype(np.float32)

    def render(
        self, panorama: NDArray[np.uint8], map_R_optical: NDArray[np.float64], rows: int
    ) -> NDArray[np.uint8]:
        """The sky in the uppermost `rows` rows of the image: (rows, W, 3) uint8."""
        rays = self._rays[:rows] @ map_R_optical.T.astype(np.float32)
        azimuth = cv2.phase(rays[..., 1], rays[..., 0])
        level = cv2.magnitude(rays[..., 0], rays[..., 1])
        elevation = np.arctan(rays[..., 2] / level)
        columns = azimuth * np.float32(WIDTH_PX / (2 * np.pi))
        lines = (1 - elevation * np.float32(1 / TOP_RAD)) * np.float32(HEIGHT_PX - 1)
        lines = np.clip(lines, 0, HEIGHT_PX - 1)
        # Below the last row lies the horizon; to the sides the panorama closes.
        wrap = cv2.BORDER_WRAP
        image = cv2.remap(panorama, columns, lines, cv2.INTER_LINEAR, borderMode=wrap)
        return np.asarray(image, np.uint8)
