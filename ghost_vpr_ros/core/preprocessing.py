"""From an image to the network's input, from training to the node.

Engines take the pixels and normalise them on their device; training and tests take the normalised
input. Both come from the same pixels and the same two numbers for each channel.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.errors import ImageError
from ghost_vpr_ros.core.local_contrast import normalise_local_contrast

_DARKEST = 0.004
_STRONGEST_GAMMA = 0.25
"""Black frames stay dark: amplified, they would show noise."""


_VIEWED_PX = 320
"""Width of the images in which local features are found, and of stored views."""

_SPARE = 1.25
"""An image hardly larger than the input is blurred by being resized twice: of 20 photos the lowest
cosine with the descriptor of the whole one was 0.993 at 1.17 times the input, 0.996 at 1.25."""


def least_side_px(config: PreprocessingConfig) -> int:
    """Least shorter side of an image for the same network input; 0: all its pixels are needed.

    A larger JPEG may be decoded at a half, a quarter or an eighth of its size: the network input
    stays the same except for rounding.
    """
    if config.fit == 'own':
        return 0
    return max(round(_SPARE * max(config.width_px, config.height_px)), _VIEWED_PX)


def preprocess(image: NDArray[np.uint8], config: PreprocessingConfig) -> NDArray[np.float32]:
    """Network input (1, 3, h, w) float32, R G B, normalised, of an RGB uint8 (H, W, 3) image.

    By default the image is resized to exactly (h, w), as in Ghost-dil-NetVLAD; `fit` keeps its
    aspect ratio, as NetVLAD does. Area averaging when it shrinks, linear interpolation when it
    grows. If the configuration has them, a gamma curve brings a dark image's mean grey level up to
    `brightness`, and `local_contrast` evens out light within the image.

    Deviation: the papers do not normalise light. Measured in docs/training.md.

    Raises:
        ImageError: the array is not RGB uint8 (H, W, 3), or is empty.
    """
    scale, offset = scale_and_offset(config)
    normalised = input_pixels(image, config) * scale + offset
    return np.ascontiguousarray(normalised.transpose(2, 0, 1)[np.newaxis])


def pixel_batch(image: NDArray[np.uint8], config: PreprocessingConfig) -> NDArray[np.uint8]:
    """The input of an engine: RGB uint8 (1, h, w, 3) of an RGB uint8 (H, W, 3) image.

    Raises:
        ImageError: as `preprocess`.
    """
    return np.ascontiguousarray(input_pixels(image, config)[np.newaxis])


def _next_step(image: NDArray[Any]) -> str:
    """What makes such an image of an array of another kind."""
    if image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 1):
        return 'repeat the grey values three times: np.repeat(grey.reshape(H, W, 1), 3, axis=2)'
    if image.ndim == 4:
        return 'give one image at a time, or several as a list'
    if image.ndim == 3 and image.shape[0] == 3 and image.shape[2] != 3:
        return 'put the channels last: image.transpose(1, 2, 0)'
    if image.ndim == 3 and image.shape[2] == 4:
        return 'leave the transparency out: image[..., :3]'
    if image.dtype != np.uint8 and image.ndim == 3:
        return 'scale the values to 0 .. 255 and convert them with astype(np.uint8)'
    return 'read the file with ghost_vpr_ros.core.image.read_image'


def check_image(image: object) -> None:
    """Refuse what is no RGB uint8 (H, W, 3) image.

    Raises:
        ImageError: with what was found, and what makes such an image of it.
    """
    if not isinstance(image, np.ndarray):
        raise ImageError(
            f'image: expected RGB uint8 (H, W, 3), found {type(image).__name__}; read a file with '
            'ghost_vpr_ros.core.image.read_image, convert others with numpy.asarray'
        )
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ImageError(
            f'image: expected RGB uint8 (H, W, 3), found {image.dtype} {image.shape}; '
            f'{_next_step(image)}'
        )


def input_pixels(image: NDArray[np.uint8], config: PreprocessingConfig) -> NDArray[np.uint8]:
    """The first half of `preprocess`: RGB uint8 (h, w, 3) of an RGB uint8 (H, W, 3) image.

    Raises:
        ImageError: as `preprocess`.
    """
    check_image(image)
    size = fitted_size(image.shape[1], image.shape[0], config)
    if (image.shape[1], image.shape[0]) != size:
        shrinks = image.shape[1] > size[0] or image.shape[0] > size[1]
        interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(image, size, interpolation=interpolation), np.uint8)
    if config.brightness:
        image = _with_brightness(image, config.brightness)
    if config.local_contrast:
        image = normalise_local_contrast(image, config.local_contrast)
    return _padded(image, config) if config.fit == 'pad' else image


def fitted_size(width_px: int, height_px: int, config: PreprocessingConfig) -> tuple[int, int]:
    """(w, h) that an image of this size is resized to, before it is padded."""
    if config.fit == 'stretch':
        return config.width_px, config.height_px
    if config.fit == 'own':
        return width_px, height_px
    scale = min(config.width_px / width_px, config.height_px / height_px)
    return max(round(width_px * scale), 1), max(round(height_px * scale), 1)


def _padded(image: NDArray[np.uint8], config: PreprocessingConfig) -> NDArray[np.uint8]:
    """(h, w, 3) with the image in the middle, the rest in the colour that becomes 0."""
    height, width = image.shape[:2]
    colour = np.round(255.0 * np.asarray(config.mean)).astype(np.uint8)
    canvas = np.tile(colour, (config.height_px, config.width_px, 1))
    top, left = (config.height_px - height) // 2, (config.width_px - width) // 2
    canvas[top : top + height, left : left + width] = image
    return canvas


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
    """The second half of `preprocess`: (3,) factors of the grey levels, and (3,) offsets."""
    scale = (1.0 / (255.0 * np.asarray(config.std))).astype(np.float32)
    offset = (-np.asarray(config.mean) / np.asarray(config.std)).astype(np.float32)
    return scale, offset
