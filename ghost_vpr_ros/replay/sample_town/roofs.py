"""Paints roofs with rows of tiles and dormers, striped awnings, and signs that hang out."""

from __future__ import annotations

import cv2
import numpy as np

from ghost_vpr_ros.replay.sample_town.painting import Paper, Rgb
from ghost_vpr_ros.replay.sample_town.seeding import stream
from ghost_vpr_ros.replay.sample_town.styles import HouseStyle
from ghost_vpr_ros.replay.sample_town.surfaces import Texture
from ghost_vpr_ros.replay.sample_town.walls import Bond, lay_wall
from ghost_vpr_ros.replay.sample_town.windows import paint_glass

ROOF_PX_PER_M = 20.0
TILES = Bond(0.3, 0.25, 1, 9.0, 0.72, 4.0)


def paint_roof(style: HouseStyle, size_m: tuple[float, float], dormers: bool) -> Texture:
    """A slope of tiles, (width, length along the slope) in metres."""
    rng = stream(0, 'roof', style.seed_name)
    image = lay_wall(TILES, style.roof_rgb, size_m[0], size_m[1], rng, ROOF_PX_PER_M)
    paper = Paper(image, ROOF_PX_PER_M)
    if dormers:
        for x in np.arange(1.2, size_m[0] - 1.6, 2.8):
            paper.rect(float(x) - 0.15, 0.35, 1.4, 1.7, style.trim_rgb)
            paint_glass(paper, float(x), 0.5, 1.1, 1.3, rng)
            paper.rect(float(x) + 0.52, 0.5, 0.06, 1.3, style.frame_rgb)
    return Texture(paper.rgb, paper.glow)


def paint_awning(rgb: Rgb, width_m: float) -> Texture:
    """Stripes of cloth with a border."""
    paper = Paper(np.full((50, max(8, round(width_m * 40)), 3), 236, np.uint8), 40.0)
    for x in np.arange(0, width_m, 0.5):
        paper.rect(float(x), 0, 0.25, 1.25, rgb)
    paper.shade(0, 0, width_m, 0.15, 0.75)
    return Texture(paper.rgb)


def paint_hanging_sign(style: HouseStyle) -> Texture:
    """A board of 0.9 m by 0.75 m with the first word of the shop's name."""
    paper = Paper(np.full((75, 90, 3), style.accent_rgb, np.uint8), 100.0)
    letters: Rgb = (246, 240, 220) if sum(style.accent_rgb) < 330 else (30, 28, 28)
    cv2.rectangle(paper.rgb, (3, 3), (86, 71), letters, 2)
    paper.text(0.06, 0.18, 0.78, 0.4, style.sign.split()[0], letters, cv2.FONT_HERSHEY_DUPLEX)
    return Texture(paper.rgb, np.full((75, 90), 150, np.uint8))
