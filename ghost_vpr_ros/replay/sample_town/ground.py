"""Paints the ground as seen from above: asphalt, kerbs, pavements, markings, a park."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.replay.sample_town.markings import paint_markings
from ghost_vpr_ros.replay.sample_town.painting import add_noise, noise
from ghost_vpr_ros.replay.sample_town.seeding import stream
from ghost_vpr_ros.replay.sample_town.streets import StreetGrid

LARGEST_PX = 4096
FINEST_PX_PER_M = 16.0
KERB_RADIUS_M = 4.0
KERB_M = 0.22


@dataclass(frozen=True)
class GroundMap:
    """The ground from above.

    Attributes:
        rgb: (rows, columns, 3) uint8 in white light; row 0 is the southern edge.
        origin: (2,) metres, the south-western corner.
        px_per_m: resolution.
    """

    rgb: NDArray[np.uint8]
    origin: NDArray[np.float64]
    px_per_m: float

    def pixels(self, points: NDArray[np.float64]) -> NDArray[np.int32]:
        """Whole pixels, times 16 for OpenCV's fixed point, of points (n, 2) in metres."""
        return np.rint((points - self.origin) * self.px_per_m * 16).astype(np.int32)

    def fill(self, corners: NDArray[np.float64], rgb: tuple[int, int, int]) -> None:
        """Fill a convex polygon (n, 2) in metres."""
        cv2.fillConvexPoly(self.rgb, self.pixels(corners), rgb, cv2.LINE_AA, 4)


def paint_ground(
    seed: int,
    grid: StreetGrid,
    parks: list[NDArray[np.float64]],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> GroundMap:
    """The whole town's ground between two corners in metres."""
    rng = stream(seed, 'ground')
    scale = min(FINEST_PX_PER_M, LARGEST_PX / float((high - low).max()))
    columns, rows = np.ceil((high - low) * scale).astype(int)
    ground = GroundMap(_paint_paving(rng, rows, columns, scale), low, scale)
    for outline in parks:
        ground.fill(outline, (96, 122, 62))
    road = _road_mask(grid, ground)
    _paint_kerb(ground, road)
    asphalt = _paint_asphalt(rng, rows, columns, scale)
    cv2.copyTo(asphalt, road, ground.rgb)
    paint_markings(rng, grid, ground.fill)
    add_noise(ground.rgb, noise(rng, rows, columns, 14 * scale, octaves=2), 3.0)
    return ground


def _paint_paving(
    rng: np.random.Generator, rows: int, columns: int, scale: float
) -> NDArray[np.uint8]:
    slab_px = 0.7 * scale
    tone = rng.normal(0, 5, (int(rows / slab_px) + 2, int(columns / slab_px) + 2))
    y = (np.arange(rows) / slab_px).astype(int)
    x = (np.arange(columns) / slab_px).astype(int)
    grey = tone[y[:, None], x[None, :]].astype(np.float32)
    joint = (np.arange(rows) % slab_px < 1)[:, None] | (np.arange(columns) % slab_px < 1)[None, :]
    grey[joint] -= 26
    base = np.array([160, 155, 147], np.float32)
    return np.clip(base + grey[..., None], 0, 255).astype(np.uint8)


def _paint_asphalt(
    rng: np.random.Generator, rows: int, columns: int, scale: float
) -> NDArray[np.uint8]:
    asphalt = np.full((rows, columns, 3), (92, 92, 95), np.uint8)
    fine = rng.integers(-7, 8, (rows, columns)).astype(np.float32)
    add_noise(asphalt, noise(rng, rows, columns, 6 * scale) * 4 + fine, 1.0)
    for _ in range(int(rows * columns / scale**2 / 220)):
        # Patches where the road was opened and closed again.
        x, y = rng.integers(0, columns), rng.integers(0, rows)
        w, h = (rng.uniform(0.6, 3.0, 2) * scale).astype(int)
        patch = asphalt[y : y + h, x : x + w]
        patch[:] = cv2.convertScaleAbs(patch, alpha=float(rng.uniform(0.72, 0.94)))
    return asphalt


def _road_mask(grid: StreetGrid, ground: GroundMap) -> NDArray[np.uint8]:
    """255 on the road; the corners at crossings are rounded."""
    rows, columns = ground.rgb.shape[:2]
    coarse = ground.px_per_m / 4
    mask = np.zeros((rows // 4, columns // 4), np.uint8)
    for street in grid.streets.values():
        half = street.half_road_m
        ends = [(-half * 0.9, -half), (street.length_m + half * 0.9, -half)]
        ends += [(street.length_m + half * 0.9, half), (-half * 0.9, half)]
        corners = np.array([street.point(along, left) for along, left in ends])
        pixels = np.rint((corners - ground.origin) * coarse * 16).astype(np.int32)
        cv2.fillConvexPoly(mask, pixels, 255, cv2.LINE_AA, 4)
    diameter = 2 * round(KERB_RADIUS_M * coarse) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter, diameter))
    closed = cv2.GaussianBlur(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, kernel), (3, 3), 0)
    fine = cv2.resize(closed, (columns, rows), interpolation=cv2.INTER_CUBIC)
    smooth = cv2.GaussianBlur(fine, (9, 9), 0)
    return np.asarray(cv2.threshold(smooth, 127, 255, cv2.THRESH_BINARY)[1], np.uint8)


def _paint_kerb(ground: GroundMap, road: NDArray[np.uint8]) -> None:
    width = 2 * round(KERB_M * ground.px_per_m) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    stone = cv2.dilate(road, disc)
    face = cv2.dilate(road, np.ones((3, 3), np.uint8))
    ground.rgb[stone > 0] = (196, 192, 184)
    ground.rgb[face > 0] = (70, 68, 66)
