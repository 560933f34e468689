"""Where trees, lamps, signs and bins stand, and where cars park."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.replay.sample_town.markings import bay_edges
from ghost_vpr_ros.replay.sample_town.props import TREE_KINDS
from ghost_vpr_ros.replay.sample_town.seeding import stream
from ghost_vpr_ros.replay.sample_town.streets import LANE_M, PARKING_M, Street, StreetGrid

CORNER_M = 11.0


@dataclass(frozen=True)
class Post:
    """An upright object that looks the same from all sides.

    Attributes:
        kind: key of its picture.
        position: (2,) metres.
        width_m: of the picture.
        height_m: of the picture.
    """

    kind: str
    position: NDArray[np.float64]
    width_m: float
    height_m: float


@dataclass(frozen=True)
class ParkingPlace:
    """A place along a kerb, and the direction of a car in it."""

    name: str
    position: NDArray[np.float64]
    yaw_rad: float


def street_posts(seed: int, grid: StreetGrid) -> list[Post]:
    """Trees, lamps, signs and bins of all streets."""
    posts: list[Post] = []
    for street in grid.streets.values():
        rng = stream(seed, 'furniture', street.ends)
        for side in (-1, 1):
            if street.trees:
                posts += _trees(rng, street, side)
            posts += _lamps(street, side)
            posts += _small_things(rng, street, side)
    return posts


def park_trees(seed: int, index: int, outline: NDArray[np.float64]) -> list[Post]:
    """Trees scattered over a park."""
    rng = stream(seed, 'park', index)
    a, b, d = outline[0], outline[1], outline[3]
    shares = rng.uniform(0.08, 0.92, (26, 2))
    return [_tree(rng, a + u * (b - a) + v * (d - a), 1.25) for u, v in shares]


def parking_places(grid: StreetGrid) -> list[ParkingPlace]:
    """All places along all kerbs; traffic keeps to the right."""
    places = []
    for street in grid.streets.values():
        edges = bay_edges(street) if street.parking else []
        yaw = float(np.arctan2(street.direction[1], street.direction[0]))
        for k, (first, last) in enumerate(itertools.pairwise(edges)):
            for side in (-1, 1):
                left = side * (LANE_M + PARKING_M / 2)
                turn = 0.0 if side < 0 else np.pi
                middle = street.point((first + last) / 2, left)
                places.append(ParkingPlace(f'{street.ends} {k} {side}', middle, yaw + turn))
    return places


def _trees(rng: np.random.Generator, street: Street, side: int) -> list[Post]:
    along = np.arange(CORNER_M, street.length_m - CORNER_M, float(rng.uniform(9, 13)))
    left = side * (street.half_road_m + 0.85)
    spots = along + rng.uniform(-1, 1, len(along))
    return [_tree(rng, street.point(float(s), left), 1.0) for s in spots if rng.random() < 0.85]


def _tree(rng: np.random.Generator, position: NDArray[np.float64], scale: float) -> Post:
    height = float(rng.uniform(5.0, 7.5)) * scale
    kind = int(rng.integers(TREE_KINDS))
    return Post(f'tree {kind}', position, height * float(rng.uniform(0.68, 0.82)), height)


def _lamps(street: Street, side: int) -> list[Post]:
    first = CORNER_M + 2 + (12.0 if side > 0 else 0.0)
    left = side * (street.half_road_m + 0.45)
    along = np.arange(first, street.length_m - CORNER_M, 24.0)
    return [Post('lamp', street.point(float(s), left), 0.8, 5.2) for s in along]


def _small_things(rng: np.random.Generator, street: Street, side: int) -> list[Post]:
    posts = []
    edge = side * (street.half_road_m + 0.5)
    for along in (10.2, street.length_m - 10.2):
        if rng.random() < 0.6:
            kind = f'sign {int(rng.integers(4))}'
            posts.append(Post(kind, street.point(along, edge), 0.7, 2.6))
    for along in rng.uniform(CORNER_M, street.length_m - CORNER_M, int(rng.integers(0, 4))):
        wall = side * (street.half_width_m - 0.5)
        kind = f'bin {int(rng.integers(3))}'
        posts.append(Post(kind, street.point(float(along), wall), 0.8, 1.1))
    return posts
