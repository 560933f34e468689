"""Draws the ground plane with a level of detail for each row, and shadows under vehicles."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.replay.sample_town.ground import GroundMap
from ghost_vpr_ros.replay.sample_town.rasterizer import Canvas, Pyramid, polygon_mask
from ghost_vpr_ros.replay.sample_town.visibility import View

GRAIN_PX = 256
GRAIN_PX_PER_M = 90.0
GRAIN_REACH_M = 14.0
FARTHEST_M = 400.0


def draw_ground(canvas: Canvas, view: View, pyramid: Pyramid, ground: GroundMap) -> None:
    """Paint the plane z = 0 below the horizon, colour and inverse depth."""
    height, width = canvas.inverse_depth.shape
    frame = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 0]])
    plane = view.plane(frame)
    inverse = canvas.plane_inverse_depth(plane, (0, 0, width, height))
    below = (inverse > 1 / FARTHEST_M).view(np.uint8)
    rows = np.flatnonzero(below.any(1))
    if not len(rows):
        return
    top = int(rows[0])
    image = _sample_rows(view, plane, pyramid, ground, top, (width, height))
    _add_grain(image, plane, inverse[top:], top)
    cv2.copyTo(image, below[top:], canvas.rgb[top:])
    cv2.copyTo(inverse[top:], below[top:], canvas.inverse_depth[top:])


def _sample_rows(
    view: View,
    plane: NDArray[np.float64],
    pyramid: Pyramid,
    ground: GroundMap,
    top: int,
    size: tuple[int, int],
) -> NDArray[np.uint8]:
    """The ground below row `top`, mixed between the two levels that fit each row."""
    width, height = size
    levels = _row_levels(view, ground, top, height, len(pyramid))
    image = np.zeros((height - top, width, 3), np.uint8)
    for level in range(len(pyramid)):
        # Whole where this is the finer level of the two, mixed in where it is the coarser one.
        weight = np.where(levels >= level, levels < level + 1, np.clip(levels - level + 1, 0, 1))
        used = np.flatnonzero(weight)
        if not len(used):
            continue
        first, last = int(used[0]), int(used[-1]) + 1
        part = _sample_level(
            plane, pyramid[level], ground, level, (top + first, top + last), width
        )
        gain = np.repeat(weight[first:last, None].astype(np.float32), width, 1)
        image[first:last] = cv2.blendLinear(part, image[first:last], gain, 1 - gain)
    return image


def _row_levels(
    view: View, ground: GroundMap, top: int, height: int, count: int
) -> NDArray[np.float64]:
    """Fractional texture level of each row, from the mean of the footprint's two lengths."""
    camera = view.camera
    below_m = float(view.eye[2])
    inverse = np.linalg.inv(view.matrix)[2]
    rows = np.arange(top, height)
    slope = -(inverse[0] * camera.cx + inverse[1] * rows + inverse[2])
    depth = below_m / np.maximum(slope, 1e-4)
    along, across = depth**2 / (camera.fy * below_m), depth / camera.fx
    # Leaning towards the short side keeps markings visible; the long side would blur them away.
    texels = ground.px_per_m * along**0.4 * across**0.6
    return np.clip(np.log2(np.maximum(texels, 1.0)), 0, count - 1)


def _sample_level(
    plane: NDArray[np.float64],
    texture: NDArray[np.uint8],
    ground: GroundMap,
    level: int,
    rows: tuple[int, int],
    width: int,
) -> NDArray[np.uint8]:
    scale = ground.px_per_m / 2**level
    to_texel = np.array(
        [[scale, 0, -ground.origin[0] * scale - 0.5], [0, scale, -ground.origin[1] * scale - 0.5],
         [0, 0, 1]]
    )  # fmt: skip
    matrix = to_texel @ plane @ np.array([[1.0, 0, 0], [0, 1, rows[0]], [0, 0, 1]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (width, rows[1] - rows[0])
    edge = cv2.BORDER_REPLICATE
    warped = cv2.warpPerspective(texture, matrix, size, flags=flags, borderMode=edge)
    return np.asarray(warped, np.uint8)


def _make_grain() -> NDArray[np.int16]:
    rng = np.random.default_rng(11)
    coarse = cv2.resize(rng.normal(0, 6, (64, 64)), (GRAIN_PX, GRAIN_PX))
    return (rng.normal(0, 11, (GRAIN_PX, GRAIN_PX)) + coarse).astype(np.int16)


_GRAIN = _make_grain()


def _add_grain(
    image: NDArray[np.uint8], plane: NDArray[np.float64], inverse: NDArray[np.float32], top: int
) -> None:
    """Stones in the asphalt, near the camera only; they fade with the distance."""
    width = image.shape[1]
    near = np.flatnonzero(inverse[:, width // 2] > 1 / GRAIN_REACH_M)
    if not len(near):
        return
    first = int(near[0])
    scale = np.diag([GRAIN_PX_PER_M, GRAIN_PX_PER_M, 1.0])
    matrix = scale @ plane @ np.array([[1.0, 0, 0], [0, 1, top + first], [0, 0, 1]])
    size = (width, image.shape[0] - first)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    grain = cv2.warpPerspective(_GRAIN, matrix, size, flags=flags, borderMode=cv2.BORDER_WRAP)
    strength = np.clip(inverse[first:] * GRAIN_REACH_M - 1, 0, 1.2) * np.float32(0.7)
    shift = (grain * strength).astype(np.int16)
    image[first:] = cv2.add(image[first:], cv2.merge([shift] * 3), dtype=cv2.CV_8U)


def draw_shadow(canvas: Canvas, view: View, corners: NDArray[np.float64]) -> None:
    """Darken the ground under a vehicle, with a soft border: corners (4, 3)."""
    outline = view.outline(corners)
    if outline is None:
        return
    height, width = canvas.inverse_depth.shape
    low = np.floor(outline.min(0)).clip(0, (width, height)).astype(int)
    high = (np.ceil(outline.max(0)) + 1).clip(0, (width, height)).astype(int)
    if (high - low).min() < 2:
        return
    box = (int(low[0]), int(low[1]), int(high[0]), int(high[1]))
    mask = polygon_mask(outline, box).astype(np.float32)
    soft = max(1, int((high - low).min() * 0.12)) * 2 + 1
    gain = 1 - 0.68 * cv2.blur(mask, (soft, soft), borderType=cv2.BORDER_REPLICATE)
    window = canvas.rgb[box[1] : box[3], box[0] : box[2]]
    window[:] = cv2.multiply(window, cv2.merge([gain] * 3), dtype=cv2.CV_8U)
