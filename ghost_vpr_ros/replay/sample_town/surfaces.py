"""Textured planar surfaces in the map frame, of which everything visible is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Texture:
    """A painted picture in white light.

    Attributes:
        image: (H, W, 3) RGB or (H, W, 4) RGBA uint8.
        glow: (H, W) uint8, light that it emits, or None.
    """

    image: NDArray[np.uint8]
    glow: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Surface:
    """A convex planar polygon with a texture.

    Attributes:
        corners: (4, 3) metres, map frame; a triangle repeats its last corner.
        frame: (3, 3), columns U (texture's width), V (its height, downwards) and O (its upper
            left corner), metres; seen from outside, U points to the right.
        key: names the picture; surfaces with the same key share it.
        paint: makes the picture.
        shadowed: cast shadows fall on it in detail; else one sample in its middle counts.
    """

    corners: NDArray[np.float64]
    frame: NDArray[np.float64]
    key: str
    paint: Callable[[], Texture]
    shadowed: bool = False

    @property
    def normal(self) -> NDArray[np.float64]:
        """(3,) unit vector out of the visible side."""
        out = np.cross(self.frame[:, 1], self.frame[:, 0])
        return out / np.linalg.norm(out)


def panel(
    top_left: ArrayLike,
    right: ArrayLike,
    down: ArrayLike,
    key: str,
    paint: Callable[[], Texture],
    shadowed: bool = False,
) -> Surface:
    """A parallelogram that shows the whole picture."""
    o, u, v = (np.asarray(vector, float) for vector in (top_left, right, down))
    corners = np.array([o, o + u, o + u + v, o + v])
    return Surface(corners, np.stack([u, v, o], 1), key, paint, shadowed)


def polygon_area(points: NDArray[np.float64]) -> float:
    """Area of a polygon (n, 2), whatever its orientation."""
    x, y = points[:, 0] - points[0, 0], points[:, 1] - points[0, 1]
    return abs(float(x[:-1] @ y[1:] - y[:-1] @ x[1:])) / 2
