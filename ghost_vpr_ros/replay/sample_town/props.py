"""Paints objects on the pavement: trees, lamps, signs, bins; all with transparency."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.replay.sample_town.seeding import stream

TREE_KINDS = 10
TREE_PX = (400, 300)
CROWNS = ((62, 92, 40), (78, 104, 44), (52, 82, 48), (104, 112, 46), (88, 96, 58))
Rgba = NDArray[np.uint8]


def paint_tree(seed: int, kind: int) -> Rgba:
    """A tree (400, 300, 4): trunk, branches, and a crown of leaves lit from above."""
    rng = stream(seed, 'tree', kind)
    height, width = TREE_PX
    image = np.zeros((height, width, 4), np.uint8)
    image[..., :3] = 70
    _paint_trunk(image, rng)
    color = np.array(CROWNS[kind % len(CROWNS)], float)
    for x, y, size in _crown(rng):
        _paint_leaf(image, rng, color, (x, y), size)
    return image


def _paint_trunk(image: Rgba, rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    middle, fork = width // 2, int(height * 0.56)
    bark = (74, 60, 48, 255)
    trunk = np.array(
        [(middle - 9, height), (middle - 5, fork), (middle + 5, fork), (middle + 9, height)]
    )
    cv2.fillConvexPoly(image, trunk.astype(np.int32), bark, cv2.LINE_AA)
    shadow = trunk + np.array([(9, 0), (6, 0), (0, 0), (0, 0)])
    cv2.fillConvexPoly(image, shadow.astype(np.int32), (52, 42, 36, 255), cv2.LINE_AA)
    for _ in range(7):
        tip = (int(rng.integers(70, width - 70)), int(rng.integers(70, 180)))
        cv2.line(image, (middle, fork + int(rng.integers(-20, 30))), tip, bark, 4, cv2.LINE_AA)


def _crown(rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Leaves (x, y, size), the deepest first, in a handful of clumps."""
    height, width = TREE_PX
    clumps = rng.uniform((0.3, 0.17), (0.7, 0.5), (11, 2)) * (width, height)
    leaves = []
    for k in range(2600):
        centre = clumps[int(rng.integers(len(clumps)))]
        radius, angle = 58 * np.sqrt(rng.random()) + 10 * rng.random(), rng.uniform(0, 2 * np.pi)
        x, y = centre + radius * np.array([np.cos(angle), 0.85 * np.sin(angle)])
        leaves.append((float(x), float(y), 7.0 - 4.0 * k / 2600))
    return leaves


def _paint_leaf(
    image: Rgba,
    rng: np.random.Generator,
    color: NDArray[np.float64],
    at: tuple[float, float],
    size: float,
) -> None:
    height = image.shape[0]
    # Light comes from above and the left; early leaves lie deep inside, in the dark.
    light = 1.18 - 0.95 * at[1] / height + 0.15 * (0.5 - at[0] / image.shape[1])
    depth = 0.5 + 0.5 * (7.0 - size) / 4.0
    rgb = np.clip(color * light * depth * rng.uniform(0.75, 1.4), 0, 255)
    axes = (max(2, int(size)), max(2, int(size * 0.6)))
    paint = (float(rgb[0]), float(rgb[1]), float(rgb[2]), 255.0)
    centre, turn = (int(at[0]), int(at[1])), float(rng.uniform(0, 180))
    cv2.ellipse(image, centre, axes, turn, 0, 360, paint, -1, cv2.LINE_AA)


def paint_lamp() -> tuple[Rgba, NDArray[np.uint8]]:
    """A street lamp (520, 80, 4), 5.2 m by 0.8 m, and its glow (520, 80)."""
    image = np.zeros((520, 80, 4), np.uint8)
    image[..., :3] = (40, 44, 46)
    iron = (40, 46, 46, 255)
    cv2.rectangle(image, (36, 80), (43, 519), iron, -1)
    cv2.rectangle(image, (31, 440), (48, 519), iron, -1)
    lantern = np.array([(20, 30), (60, 30), (50, 80), (30, 80)], np.int32)
    cv2.fillConvexPoly(image, lantern, (226, 222, 206, 255))
    cv2.polylines(image, [lantern], True, iron, 4)
    cv2.fillConvexPoly(image, np.array([(14, 30), (40, 6), (66, 30)], np.int32), iron)
    glow = np.zeros((520, 80), np.uint8)
    cv2.fillConvexPoly(glow, lantern, 255)
    return image, glow


def paint_road_sign(kind: int) -> Rgba:
    """A traffic sign on its pole (260, 70, 4), 2.6 m by 0.7 m."""
    image = np.zeros((260, 70, 4), np.uint8)
    image[..., :3] = 120
    cv2.rectangle(image, (32, 40), (37, 259), (140, 142, 144, 255), -1)
    if kind == 0:
        cv2.circle(image, (35, 35), 32, (190, 30, 34, 255), -1, cv2.LINE_AA)
        cv2.rectangle(image, (14, 29), (56, 41), (240, 240, 240, 255), -1)
    elif kind == 1:
        cv2.circle(image, (35, 35), 32, (190, 30, 34, 255), -1, cv2.LINE_AA)
        cv2.circle(image, (35, 35), 24, (240, 240, 240, 255), -1, cv2.LINE_AA)
        cv2.putText(image, '30', (16, 44), cv2.FONT_HERSHEY_DUPLEX, 0.9, (20, 20, 20, 255), 2)
    elif kind == 2:
        cv2.rectangle(image, (4, 4), (66, 66), (24, 70, 160, 255), -1)
        cv2.putText(image, 'P', (18, 56), cv2.FONT_HERSHEY_DUPLEX, 1.8, (240, 240, 240, 255), 3)
    else:
        edge = np.array([(2, 6), (68, 6), (35, 64)], np.int32)
        cv2.fillConvexPoly(image, edge, (190, 30, 34, 255), cv2.LINE_AA)
        inner = np.array([(16, 14), (54, 14), (35, 48)], np.int32)
        cv2.fillConvexPoly(image, inner, (240, 240, 240, 255), cv2.LINE_AA)
    return image


def paint_bin(kind: int) -> Rgba:
    """A litter bin, a letter box or a planter (110, 80, 4), 1.1 m by 0.8 m."""
    image = np.zeros((110, 80, 4), np.uint8)
    colors = ((60, 84, 64), (186, 36, 34), (134, 112, 88))
    rgb = colors[kind % 3]
    image[..., :3] = rgb
    cv2.rectangle(image, (16, 30), (63, 109), (*rgb, 255), -1)
    cv2.rectangle(image, (52, 30), (63, 109), tuple(int(v * 0.7) for v in rgb) + (255,), -1)
    cv2.rectangle(image, (12, 24), (67, 34), tuple(int(v * 0.6) for v in rgb) + (255,), -1)
    if kind % 3 == 2:
        rng = stream(7, 'planter')
        for x, y in rng.integers((8, 2), (72, 34), (90, 2)):
            green = (int(rng.integers(50, 90)), int(rng.integers(90, 140)), 50, 255)
            cv2.circle(image, (int(x), int(y)), 4, green, -1)
    return image
