"""The town without weather and traffic: ground, houses, trees and what casts a shadow."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.replay.sample_town import blocks, furniture
from ghost_vpr_ros.replay.sample_town.furniture import Post
from ghost_vpr_ros.replay.sample_town.ground import GroundMap, paint_ground
from ghost_vpr_ros.replay.sample_town.houses import House
from ghost_vpr_ros.replay.sample_town.seeding import stream
from ghost_vpr_ros.replay.sample_town.shadows import HeightMap
from ghost_vpr_ros.replay.sample_town.streets import StreetGrid, make_grid
from ghost_vpr_ros.replay.sample_town.styles import draw_style

MARGIN_M = 14.0


@dataclass(frozen=True)
class Town:
    """What stays from drive to drive.

    Attributes:
        seed: everything follows from it.
        grid: streets.
        houses: all of them, round the blocks and beyond the outermost streets.
        parks: outlines (4, 2) of the blocks that carry trees instead of houses.
        posts: trees, lamps, signs and bins.
    """

    seed: int
    grid: StreetGrid
    houses: tuple[House, ...]
    parks: tuple[NDArray[np.float64], ...]
    posts: tuple[Post, ...]

    @property
    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """South-western and north-eastern corner, (2,) metres each."""
        nodes = self.grid.nodes.reshape(-1, 2)
        reach = MARGIN_M + blocks.HOUSE_DEPTH_M
        return nodes.min(0) - reach, nodes.max(0) + reach

    @cached_property
    def ground(self) -> GroundMap:
        """The painted ground."""
        return paint_ground(self.seed, self.grid, list(self.parks), *self.bounds)

    @cached_property
    def heights(self) -> HeightMap:
        """What casts shadows."""
        heights = HeightMap.empty(*self.bounds)
        for post in self.posts:
            if post.kind.startswith('tree'):
                heights.raise_disc(post.position, post.width_m * 0.36, post.height_m * 0.9)
        for house in self.houses:
            heights.raise_polygon(house.lot.corners, house.style.height_m)
        return heights


def build_town(seed: int, size: tuple[int, int]) -> Town:
    """A town of `size` (east, north) blocks; one of nine blocks is a park."""
    grid = make_grid(seed, size)
    outlines = blocks.block_outlines(grid)
    rng = stream(seed, 'parks')
    chosen = set(rng.choice(len(outlines), len(outlines) // 9, replace=False).tolist())
    lots = blocks.outer_lots(seed, blocks.town_outline(grid))
    posts = furniture.street_posts(seed, grid)
    for index, outline in enumerate(outlines):
        if index in chosen:
            posts += furniture.park_trees(seed, index, outline)
        else:
            lots += blocks.block_lots(seed, index, outline)
    houses = tuple(
        House(seed, number, lot, draw_style(seed, lot.terrace)) for number, lot in enumerate(lots)
    )
    return Town(seed, grid, houses, tuple(outlines[k] for k in sorted(chosen)), tuple(posts))
