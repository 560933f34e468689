"""Photometric augmentation and random views: what one place looks like at another hour.

The papers do not augment; Ghost-dil-NetVLAD names night as its weakness and as future work. Each
effect has a probability of its own and is measured apart in docs/training.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.settings import Config, setting

_GREY = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class AugmentationConfig(Config):
    """How often each effect happens, and how strong it gets."""

    photometric: float = setting(
        0.8, 'probability of brightness, contrast and colour changes', low=0.0, high=1.0
    )
    night: float = setting(
        0.35, 'probability of strong darkening, lamps and sensor noise', low=0.0, high=1.0
    )
    darkest: float = setting(
        0.06, 'least share of the light that the darkening leaves', low=0.005, high=1.0
    )
    blur: float = setting(0.2, 'probability of a Gaussian or motion blur', low=0.0, high=1.0)
    grey: float = setting(0.05, 'probability of losing all colour', low=0.0, high=1.0)
    largest_zoom: float = setting(
        2.0,
        'most that a random view is enlarged by',
        low=1.0,
        high=8.0,
    )
    stretch: float = setting(
        1.33, 'largest ratio of width to height that a view is squeezed by', low=1.0, high=3.0
    )


def augment(
    image: NDArray[np.uint8], rng: np.random.Generator, config: AugmentationConfig
) -> NDArray[np.uint8]:
    """An RGB uint8 (H, W, 3) image under other light: same content, other pixels."""
    light = image.astype(np.float32) / 255.0
    if rng.random() < config.photometric:
        light = _other_exposure(light, rng)
    if rng.random() < config.grey:
        light = np.repeat((light @ _GREY)[..., None], 3, axis=2)
    if rng.random() < config.blur:
        light = _blurred(light, rng)
    if rng.random() < config.night:
        light = _at_night(light, rng, config.darkest)
    return np.asarray(light.clip(0.0, 1.0) * 255.0 + 0.5, np.uint8)


def random_view(
    image: NDArray[np.uint8],
    size_px: int,
    rng: np.random.Generator,
    config: AugmentationConfig,
    source_px: int,
) -> NDArray[np.uint8]:
    """A random window, resized to (size_px, size_px, 3) and mirrored half of the time.

    Args:
        image: RGB uint8 (H, W, 3).
        size_px: side of the result.
        rng: decides everything.
        config: how much a window may be enlarged and squeezed.
        source_px: side that the whole image has at the network's input; a window keeps about the
            scale it would have there, within what `largest_zoom` allows.
    """
    height, width = image.shape[:2]
    share = size_px / source_px * float(np.exp(rng.uniform(-0.45, 0.45)))
    squeeze = float(np.exp(rng.uniform(-0.5, 0.5) * np.log(config.stretch)))
    window = np.array([height * share / squeeze, width * share * squeeze])
    window = np.maximum(window, size_px / config.largest_zoom)
    rows, columns = (int(side) for side in np.minimum(window, (height, width)))
    top = int(rng.integers(0, height - rows + 1))
    left = int(rng.integers(0, width - columns + 1))
    part = image[top : top + rows, left : left + columns]
    shrinks = part.shape[0] > size_px or part.shape[1] > size_px
    view = cv2.resize(
        part, (size_px, size_px), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    return np.ascontiguousarray(view[:, ::-1] if rng.random() < 0.5 else view)


def _other_exposure(light: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Gamma, brightness, contrast, saturation and white balance, each by a random amount."""
    light = light ** np.float32(np.exp(rng.uniform(-0.5, 0.5)))
    gain = np.exp(rng.uniform(-0.4, 0.4)) * np.exp(rng.uniform(-0.12, 0.12, 3))
    light = light * gain.astype(np.float32)
    mean = np.float32(light.mean())
    light = mean + (light - mean) * np.float32(rng.uniform(0.6, 1.4))
    grey = (light @ _GREY)[..., None]
    return np.asarray(grey + (light - grey) * np.float32(rng.uniform(0.4, 1.5)), np.float32)


