"""A sheet of pictures of the town: what the documentation shows."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.replay.sample_town.drive import SampleTown

GAP_PX = 6


def paint_preview(
    sample: SampleTown, drives: Sequence[int], indices: Sequence[int], width_px: int = 400
) -> NDArray[np.uint8]:
    """A row of pictures for each drive, a column for each image: RGB uint8.

    Args:
        sample: the town.
        drives: numbers of the drives.
        indices: images of each drive; the same index is nearly the same place.
        width_px: width of one picture on the sheet.
    """
    rows = [
        [_shrink(drive.frames[index].load(), width_px) for index in indices]
        for drive in map(sample.drive, drives)
    ]
    height, width = rows[0][0].shape[:2]
    size = (len(rows) * (height + GAP_PX) + GAP_PX, len(indices) * (width + GAP_PX) + GAP_PX)
    sheet = np.full((*size, 3), 255, np.uint8)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            top, left = GAP_PX + i * (height + GAP_PX), GAP_PX + j * (width + GAP_PX)
            sheet[top : top + height, left : left + width] = picture
    return sheet


def _shrink(image: NDArray[np.uint8], width_px: int) -> NDArray[np.uint8]:
    size = (width_px, round(image.shape[0] * width_px / image.shape[1]))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
