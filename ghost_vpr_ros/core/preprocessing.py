"""From an image to the network's input, from training to the node.

Engines take the pixels and normalise them on their device; training and tests take the normalised
input. Both are made of the same pixels by the same two numbers for each channel.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.errors import ImageError

_DARKEST = 0.004
_STRONGEST_GAMMA = 0.25
"""Black frames stay dark: what little they show would be noise."""


def preprocess(image: NDArray[np.uint8], config: PreprocessingConfig) -> NDArray[np.float32]:
    """Network input (1, 3, h, w) float32, R G B, normalised, of an RGB uint8 (H, W, 3) image.

    The image is resized to exactly (h, w), as in the papers: its aspect ratio is not kept. Area
    averaging when it shrinks, linear interpolation when it grows. Where the configuration asks
    for it, a gamma curve then brings a dark image's mean grey level up to `brightness`.

    Deviation: the papers leave the light as it is. Measured in docs/training.md.

    Raises:
        ImageError: the array is not RGB uint8 (H, W, 3), or is empty.
    """
    scale, offset = scale_and_offset(config)
    normalised = input_pixels(image, config) * scale + offset
    return np.ascontiguousarray(normalised.transpose(2, 0, 1)[np.newaxis])


def pixel_batch(image: NDArray[np.uint8], config: PreprocessingConfig) -> NDArray[np.uint8]:
    """What an engine is given: RGB uint8 (1, h, w, 3) of an RGB uint8 (H, W, 3) image.

    Raises:
        ImageError: as `preprocess`.
    """
    return np.ascontiguousarray(input_pixels(image, config)[np.newaxis])


def input_pixels(image: NDArray[np.uint8], config: PreprocessingConfig) -> NDArray[np.uint8]:
    """The first half of `preprocess`: RGB uint8 (h, w, 3) of an RGB uint8 (H, W, 3) image.

    Raises:
        ImageError: as `preprocess`.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ImageError(
            f'image: expected RGB uint8 (H, W, 3), found {image.dtype} {image.shape}; '
            'decode it with core.image or ros.conversions'
        )
    size = (config.width_px, config.height_px)
    if (image.shape[1], image.shape[0]) != size:
        shrinks = image.shape[1] > size[0] or image.shape[0] > size[1]
        interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(image, size, interpolation=interpolation), np.uint8)
    return _with_brightness(image, config.brightness) if config.brightness else image


def _with_brightness(image: NDArray[np.uint8], wanted: float) -> NDArray[np.uint8]:
    """The image, where it is darker under the gamma that takes its mean (0 .. 1) there."""
    mean = float(cv2.mean(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[0]) / 255.0
    if mean >= wanted:
        return image
    gamma = max(np.log(wanted) / np.log(max(mean, _DARKEST)), _STRONGEST_GAMMA)
    curve = 255.0 * (np.arange(256) / 255.0) ** gamma + 0.5
    return np.asarray(cv2.LUT(image, curve.astype(np.uint8)), np.uint8)


def scale_and_offset(
    config: PreprocessingConfig,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The second half of `preprocess`: (3,) factors of the grey levels, and what is added then."""
    scale = (1.0 / (255.0 * np.asarray(config.std))).astype(np.float32)
    offset = (-np.asarray(config.mean) / np.asarray(config.std)).astype(np.float32)
    return scale, offset
