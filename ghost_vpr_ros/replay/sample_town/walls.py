"""Wall materials: brick, plaster, stone, concrete panels and boards, each house a bit its own."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.replay.sample_town.painting import Rgb, noise

WALL_PX_PER_M = 40.0


@dataclass(frozen=True)
class Bond:
    """How the pieces of a wall are laid.

    Attributes:
        row_m: height of a course.
        piece_m: length of a piece.
        joint_px: width of the joints; 0: none.
        spread: difference in grey levels from piece to piece.
        joint_gain: brightness of a joint over that of the wall.
        grain: grey levels of the smooth stains.
    """

    row_m: float
    piece_m: float
    joint_px: int
    spread: float
    joint_gain: float
    grain: float


BONDS = {
    'brick': Bond(0.125, 0.3, 1, 13.0, 1.18, 4.0),
    'plaster': Bond(50.0, 50.0, 0, 0.0, 1.0, 6.0),
    'stone': Bond(0.45, 0.9, 2, 9.0, 0.72, 5.0),
    'panel': Bond(1.5, 2.4, 2, 4.0, 0.68, 6.0),
    'boards': Bond(0.2, 60.0, 1, 4.0, 0.75, 3.0),
}

WALL_COLORS: dict[str, tuple[Rgb, ...]] = {
    'brick': ((150, 78, 60), (128, 62, 52), (168, 108, 78), (176, 148, 112), (112, 74, 66)),
    'plaster': (
        (226, 212, 182), (214, 178, 128), (198, 142, 116), (176, 190, 172), (168, 186, 204),
        (232, 226, 216), (214, 190, 124), (190, 128, 108), (206, 168, 170), (140, 160, 150),
    ),
    'stone': ((188, 178, 156), (160, 156, 148), (202, 184, 146)),
    'panel': ((168, 170, 168), (150, 156, 162), (186, 180, 168)),
    'boards': ((96, 118, 136), (196, 200, 190), (134, 62, 54), (110, 126, 96)),
}  # fmt: skip


def paint_wall(
    material: str,
    rgb: Rgb,
    width_m: float,
    height_m: float,
    rng: np.random.Generator,
    px_per_m: float = WALL_PX_PER_M,
) -> NDArray[np.uint8]:
    """A bare wall, RGB uint8, in white light."""
    return lay_wall(BONDS[material], rgb, width_m, height_m, rng, px_per_m)


def lay_wall(
    bond: Bond,
    rgb: Rgb,
    width_m: float,
    height_m: float,
    rng: np.random.Generator,
    px_per_m: float,
) -> NDArray[np.uint8]:
    """Pieces in courses, with joints, stains, grain and weather: RGB uint8."""
    height, width = max(8, round(height_m * px_per_m)), max(8, round(width_m * px_per_m))
    tone = rng.normal(0, bond.spread, (int(height_m / bond.row_m) + 2, int(width_m * 8) + 4))
    row, piece, joint = _lay(bond, height, width, px_per_m)
    grey = tone.astype(np.float32)[row[:, None], piece]
    grey += noise(rng, height, width, px_per_m * 2.5) * np.float32(bond.grain)
    grey += rng.integers(-4, 5, (height, width), np.int8)
    gain = _weather(rng, height, width)
    gain[joint] *= bond.joint_gain
    return np.dstack([cv2.convertScaleAbs((grey + channel) * gain) for channel in rgb])


def _lay(
    bond: Bond, height: int, width: int, px_per_m: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    row_px, piece_px = bond.row_m * px_per_m, bond.piece_m * px_per_m
    y, x = np.arange(height), np.arange(width)
    row = (y / row_px).astype(np.int64)
    shifted = x[None, :] + (row[:, None] % 2) * piece_px / 2
    piece = (shifted / piece_px).astype(np.int64)
    joint = (y % row_px < bond.joint_px)[:, None] | (shifted % piece_px < bond.joint_px)
    return row, piece, joint & (bond.joint_px > 0)


def _weather(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """Gain (height, width): darker towards the ground and under the eaves, streaks of rain."""
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    gain = 1 - 0.16 * np.exp(-(1 - y) * 14) - 0.10 * np.exp(-y * 18)
    streak = np.clip(noise(rng, 1, width, 14.0)[0], 0, 2)[None, :] * np.exp(-y * 3)
    return np.maximum(gain - 0.05 * streak, 0).astype(np.float32)
