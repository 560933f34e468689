"""Paints ground floors: shop windows with a sign, front doors, garages, offices."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from ghost_vpr_ros.replay.sample_town.painting import Paper, Rgb
from ghost_vpr_ros.replay.sample_town.styles import ACCENTS, HouseStyle
from ghost_vpr_ros.replay.sample_town.windows import paint_glass, paint_window

FONTS = (cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_COMPLEX,
         cv2.FONT_HERSHEY_SCRIPT_COMPLEX)  # fmt: skip


def paint_ground_floor(
    paper: Paper, style: HouseStyle, rng: np.random.Generator, side: bool
) -> None:
    """The lowest storey, with a plinth along the pavement."""
    paper.rect(0, 0, paper.width_m, 0.45, style.trim_rgb)
    paper.shade(0, 0, paper.width_m, 0.45, 0.62)
    if style.ground == 'shop' and not side:
        _paint_shop(paper, style, rng)
    elif style.ground == 'office':
        _paint_office(paper, style, rng)
    elif style.ground == 'garage' and not side:
        _paint_garage(paper, style, rng)
    else:
        _paint_home(paper, style, rng, side)
    if rng.random() < 0.3:
        _paint_poster(paper, rng)


def _paint_shop(paper: Paper, style: HouseStyle, rng: np.random.Generator) -> None:
    width, top = paper.width_m, style.ground_m
    paper.rect(0.3, 0, width - 0.6, top - 0.3, style.accent_rgb)
    door = float(rng.uniform(0.5, width - 1.7))
    for left, right in ((0.5, door - 0.12), (door + 1.12, width - 0.5)):
        if right - left > 0.6:
            _paint_display(paper, left, right - left, rng)
    paint_door(paper, door, 1.0, 2.25, style.accent_rgb, rng, glazed=True)
    _paint_sign(paper, style, rng)


def _paint_display(paper: Paper, x: float, w: float, rng: np.random.Generator) -> None:
    paint_glass(paper, x, 0.55, w, 1.95, rng)
    paper.gradient(x, 0.55, w, 1.8, (58, 60, 62), (104, 92, 74))
    for left in np.arange(x + 0.1, x + w - 0.3, 0.34):
        height = float(rng.uniform(0.25, 0.95))
        color = ACCENTS[int(rng.integers(len(ACCENTS)))]
        paper.rect(float(left), 0.6, float(rng.uniform(0.16, 0.3)), height, color)
    paper.shade(x, 0.55, w * 0.35, 1.9, 1.25)
    paper.shine(x, 0.55, w, 1.9, 235)
    for bar in np.arange(x, x + w, 1.6):
        paper.rect(float(bar), 0.55, 0.05, 1.95, (40, 40, 42))


def _paint_sign(paper: Paper, style: HouseStyle, rng: np.random.Generator) -> None:
    width, top = paper.width_m, style.ground_m
    dark = sum(style.accent_rgb) < 330
    letters: Rgb = (244, 238, 214) if dark else (36, 30, 28)
    if rng.random() < 0.4:
        board: Rgb = (238, 232, 214)
        letters = style.accent_rgb if dark else (40, 30, 30)
    else:
        board = style.accent_rgb
    font = FONTS[int(rng.integers(len(FONTS)))]
    paper.rect(0.25, top - 0.98, width - 0.5, 0.72, board)
    paper.shade(0.25, top - 1.06, width - 0.5, 0.08, 0.5)
    paper.text(0.4, top - 0.95, width - 0.8, 0.64, style.sign, letters, font)
    paper.shine(0.25, top - 0.98, width - 0.5, 0.72, 170)


def _paint_office(paper: Paper, style: HouseStyle, rng: np.random.Generator) -> None:
    width, top = paper.width_m, style.ground_m
    paper.rect(0.25, 0.3, width - 0.5, top - 0.7, (62, 66, 70))
    for left in np.arange(0.35, width - 1.2, 1.35):
        paint_glass(paper, float(left), 0.4, 1.25, top - 0.95, rng)
    paint_door(paper, width * 0.45, 1.5, 2.5, (48, 52, 56), rng, glazed=True)


def _paint_garage(paper: Paper, style: HouseStyle, rng: np.random.Generator) -> None:
    gate = min(2.7, paper.width_m * 0.4)
    paper.rect(0.6, 0, gate, 2.4, style.accent_rgb)
    for y in np.arange(0.1, 2.35, 0.28):
        paper.shade(0.6, float(y), gate, 0.05, 0.7)
    paper.shade(0.6, 2.25, gate, 0.15, 0.6)
    paint_door(paper, gate + 1.1, 1.0, 2.2, style.frame_rgb, rng, glazed=False)
    for left in np.arange(gate + 2.4, paper.width_m - 1.6, 2.0):
        _paint_low_window(paper, style, float(left), rng)


def _paint_home(paper: Paper, style: HouseStyle, rng: np.random.Generator, side: bool) -> None:
    width = paper.width_m
    door = width + 9 if side else float(rng.choice([0.6, width / 2 - 0.6, width - 1.8]))
    if not side:
        paint_door(paper, door, 1.1, 2.3, style.accent_rgb, rng, glazed=False)
    for left in np.arange(0.7, width - 1.6, 2.2):
        if left + 1.5 < door or left > door + 1.4:
            _paint_low_window(paper, style, float(left), rng)


def _paint_low_window(paper: Paper, style: HouseStyle, x: float, rng: np.random.Generator) -> None:
    plain = dataclasses.replace(style, window='casement', storey_m=3.0, shutters=False)
    paint_window(paper, plain, x, 0.15, 1.6, rng)


def paint_door(
    paper: Paper, x: float, w: float, h: float, rgb: Rgb, rng: np.random.Generator, glazed: bool
) -> None:
    """A door with its frame, a lamp over it and panels or glass."""
    paper.rect(x - 0.1, 0, w + 0.2, h + 0.12, (206, 200, 186))
    paper.rect(x, 0.05, w, h - 0.05, rgb)
    if glazed:
        paint_glass(paper, x + 0.14, 0.35, w - 0.28, h - 0.5, rng)
    else:
        for low, high in ((0.25, h * 0.42), (h * 0.48, h * 0.9)):
            paper.shade(x + 0.14, low, w - 0.28, high - low, 0.74)
            paper.shade(x + 0.18, low + 0.04, w - 0.36, high - low - 0.08, 1.28)
    paper.shade(x, h - 0.12, w, 0.12, 0.55)
    paper.rect(x + w - 0.16, h * 0.44, 0.07, 0.12, (214, 190, 120))
    paper.rect(x - 0.06, 0, w + 0.12, 0.08, (146, 142, 136))


def _paint_poster(paper: Paper, rng: np.random.Generator) -> None:
    x = float(rng.uniform(0.2, max(0.3, paper.width_m - 1.0)))
    paper.rect(x, 1.1, 0.6, 0.85, (232, 228, 216))
    paper.rect(x + 0.05, 1.45, 0.5, 0.42, ACCENTS[int(rng.integers(len(ACCENTS)))])
    paper.rect(x + 0.08, 1.2, 0.44, 0.05, (60, 60, 60))
    paper.rect(x + 0.08, 1.3, 0.34, 0.05, (60, 60, 60))
