"""Houses as surfaces: walls, roofs, chimneys, and the awning and hanging sign of a shop."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.replay.sample_town.blocks import HOUSE_DEPTH_M, Lot
from ghost_vpr_ros.replay.sample_town.facades import paint_blank_wall, paint_facade
from ghost_vpr_ros.replay.sample_town.roofs import paint_awning, paint_hanging_sign, paint_roof
from ghost_vpr_ros.replay.sample_town.seeding import stream
from ghost_vpr_ros.replay.sample_town.styles import HouseStyle
from ghost_vpr_ros.replay.sample_town.surfaces import Surface, Texture, panel

PROFILES = {
    'flat': (),
    'pitched': ((0.0, 0.0), (0.5, 2.9), (1.0, 0.0)),
    'mansard': ((0.0, 0.0), (0.1, 2.4), (0.9, 2.4), (1.0, 0.0)),
}
"""Roof outlines across the house: share of its depth, metres over the walls."""


@dataclass(frozen=True)
class House:
    """One house of the town: its ground and its looks."""

    seed: int
    number: int
    lot: Lot
    style: HouseStyle

    def wall(self, k: int) -> Surface:
        """The wall from corner k to corner k + 1."""
        a, b = self.lot.corners[k], self.lot.corners[(k + 1) % 4]
        height, width = self.style.height_m, picture_m(b - a)
        if k in self.lot.street_walls:
            paint = partial(_facade, self.seed, self.style, width, k != 0)
        else:
            paint = partial(_blank, self.seed, self.style, width)
        key = f'wall {self.style.seed_name} {width} {k in self.lot.street_walls} {k != 0}'
        street = k in self.lot.street_walls
        return panel((*a, height), (*(b - a), 0), (0, 0, -height), key, paint, shadowed=street)

    def surfaces(self) -> list[Surface]:
        """All surfaces of the house."""
        parts = [self.wall(k) for k in range(4)]
        parts += _roof(self)
        if self.style.ground == 'shop':
            parts += _shop_front(self)
        return parts


def picture_m(vector: NDArray[np.float64]) -> float:
    """Length in whole millimetres: equal houses share a picture in spite of rounding errors."""
    return round(float(np.linalg.norm(vector)), 3)


def _facade(seed: int, style: HouseStyle, width: float, side: bool) -> Texture:
    paper = paint_facade(seed, style, width, side)
    return Texture(paper.rgb, paper.glow)


def _blank(seed: int, style: HouseStyle, width: float) -> Texture:
    return Texture(paint_blank_wall(seed, style, width).rgb)


def _axes(house: House) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The facade's left end, the way along it, and the way into the house, as (3,) vectors."""
    a, b = (np.array([*corner, house.style.height_m]) for corner in house.lot.corners[:2])
    along = b - a
    inward = np.array([-along[1], along[0], 0]) / np.linalg.norm(along) * HOUSE_DEPTH_M
    return a, along, inward


def _roof(house: House) -> list[Surface]:
    profile = PROFILES[house.style.roof]
    if not profile:
        return []
    a, along, inward = _axes(house)
    up = np.array([0, 0, 1.0])
    ridge = [a + share * inward + height * up for share, height in profile]
    key = f'{house.style.seed_name} {picture_m(along)}'
    slopes = []
    for k, (low, high) in enumerate(itertools.pairwise(ridge)):
        size = (picture_m(along), picture_m(high - low))
        dormers = house.style.roof == 'mansard' and k == 0
        paint = partial(paint_roof, house.style, size, dormers)
        name = f'roof {key} {k}'
        if high[2] >= low[2]:
            slopes.append(panel(high, along, low - high, name, paint))
        else:
            slopes.append(panel(low + along, -along, high - low, name, paint))
    return (
        slopes + [_gable(house, ridge, along, k) for k in (0, 1)] + _chimney(house, ridge, along)
    )


def _gable(
    house: House, ridge: list[NDArray[np.float64]], along: NDArray[np.float64], end: int
) -> Surface:
    """The upright end of a roof; `end` 0 is the facade's left."""
    points = [point + along * end for point in ridge]
    if end == 0:
        points = points[::-1]
    corners = np.array(points + [points[-1]] * (4 - len(points)))
    width, top = points[-1] - points[0], max(point[2] for point in points)
    height = np.array([0, 0, top - points[0][2]])
    frame = np.stack([width, -height, points[0] + height], 1)
    width_m = picture_m(width)
    paint = partial(_blank, house.seed, house.style, width_m)
    return Surface(corners, frame, f'gable {house.style.seed_name} {width_m}', paint)


def _chimney(
    house: House, ridge: list[NDArray[np.float64]], along: NDArray[np.float64]
) -> list[Surface]:
    rng = stream(house.seed, 'chimney', house.number)
    middle = ridge[1] + along * float(rng.uniform(0.1, 0.9))
    e = along / np.linalg.norm(along) * 0.45
    n = np.array([-e[1], e[0], 0]) * 0.8
    low, high = np.array([0, 0, 0.8]), np.array([0, 0, float(rng.uniform(0.9, 1.6))])
    ring = [middle - e - n, middle + e - n, middle + e + n, middle - e + n]
    paint = partial(_blank, house.seed, house.style, 1.0)
    sides = zip(ring, ring[1:] + ring[:1], strict=True)
    return [
        panel(p + high, q - p, -low - high, f'chimney {house.style.seed_name}', paint)
        for p, q in sides
    ]


def _shop_front(house: House) -> list[Surface]:
    rng = stream(house.seed, 'shop front', house.style.seed_name)
    a, along, inward = _axes(house)
    width = picture_m(along)
    e, out = along / width, -inward / HOUSE_DEPTH_M
    parts: list[Surface] = []
    if rng.random() < 0.5:
        left = np.array([*a[:2], 2.72]) + e * 0.4
        down = out * 1.15 + np.array([0, 0, -0.5])
        paint = partial(paint_awning, house.style.accent_rgb, width - 0.8)
        key = f'awning {house.style.seed_name} {width}'
        parts.append(panel(left, e * (width - 0.8), down, key, paint))
    if rng.random() < 0.6:
        base = np.array([*a[:2], 4.5]) + e * float(rng.uniform(0.6, width - 0.6))
        key, board = f'blade {house.style.seed_name}', partial(paint_hanging_sign, house.style)
        # Thin, and readable from both sides.
        o, u, v = base + out * 0.15, out * 0.9, np.array([0, 0, -0.75])
        parts += [panel(o, u, v, key, board), panel(o + u, -u, v, key, board)]
    return parts
