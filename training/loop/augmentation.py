"""Photometric augmentation and random views, to simulate other times of day.

The papers do not augment; Ghost-dil-NetVLAD mentions night as its weakness and as future work.
Each effect has a separate probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.settings import Config, setting

_GREY = np.array([0.299, 0.587, 0.114], np.float32)

_LINEAR = ((np.arange(256) / 255.0) ** 2.2).astype(np.float32)
"""Linear intensity of each grey level."""

_STEPS = 4096
_LEVELS = np.round(255.0 * (np.arange(_STEPS) / (_STEPS - 1.0)) ** (1.0 / 2.2)).astype(np.uint8)
"""Grey level of each linear intensity, in steps."""

_NOISE = np.random.default_rng(0).standard_normal(1 << 21, dtype=np.float32)
"""Normal random numbers that all images share, because drawing new ones dominates the time."""

_COARSE = 28
"""Cells per side of the illumination field, which is smooth."""

_LAMPS = 56
"""Cells per side of the image of lamps."""


@dataclass(frozen=True)
class AugmentationConfig(Config):
    """Probability and strength of each effect; `augmentation` in an experiment's YAML file."""

    photometric: float = setting(
        0.8, 'probability of brightness, contrast and colour changes', low=0.0, high=1.0
    )
    night: float = setting(
        0.35, 'probability of strong darkening, lamps and sensor noise', low=0.0, high=1.0
    )
    darkest: float = setting(
        0.06, 'smallest share of the light left after darkening', low=0.005, high=1.0
    )
    blur: float = setting(0.2, 'probability of a Gaussian or motion blur', low=0.0, high=1.0)
    grey: float = setting(0.05, 'probability of conversion to grey', low=0.0, high=1.0)
    rain: float = setting(0.0, 'probability of streaks of rain and haze', low=0.0, high=1.0)
    noise: float = setting(
        0.0, 'probability of sensor noise in images without `night`', low=0.0, high=1.0
    )
    largest_zoom: float = setting(2.0, 'largest magnification of a random view', low=1.0, high=8.0)
    stretch: float = setting(
        1.33, 'largest change of the aspect ratio of a random view', low=1.0, high=3.0
    )


def augment(
    image: NDArray[np.uint8], rng: np.random.Generator, config: AugmentationConfig
) -> NDArray[np.uint8]:
    """An RGB uint8 (H, W, 3) image with random photometric changes; its geometry is unchanged."""
    if rng.random() < config.photometric:
        image = _other_exposure(image, rng)
    if rng.random() < config.grey:
        image = _grey(image)
    if rng.random() < config.blur:
        image = _blurred(image, rng)
    if rng.random() < config.rain:
        image = _rainy(image, rng)
    if rng.random() < config.night:
        return _at_night(image, rng, config.darkest)
    if rng.random() < config.noise:
        image = _noisy(image, rng)
    return np.asarray(image, np.uint8)


def random_view(
    image: NDArray[np.uint8],
    size_px: int,
    rng: np.random.Generator,
    config: AugmentationConfig,
    source_px: int,
) -> NDArray[np.uint8]:
    """A random window, resized to (size_px, size_px, 3) and mirrored with probability 0.5.

    Args:
        image: RGB uint8 (H, W, 3).
        size_px: side of the result.
        rng: source of all random numbers.
        config: limits of magnification and aspect ratio.
        source_px: side of the whole image at the network's input; a window keeps about that
            scale, within the limit `largest_zoom`.
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


def _other_exposure(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Gamma, brightness, contrast, white balance and saturation, each by a random amount."""
    levels = (np.arange(256) / 255.0) ** np.exp(rng.uniform(-0.5, 0.5))
    gains = np.exp(rng.uniform(-0.4, 0.4)) * np.exp(rng.uniform(-0.12, 0.12, 3))
    mean = float(image[::8, ::8].mean()) / 255.0
    contrast = rng.uniform(0.6, 1.4)
    table = np.clip(mean + (levels[:, None] * gains - mean) * contrast, 0.0, 1.0)
    changed = cv2.LUT(image, np.round(table * 255.0).astype(np.uint8)[None])
    saturation = np.float32(rng.uniform(0.4, 1.5))
    mix = saturation * np.eye(3, dtype=np.float32) + (1.0 - saturation) * np.tile(_GREY, (3, 1))
    return np.asarray(cv2.transform(changed, mix), np.uint8)


def _grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.merge([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)] * 3), np.uint8)


def _blurred(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.5))), np.uint8)
    length = int(rng.integers(3, 8))
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0.0, np.pi)
    reach = np.array([np.cos(angle), np.sin(angle)]) * (length - 1) / 2.0
    middle = (length - 1) / 2.0
    start, end = (np.round(middle + sign * reach).astype(int) for sign in (-1, 1))
    cv2.line(kernel, (int(start[0]), int(start[1])), (int(end[0]), int(end[1])), 1.0)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)


