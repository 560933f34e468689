"""A slightly different view of a photo, by a homography."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.settings import Config, setting

_CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


@dataclass(frozen=True)
class MotionConfig(Config):
    """Differences between views of one place; `motion` in an experiment's YAML file."""

    smallest_part: float = setting(
        0.6, 'smallest share of the width and height of a photo in a view', low=0.1, high=1.0
    )
    tilt: float = setting(
        0.1, 'largest shift of the corners of a view, as a share of its sides', low=0.0, high=0.3
    )
    yaw_deg: float = setting(
        10.0,
        'largest yaw of a rendered view relative to the facade',
        unit='deg',
        low=0.0,
        high=45.0,
    )
    pitch_deg: float = setting(
        5.0, 'largest pitch of a rendered view, up or down', unit='deg', low=0.0, high=30.0
    )
    narrowest_deg: float = setting(
        65.0, 'smallest field of view of a rendered view', unit='deg', low=20.0, high=120.0
    )
    widest_deg: float = setting(
        90.0, 'largest field of view of a rendered view', unit='deg', low=20.0, high=120.0
    )


def moved_view(
    image: NDArray[np.uint8], size_px: int, rng: np.random.Generator, config: MotionConfig
) -> NDArray[np.uint8]:
    """A part of the photo (H, W, 3) under a homography, as RGB uint8 (size_px, size_px, 3).

    Never mirrored, since a mirrored view would not show the same place.
    """
    share = rng.uniform(config.smallest_part, 1.0, 2)
    corner = rng.uniform(0.0, 1.0, 2) * (1.0 - share)
    tilt = rng.uniform(-config.tilt, config.tilt, (4, 2))
    quad = np.clip(corner + share * (_CORNERS + tilt), 0.0, 1.0)
    scale = np.array([image.shape[1], image.shape[0]])
    finest = float((share * scale).max()) / size_px
    if finest > 2.0:
        image = np.asarray(
            cv2.resize(
                image, None, fx=1.0 / finest, fy=1.0 / finest, interpolation=cv2.INTER_AREA
            ),
            np.uint8,
        )
        scale = np.array([image.shape[1], image.shape[0]])
    source = (quad * (scale - 1)).astype(np.float32)
    target = (_CORNERS * (size_px - 1)).astype(np.float32)
    homography = cv2.getPerspectiveTransform(source, target)
    view = cv2.warpPerspective(
        image, homography, (size_px, size_px), borderMode=cv2.BORDER_REFLECT
    )
    return np.asarray(view, np.uint8)
