"""Local normalisation of light: every part of an image gets the same brightness and contrast.

By night a few lamps light a scene, by day the sun does: the same wall is bright in one image and
dark in the other, while its edges stay where they are. Grey levels are therefore taken relative to
the mean and the deviation of their surroundings.

Source: M. Milford and G. Wyeth, SeqSLAM, ICRA 2012, Section III-B, normalises patches of grey
    images so.
Deviation: surroundings are Gaussian instead of patches, and colours are kept: R, G and B of a
    pixel are multiplied by the same number.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_SURROUNDINGS = 1.0 / 12.0
"""Standard deviation of the Gaussian that surroundings are weighted by, in widths of the image."""

_MEAN, _DEVIATION = 0.45, 0.22
"""Of grey levels 0 .. 1 everywhere in the result, as in photos by day."""

_FLAT = 0.1
"""Added to deviations: walls and skies without texture keep their noise small."""

_BLACK = 0.02
"""Added to grey levels that are divided by."""

_CELLS = 48
"""Surroundings are computed in a grid of as many columns and rows: they are smooth."""


def normalise_local_contrast(image: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    """The image with even brightness and contrast.

    Args:
        image: RGB uint8 (H, W, 3).
        share: of the normalised grey levels in the result, 0 .. 1; the rest are the image's own.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255.0
    mean, deviation = _surroundings(grey)
    wanted = (grey - mean) * (_DEVIATION / (deviation + _FLAT)) + _MEAN
    wanted = share * wanted + (1.0 - share) * grey
    gain = np.maximum(wanted, 0.0) / (grey + _BLACK)
    lit = cv2.multiply(image, cv2.merge([gain, gain, gain]), dtype=cv2.CV_8U)
    return np.asarray(lit, np.uint8)


def _surroundings(
    grey: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(H, W) mean and deviation of grey levels (H, W) around each pixel."""
    height, width = grey.shape
    grid = (min(_CELLS, width), min(_CELLS, height))
    moments = cv2.resize(cv2.merge([grey, grey * grey]), grid, interpolation=cv2.INTER_AREA)
    smooth = cv2.GaussianBlur(moments, (0, 0), sigmaX=_SURROUNDINGS * grid[0])
    wide = np.asarray(cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR))
    mean, square = wide[..., 0].astype(np.float32), wide[..., 1].astype(np.float32)
    return mean, np.sqrt(np.maximum(square - mean * mean, 0.0))
