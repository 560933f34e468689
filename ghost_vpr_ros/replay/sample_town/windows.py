"""Paints one window of an upper floor, with glass, frame, sill, lintel, shutters or balcony."""

from __future__ import annotations

import cv2
import numpy as np

from ghost_vpr_ros.replay.sample_town.painting import Paper, Rgb
from ghost_vpr_ros.replay.sample_town.styles import HouseStyle

SKY_IN_GLASS: Rgb = (150, 172, 190)
DARK_IN_GLASS: Rgb = (34, 40, 48)
CURTAINS: tuple[Rgb, ...] = ((214, 206, 190), (196, 180, 160), (170, 70, 60), (128, 140, 160))


def paint_window(
    paper: Paper,
    style: HouseStyle,
    x: float,
    base_m: float,
    bay_m: float,
    rng: np.random.Generator,
) -> None:
    """One bay of an upper storey whose floor lies `base_m` over the ground."""
    width, height, sill = _size(style, bay_m)
    left, bottom = x + (bay_m - width) / 2, base_m + sill
    paper.rect(left - 0.1, bottom - 0.05, width + 0.2, height + 0.25, style.trim_rgb)
    paint_glass(paper, left, bottom, width, height, rng)
    _paint_frame(paper, style, left, bottom, width, height)
    if style.window == 'arch':
        _round_top(paper, style, left, bottom + height, width)
    if style.window == 'balcony':
        _paint_balcony(paper, style, left, bottom, width)
    else:
        paper.rect(left - 0.16, bottom - 0.14, width + 0.32, 0.1, style.trim_rgb)
        paper.shade(left - 0.16, bottom - 0.24, width + 0.32, 0.1, 0.66)
    if style.shutters:
        _paint_shutters(paper, style, left, bottom, width, height)


def paint_glass(
    paper: Paper, x: float, y: float, w: float, h: float, rng: np.random.Generator
) -> None:
    """Glass with the sky above, a dark room below, perhaps curtains, perhaps light at night."""
    tint = float(rng.uniform(0.55, 1.0))
    top = tuple(int(v * tint) for v in SKY_IN_GLASS)
    paper.gradient(x, y, w, h, (top[0], top[1], top[2]), DARK_IN_GLASS)
    if rng.random() < 0.45:
        curtain = CURTAINS[int(rng.integers(len(CURTAINS)))]
        share = float(rng.uniform(0.14, 0.4))
        paper.rect(x, y, w * share, h, curtain)
        paper.rect(x + w * (1 - share), y, w * share, h, curtain)
        paper.shade(x, y, w, h, 0.82)
    elif rng.random() < 0.3:
        drop = float(rng.uniform(0.2, 0.8)) * h
        paper.rect(x, y + h - drop, w, drop, (208, 204, 192))
    if rng.random() < 0.4:
        paper.shine(x, y, w, h, int(rng.integers(120, 256)))
    # The reveal throws a shadow on the glass: it makes the window look set into the wall.
    paper.shade(x, y + h - 0.14, w, 0.14, 0.5)
    paper.shade(x, y, 0.07, h, 0.6)


def _size(style: HouseStyle, bay_m: float) -> tuple[float, float, float]:
    """Width, height and height of the sill over the floor, in metres."""
    room = style.storey_m
    if style.window == 'strip':
        return bay_m - 0.15, room * 0.52, room * 0.3
    if style.window == 'balcony':
        return min(1.5, bay_m - 0.5), room * 0.74, 0.12
    share = 0.42 if style.shutters else 0.5
    return min(1.35, bay_m * share), room * (0.56 if style.window == 'sash' else 0.5), room * 0.28


def _paint_frame(paper: Paper, style: HouseStyle, x: float, y: float, w: float, h: float) -> None:
    bar = 0.055
    for left in (x, x + w - bar):
        paper.rect(left, y, bar, h, style.frame_rgb)
    for low in (y, y + h - bar):
        paper.rect(x, low, w, bar, style.frame_rgb)
    if style.window == 'sash':
        paper.rect(x, y + h * 0.5, w, bar, style.frame_rgb)
        paper.rect(x + w / 2 - bar / 4, y, bar / 2, h, style.frame_rgb)
    elif style.window in ('casement', 'arch', 'balcony'):
        paper.rect(x + w / 2 - bar / 2, y, bar, h, style.frame_rgb)
        paper.rect(x, y + h * 0.68, w, bar, style.frame_rgb)


def _round_top(paper: Paper, style: HouseStyle, x: float, y: float, w: float) -> None:
    scale, height = paper.px_per_m, paper.rgb.shape[0]
    centre = (round((x + w / 2) * scale), round(height - (y + 0.02) * scale))
    axes = (round((w / 2 + 0.1) * scale), round((w / 2.4 + 0.1) * scale))
    cv2.ellipse(paper.rgb, centre, axes, 0, 180, 360, style.trim_rgb, -1, cv2.LINE_AA)
    inner = (round(w / 2 * scale), round(w / 2.4 * scale))
    cv2.ellipse(paper.rgb, centre, inner, 0, 180, 360, (120, 138, 152), -1, cv2.LINE_AA)
    cv2.line(paper.rgb, centre, (centre[0], centre[1] - inner[1]), style.frame_rgb, 2)


def _paint_balcony(paper: Paper, style: HouseStyle, x: float, y: float, w: float) -> None:
    left, width = x - 0.3, w + 0.6
    paper.rect(left, y - 0.16, width, 0.18, style.trim_rgb)
    paper.shade(left, y - 0.5, width, 0.34, 0.66)
    for k in np.arange(left, left + width, 0.14):
        paper.rect(float(k), y, 0.035, 0.9, (44, 46, 50))
    paper.rect(left, y + 0.88, width, 0.06, (44, 46, 50))


def _paint_shutters(
    paper: Paper, style: HouseStyle, x: float, y: float, w: float, h: float
) -> None:
    for left in (x - w * 0.5 - 0.04, x + w + 0.04):
        paper.rect(left, y, w * 0.5, h, style.accent_rgb)
        for k in np.arange(y + 0.06, y + h - 0.05, 0.11):
            paper.shade(left + 0.05, float(k), w * 0.5 - 0.1, 0.04, 0.72)