def _blurred(light: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(light, (0, 0), float(rng.uniform(0.4, 1.5))))
    length = int(rng.integers(3, 8))
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0.0, np.pi)
    reach = np.array([np.cos(angle), np.sin(angle)]) * (length - 1) / 2.0
    middle = (length - 1) / 2.0
    start, end = (np.round(middle + sign * reach).astype(int) for sign in (-1, 1))
    cv2.line(kernel, (int(start[0]), int(start[1])), (int(end[0]), int(end[1])), 1.0)
    return np.asarray(cv2.filter2D(light, -1, kernel / kernel.sum()))


def _at_night(
    light: NDArray[np.float32], rng: np.random.Generator, darkest: float
) -> NDArray[np.float32]:
    """Little light, warm lamps with their falloff, a black sky, shot and read noise."""
    linear = np.clip(light, 0.0, 1.0) ** 2.2
    if rng.random() < 0.6:
        linear = linear * _dark_top(linear.shape[:2], rng)
    exposure = np.exp(rng.uniform(np.log(darkest), np.log(0.6)))
    field = np.full(linear.shape[:2], exposure, np.float32)
    for _ in range(int(rng.integers(0, 5))):
        field += _lamp(linear.shape[:2], rng)
    tint = np.array([1.0, rng.uniform(0.7, 1.0), rng.uniform(0.35, 1.0)], np.float32)
    linear = linear * field[..., None] * tint
    if rng.random() < 0.5:
        linear += _glare(linear.shape[:2], rng)[..., None] * tint
    # A camera answers darkness with gain, and gain with noise.
    gain = np.float32(np.exp(rng.uniform(0.0, np.log(4.0))))
    photons = np.float32(np.exp(rng.uniform(np.log(60.0), np.log(1500.0))))
    linear = np.clip(linear * gain, 0.0, 1.0)
    noise = rng.standard_normal(linear.shape, dtype=np.float32)
    linear = linear + noise * np.sqrt(linear * gain / photons + (0.004 * gain) ** 2)
    return np.asarray(np.clip(linear, 0.0, 1.0) ** (1.0 / 2.2), np.float32)


def _dark_top(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """(H, W, 1) factor that takes the light from the sky down to a random horizon."""
    rows = np.linspace(0.0, 1.0, shape[0], dtype=np.float32)
    horizon, soft = rng.uniform(0.1, 0.6), rng.uniform(0.05, 0.2)
    factor = 1.0 / (1.0 + np.exp(-(rows - horizon) / soft))
    least = np.float32(rng.uniform(0.02, 0.4))
    return np.asarray(least + (1.0 - least) * factor, np.float32)[:, None, None]


def _lamp(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """(H, W) light that falls off from a random point."""
    reach = rng.uniform(0.1, 0.5) * max(shape)
    strength = np.float32(np.exp(rng.uniform(np.log(0.05), np.log(0.8))))
    return np.asarray(strength * np.exp(-_distance2(shape, rng) / reach**2), np.float32)


def _glare(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """(H, W) lamps that look into the camera: saturated points with a halo."""
    glare = np.zeros(shape, np.float32)
    for _ in range(int(rng.integers(1, 6))):
        size = rng.uniform(0.005, 0.03) * max(shape)
        distance2 = _distance2(shape, rng)
        glare += np.exp(-distance2 / size**2) + 0.1 * np.exp(-distance2 / (6.0 * size) ** 2)
    return glare


def _distance2(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """(H, W) squared distance in pixels to a random point of the image."""
    y, x = rng.uniform(0.0, 1.0, 2) * np.array(shape)
    rows = (np.arange(shape[0], dtype=np.float32) - np.float32(y)) ** 2
    columns = (np.arange(shape[1], dtype=np.float32) - np.float32(x)) ** 2
    return np.asarray(rows[:, None] + columns[None, :], np.float32)