def _rainy(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Bright parallel streaks in front of a grey haze."""
    height, width = image.shape[:2]
    streaks = np.zeros((height, width), np.uint8)
    length, slant = int(rng.integers(6, 25)), rng.uniform(-0.4, 0.4)
    for _ in range(int(rng.integers(40, 300))):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        end = (int(x + slant * length), y + length)
        cv2.line(streaks, (x, y), end, int(rng.integers(60, 200)), 1)
    haze = np.full_like(image, int(rng.integers(90, 180)))
    hazy = cv2.addWeighted(
        image, float(rng.uniform(0.7, 1.0)), haze, float(rng.uniform(0.0, 0.2)), 0.0
    )
    return np.asarray(cv2.add(hazy, cv2.merge([cv2.GaussianBlur(streaks, (3, 3), 0)] * 3)))


def _noisy(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    noise = _normal(image.shape, rng) * np.float32(rng.uniform(2.0, 12.0))
    return np.asarray(np.clip(image + noise, 0.0, 255.0), np.uint8)


def _normal(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Standard normal numbers of this shape: a random part of `_NOISE`."""
    count = int(np.prod(shape))
    if count >= len(_NOISE):
        return rng.standard_normal(shape, dtype=np.float32)
    start = int(rng.integers(0, len(_NOISE) - count))
    return _NOISE[start : start + count].reshape(shape)


def _at_night(
    image: NDArray[np.uint8], rng: np.random.Generator, darkest: float
) -> NDArray[np.uint8]:
    """Low light, warm lamps with falloff, dark sky, shot and read noise."""
    size = (image.shape[1], image.shape[0])
    field = _field_of_light(rng, darkest)
    tint = np.array([1.0, rng.uniform(0.7, 1.0), rng.uniform(0.35, 1.0)], np.float32)
    # Cameras raise the gain in the dark, which amplifies noise.
    gain = np.float32(np.exp(rng.uniform(0.0, np.log(4.0))))
    photons = np.float32(np.exp(rng.uniform(np.log(60.0), np.log(1500.0))))
    linear = _LINEAR[image]
    linear *= cv2.resize(field, size)[..., None] * (tint * gain)
    if rng.random() < 0.5:
        linear += cv2.resize(_glare(rng), size)[..., None] * (tint * gain)
    np.clip(linear, 0.0, 1.0, out=linear)
    deviation = np.sqrt(linear * (gain / photons) + (np.float32(0.004) * gain) ** 2)
    linear += _normal(linear.shape, rng) * deviation
    np.clip(linear, 0.0, 1.0, out=linear)
    return np.asarray(_LEVELS[(linear * (_STEPS - 1)).astype(np.uint16)], np.uint8)


def _field_of_light(rng: np.random.Generator, darkest: float) -> NDArray[np.float32]:
    """(_COARSE, _COARSE) share of the light: dark sky above, lamps with falloff."""
    exposure = np.exp(rng.uniform(np.log(darkest), np.log(0.6)))
    field = np.full((_COARSE, _COARSE), exposure, np.float32)
    if rng.random() < 0.6:
        rows = np.linspace(0.0, 1.0, _COARSE, dtype=np.float32)
        horizon, soft = rng.uniform(0.1, 0.6), rng.uniform(0.05, 0.2)
        least = rng.uniform(0.02, 0.4)
        sky = least + (1.0 - least) / (1.0 + np.exp(-(rows - horizon) / soft))
        field *= sky.astype(np.float32)[:, None]
    for _ in range(int(rng.integers(0, 5))):
        strength = np.float32(np.exp(rng.uniform(np.log(0.05), np.log(0.8))))
        reach = rng.uniform(0.1, 0.5) * _COARSE
        field += strength * np.exp(-_distance2(_COARSE, rng) / reach**2)
    return np.asarray(field, np.float32)


def _glare(rng: np.random.Generator) -> NDArray[np.float32]:
    """(_LAMPS, _LAMPS) lamps facing the camera: saturated points with a halo."""
    glare = np.zeros((_LAMPS, _LAMPS), np.float32)
    for _ in range(int(rng.integers(1, 6))):
        size = rng.uniform(0.01, 0.03) * _LAMPS
        distance2 = _distance2(_LAMPS, rng)
        glare += np.exp(-distance2 / size**2) + 0.1 * np.exp(-distance2 / (6.0 * size) ** 2)
    return np.asarray(glare, np.float32)


def _distance2(side: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """(side, side) squared distance in cells to a random point."""
    y, x = rng.uniform(0.0, 1.0, 2) * side
    rows = (np.arange(side, dtype=np.float32) - np.float32(y)) ** 2
    columns = (np.arange(side, dtype=np.float32) - np.float32(x)) ** 2
    return np.asarray(rows[:, None] + columns[None, :], np.float32)
