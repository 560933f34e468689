"""The picture of a place in a map: for display and for geometric verification."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.map import MapConfig
from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.image import decode_compressed, encode_jpeg
from ghost_vpr_ros.core.map.reader import MapReader
from ghost_vpr_ros.core.preprocessing import least_side_px

_VIEW_QUALITY = 85
"""JPEG quality of the stored view."""


def keeps_views(config: MapConfig) -> bool:
    """Whether a map gets pictures of its places."""
    return config.store_views and config.view_width_px > 0


def least_side_of_views(preprocessing: PreprocessingConfig, config: MapConfig) -> int:
    """Least shorter side of an image for both network and view; 0: all its pixels."""
    least = least_side_px(preprocessing)
    return max(least, config.view_width_px) if least and keeps_views(config) else least


def view_of(image: NDArray[np.uint8], config: MapConfig) -> bytes | None:
    """JPEG of an RGB uint8 (H, W, 3) image, shrunk to the width of views; None if not stored."""
    if not keeps_views(config):
        return None
    height_px, width_px = image.shape[:2]
    if width_px > config.view_width_px:
        new_height_px = max(1, round(height_px * config.view_width_px / width_px))
        size = (config.view_width_px, new_height_px)
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return encode_jpeg(image, _VIEW_QUALITY)


Views = Callable[[int], 'NDArray[np.uint8] | None']
"""RGB uint8 (H, W, 3) of a keyframe id, or None; may raise `ImageError`."""


def views_of(place_map: MapReader) -> Views:
    """Reads a map's views as RGB uint8 (H, W, 3) by keyframe id; None if there is none."""

    def view(keyframe_id: int) -> NDArray[np.uint8] | None:
        jpeg = place_map.view(keyframe_id)
        return None if jpeg is None else decode_compressed(jpeg, f'view of {keyframe_id}')

    return view
