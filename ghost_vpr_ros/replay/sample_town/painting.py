"""Paper for textures, in metres: rectangles, gradients, text and light, and smooth noise."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Rgb = tuple[int, int, int]


class Paper:
    """A texture that is painted in metres, x from the left and y up from its lower edge.

    Attributes:
        rgb: (H, W, 3) uint8, its colour in white light.
        glow: (H, W) uint8, light that it emits at night.
    """

    def __init__(self, rgb: NDArray[np.uint8], px_per_m: float) -> None:
        self.rgb = rgb
        self.px_per_m = px_per_m
        self.glow: NDArray[np.uint8] = np.zeros(rgb.shape[:2], np.uint8)

    @property
    def width_m(self) -> float:
        """Width in metres."""
        return self.rgb.shape[1] / self.px_per_m

    @property
    def height_m(self) -> float:
        """Height in metres."""
        return self.rgb.shape[0] / self.px_per_m

    def region(self, x: float, y: float, w: float, h: float) -> tuple[slice, slice]:
        """Rows and columns of a rectangle whose lower left corner is (x, y), clipped."""
        height, width = self.rgb.shape[:2]
        rows = np.clip(np.rint([height - (y + h) * self.px_per_m, height - y * self.px_per_m]),
                       0, height).astype(int)  # fmt: skip
        columns = np.clip(np.rint([x * self.px_per_m, (x + w) * self.px_per_m]), 0, width)
        return slice(rows[0], rows[1]), slice(int(columns[0]), int(columns[1]))

    def rect(self, x: float, y: float, w: float, h: float, rgb: Rgb) -> None:
        """Fill a rectangle."""
        self.rgb[self.region(x, y, w, h)] = rgb

    def shade(self, x: float, y: float, w: float, h: float, gain: float) -> None:
        """Multiply the brightness of a rectangle."""
        window = self.region(x, y, w, h)
        if self.rgb[window].size:
            self.rgb[window] = cv2.convertScaleAbs(self.rgb[window], alpha=gain)

    def gradient(self, x: float, y: float, w: float, h: float, top: Rgb, bottom: Rgb) -> None:
        """Fill a rectangle from the colour at its top to the one at its bottom."""
        window = self.region(x, y, w, h)
        rows = window[0].stop - window[0].start
        ramp = np.linspace(0, 1, max(rows, 1))[:rows, None, None]
        self.rgb[window] = (np.array(top) * (1 - ramp) + np.array(bottom) * ramp).astype(np.uint8)

    def shine(self, x: float, y: float, w: float, h: float, value: int) -> None:
        """Let a rectangle shine at night, 0 to 255."""
        self.glow[self.region(x, y, w, h)] = value

    def text(self, x: float, y: float, w: float, h: float, text: str, rgb: Rgb, font: int) -> None:
        """Write text that fills a rectangle as far as its proportions allow, centred."""
        window = self.region(x, y, w, h)
        rows = window[0].stop - window[0].start
        columns = window[1].stop - window[1].start
        if rows < 4 or columns < 4:
            return
        self.rgb[window] = write(self.rgb[window], text, rgb, font)


def write(image: NDArray[np.uint8], text: str, rgb: Rgb, font: int) -> NDArray[np.uint8]:
    """The image with the text across its middle; drawn four times as large, then averaged."""
    rows, columns = image.shape[:2]
    (width, height), base = cv2.getTextSize(text, font, 1.0, 2)
    scale = 4 * min(columns * 0.9 / width, rows * 0.9 / (height + base))
    mask = np.zeros((rows * 4, columns * 4), np.uint8)
    thick = max(1, round(scale * 3))
    (width, height), base = cv2.getTextSize(text, font, scale, thick)
    origin = ((columns * 4 - width) // 2, (rows * 4 + height) // 2)
    cv2.putText(mask, text, origin, font, scale, 255, thick, cv2.LINE_AA)
    weight = cv2.resize(mask, (columns, rows), interpolation=cv2.INTER_AREA)[..., None] / 255.0
    return (image * (1 - weight) + np.array(rgb) * weight).astype(np.uint8)


def noise(
    rng: np.random.Generator, height: int, width: int, cell_px: float, octaves: int = 3
) -> NDArray[np.float32]:
    """Smooth noise (height, width), mean near 0, deviation near 1, coarsest cells `cell_px`."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        cell = max(cell_px / 2**octave, 1.0)
        size = (int(height / cell) + 2, int(width / cell) + 2)
        coarse = rng.standard_normal(size).astype(np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) / 2**octave
    return total


def add_noise(rgb: NDArray[np.uint8], field: NDArray[np.float32], amount: float) -> None:
    """Brighten and darken an image in place by `amount` grey levels times the field."""
    rgb[:] = np.clip(rgb + (field * amount)[..., None], 0, 255).astype(np.uint8)
