"""Cast shadows: rays from a point to the sun, marched over a map of heights."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

CELL_M = 0.4
REACH_M = 60.0
SLOPE_FLOOR = 0.15


@dataclass(frozen=True)
class HeightMap:
    """Heights of houses and trees over the ground.

    Attributes:
        heights_m: (rows, columns) float32; row 0 is the southern edge.
        origin: (2,) metres, the south-western corner.
    """

    heights_m: NDArray[np.float32]
    origin: NDArray[np.float64]

    @classmethod
    def empty(cls, low: NDArray[np.float64], high: NDArray[np.float64]) -> HeightMap:
        """Bare ground between two corners."""
        columns, rows = np.ceil((high - low) / CELL_M).astype(int)
        return cls(np.zeros((rows, columns), np.float32), np.asarray(low, float))

    def raise_polygon(self, corners: NDArray[np.float64], height_m: float) -> None:
        """Set the height inside a convex polygon (n, 2)."""
        pixels = np.rint((corners - self.origin) / CELL_M * 16).astype(np.int32)
        cv2.fillConvexPoly(self.heights_m, pixels, float(height_m), cv2.LINE_8, 4)

    def raise_disc(self, centre: NDArray[np.float64], radius_m: float, height_m: float) -> None:
        """Set the height inside a circle."""
        x, y = np.rint((centre - self.origin) / CELL_M).astype(int)
        cv2.circle(self.heights_m, (int(x), int(y)), round(radius_m / CELL_M), height_m, -1)

    def in_sun(self, points: NDArray[np.float64], sun: NDArray[np.float64]) -> NDArray[np.float32]:
        """1 where nothing is between a point (N, 3) and the sun, else 0: float32 (N,)."""
        level = float(np.hypot(sun[0], sun[1]))
        if sun[2] < SLOPE_FLOOR * level:
            return np.zeros(len(points), np.float32)
        climb = sun[2] / level
        step = CELL_M * 1.2
        cells = ((points[:, :2] - self.origin) / CELL_M).astype(np.float32)
        heading = (sun[:2] / level * step / CELL_M).astype(np.float32)
        free = np.ones(len(points), bool)
        tallest = float(self.heights_m.max())
        for k in range(1, int(min(REACH_M, tallest / climb) / step) + 1):
            ground = self._lookup(cells + heading * k)
            free &= ground <= points[:, 2] + climb * step * k
        return free.astype(np.float32)

    def _lookup(self, cells: NDArray[np.float32]) -> NDArray[np.float32]:
        rows, columns = self.heights_m.shape
        index = cells.astype(np.int32)
        x = np.minimum(np.maximum(index[:, 0], 0), columns - 1)
        y = np.minimum(np.maximum(index[:, 1], 0), rows - 1)
        return self.heights_m[y, x]

    def ground_in_sun(self, sun: NDArray[np.float64]) -> NDArray[np.uint8]:
        """255 where the sun reaches the ground, by cell; row 0 is the southern edge."""
        rows, columns = self.heights_m.shape
        x, y = np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5)
        flat = np.stack([x.ravel(), y.ravel()], -1) * CELL_M + self.origin
        points = np.concatenate([flat, np.zeros((len(flat), 1))], 1)
        lit = self.in_sun(points, sun).reshape(rows, columns)
        return np.asarray(cv2.GaussianBlur((lit * 255).astype(np.uint8), (3, 3), 0), np.uint8)
