"""Draws textured planar polygons with perspective and a depth buffer; numpy and OpenCV only.

For a plane P(u, v) = O + u U + v V seen by a camera K, the matrix A = inv(K [U V O]) takes a pixel
(x, y, 1) to (u, v, 1) / depth. One 3x3 inverse gives texture coordinates and depth: the inverse
depth is linear in the pixel, so that the depth test needs no division.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.replay.sample_town.surfaces import polygon_area

NEAR_M = 0.15
SUBPIXEL_BITS = 4
Pyramid = tuple[NDArray[np.uint8], ...]
"""Texture levels, RGB or RGBA uint8 (H, W, 3 or 4), each half as large as the one before."""


@dataclass(frozen=True)
class Patch:
    """A planar polygon ready to draw.

    Attributes:
        polygon: (n, 2) float64 pixels of the convex polygon, clipped near the image.
        plane: (3, 3) float64, pixel (x, y, 1) to (u, v, 1) / depth; u right and v down, 0 to 1.
        uv_area: share of the texture that the polygon shows.
        texture: gives the levels; called only when a pixel of the patch is visible.
        blend: alpha is mixed (draw far to near) where true, cut out at one half where false.
    """

    polygon: NDArray[np.float64]
    plane: NDArray[np.float64]
    uv_area: float
    texture: Callable[[], Pyramid]
    blend: bool = False


class Canvas:
    """An image with its inverse depth.

    Attributes:
        rgb: (H, W, 3) uint8.
        inverse_depth: (H, W) float32 in 1/m; 0 is the sky.
    """

    def __init__(self, width_px: int, height_px: int) -> None:
        self.rgb: NDArray[np.uint8] = np.zeros((height_px, width_px, 3), np.uint8)
        self.inverse_depth: NDArray[np.float32] = np.zeros((height_px, width_px), np.float32)
        self._columns = np.arange(width_px, dtype=np.float32)
        self._rows = np.arange(height_px, dtype=np.float32)

    def draw(self, patch: Patch) -> None:
        """Draw the patch where it is nearer than what is drawn."""
        box = self._box(patch.polygon)
        if box is None:
            return
        left, top, right, bottom = box
        window = (slice(top, bottom), slice(left, right))
        inverse = self.plane_inverse_depth(patch.plane, box)
        visible = polygon_mask(patch.polygon, box)
        visible &= (inverse > self.inverse_depth[window]).view(np.uint8)
        if cv2.countNonZero(visible):
            self._paint(patch, box, inverse, visible)

    def plane_inverse_depth(
        self, plane: NDArray[np.float64], box: tuple[int, int, int, int]
    ) -> NDArray[np.float32]:
        """Inverse depth (h, w) of a plane inside a box (left, top, right, bottom)."""
        left, top, right, bottom = box
        a, b, c = (np.float32(value) for value in plane[2])
        return (a * self._columns[left:right])[None, :] + (b * self._rows[top:bottom] + c)[:, None]

    def _paint(
        self,
        patch: Patch,
        box: tuple[int, int, int, int],
        inverse: NDArray[np.float32],
        visible: NDArray[np.uint8],
    ) -> None:
        window = (slice(box[1], box[3]), slice(box[0], box[2]))
        texels = sample(patch, box)
        color = texels[..., :3]
        if texels.shape[2] == 4:
            alpha = np.ascontiguousarray(texels[..., 3])
            if patch.blend:
                alpha[visible == 0] = 0
                self.rgb[window] = mix(self.rgb[window], color, alpha)
            visible &= (alpha > 127).view(np.uint8)
        if not patch.blend:
            cv2.copyTo(np.ascontiguousarray(color), visible, self.rgb[window])
        cv2.copyTo(inverse, visible, self.inverse_depth[window])

    def _box(self, polygon: NDArray[np.float64]) -> tuple[int, int, int, int] | None:
        height, width = self.inverse_depth.shape
        left, top = np.floor(polygon.min(0)).clip(0, (width, height)).astype(int)
        right, bottom = (np.ceil(polygon.max(0)) + 1).clip(0, (width, height)).astype(int)
        return (left, top, right, bottom) if right > left and bottom > top else None


def polygon_mask(
    polygon: NDArray[np.float64], box: tuple[int, int, int, int]
) -> NDArray[np.uint8]:
    """1 inside the convex polygon, its border included, and 0 outside: uint8 (h, w) of the box."""
    left, top, right, bottom = box
    mask = np.zeros((bottom - top, right - left), np.uint8)
    fixed = np.rint((polygon - (left, top)) * (1 << SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillConvexPoly(mask, fixed, 1, cv2.LINE_8, SUBPIXEL_BITS)
    return mask


def sample(patch: Patch, box: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """The patch's texture as the camera sees it inside the box, from the fitting level."""
    left, top, right, bottom = box
    pyramid = patch.texture()
    texture = pyramid[_level(patch, pyramid)]
    height, width = texture.shape[:2]
    to_texel = np.array([[width, 0, -0.5], [0, height, -0.5], [0, 0, 1.0]])
    to_image = np.array([[1.0, 0, left], [0, 1, top], [0, 0, 1]])
    matrix = to_texel @ patch.plane @ to_image
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (right - left, bottom - top)
    edge = cv2.BORDER_REPLICATE
    warped = cv2.warpPerspective(texture, matrix, size, flags=flags, borderMode=edge)
    return np.asarray(warped, np.uint8)


def mix(
    below: NDArray[np.uint8], above: NDArray[np.uint8], alpha: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """`above` over `below`, (h, w, 3) uint8, by alpha (h, w) uint8."""
    weight = alpha.astype(np.float32) * np.float32(1 / 255)
    mixed = cv2.blendLinear(
        np.ascontiguousarray(above), np.ascontiguousarray(below), weight, 1 - weight
    )
    return np.asarray(mixed, np.uint8)


def make_pyramid(texture: NDArray[np.uint8], smallest_px: int = 4) -> Pyramid:
    """The texture and its halvings down to a few pixels, averaged over areas."""
    levels = [np.ascontiguousarray(texture)]
    while min(levels[-1].shape[:2]) >= 2 * smallest_px:
        height, width = levels[-1].shape[:2]
        size = (width // 2, height // 2)
        half = cv2.resize(levels[-1], size, interpolation=cv2.INTER_AREA)
        levels.append(np.asarray(half, np.uint8))
    return tuple(levels)


def _level(patch: Patch, pyramid: Pyramid) -> int:
    area = polygon_area(patch.polygon)
    height, width = pyramid[0].shape[:2]
    texels_per_pixel = patch.uv_area * height * width / max(area, 1e-3)
    # A bias of 0.3 levels keeps facades crisp; measured by eye against shimmer.
    level = round(0.5 * np.log2(max(texels_per_pixel, 1.0)) - 0.3)
    return min(max(level, 0), len(pyramid) - 1)
