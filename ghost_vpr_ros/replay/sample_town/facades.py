"""Paints the front of a house: storeys of windows over a shop, a door or a garage."""

from __future__ import annotations

import numpy as np

from ghost_vpr_ros.replay.sample_town.ground_floors import paint_ground_floor
from ghost_vpr_ros.replay.sample_town.painting import Paper
from ghost_vpr_ros.replay.sample_town.seeding import stream
from ghost_vpr_ros.replay.sample_town.styles import HouseStyle
from ghost_vpr_ros.replay.sample_town.walls import WALL_PX_PER_M, paint_wall
from ghost_vpr_ros.replay.sample_town.windows import paint_window

SIDE_PX_PER_M = 20.0


def paint_facade(seed: int, style: HouseStyle, width_m: float, side: bool) -> Paper:
    """A wall that faces a street; `side`: round the corner, windows only."""
    rng = stream(seed, 'facade', style.seed_name, side)
    wall = paint_wall(style.material, style.wall_rgb, width_m, style.height_m, rng)
    paper = Paper(wall, WALL_PX_PER_M)
    for storey in range(1, style.storeys):
        base = style.ground_m + (storey - 1) * style.storey_m
        _paint_storey(paper, style, base, rng)
    _paint_bands(paper, style)
    paint_ground_floor(paper, style, rng, side)
    return paper


def paint_blank_wall(seed: int, style: HouseStyle, width_m: float) -> Paper:
    """A party wall or a back: no windows."""
    rng = stream(seed, 'blank', style.seed_name)
    wall = paint_wall(
        style.material, style.wall_rgb, width_m, style.height_m, rng, px_per_m=SIDE_PX_PER_M
    )
    return Paper(wall, SIDE_PX_PER_M)


def _paint_storey(
    paper: Paper, style: HouseStyle, base_m: float, rng: np.random.Generator
) -> None:
    margin = 0.5
    count = max(1, int((paper.width_m - 2 * margin) / style.bay_m))
    bay = (paper.width_m - 2 * margin) / count
    for k in range(count):
        paint_window(paper, style, margin + k * bay, base_m, bay, rng)


def _paint_bands(paper: Paper, style: HouseStyle) -> None:
    width, top = paper.width_m, style.height_m
    paper.rect(0, top - 0.45, width, 0.45, style.trim_rgb)
    paper.shade(0, top - 0.12, width, 0.12, 0.82)
    paper.shade(0, top - 0.62, width, 0.17, 0.62)
    if style.roof == 'flat' and style.material != 'panel':
        for x in np.arange(0.1, width, 0.6):
            paper.shade(float(x), top - 0.42, 0.22, 0.22, 0.78)
    paper.rect(0, style.ground_m - 0.22, width, 0.2, style.trim_rgb)
    paper.shade(0, style.ground_m - 0.3, width, 0.08, 0.6)
    # A rain pipe marks the border between two houses that look alike.
    paper.rect(0.06, 0, 0.1, top - 0.45, (92, 96, 96))
    paper.shade(0.16, 0, 0.06, top - 0.45, 0.7)
