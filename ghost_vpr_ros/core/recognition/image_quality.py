"""Whether an image is usable: it shows something, and it is new."""

from __future__ import annotations

import zlib

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.recognition.odometry import Reading

_STEP_PX = 4
_SHARPNESS_WIDTH_PX = 320


def shows_something(image: NDArray[np.uint8], min_contrast: float) -> bool:
    """Whether an RGB uint8 (H, W, 3) image shows anything: a lens cap and a white-out do not.

    The grey levels (0-255) of every fourth pixel must deviate by at least `min_contrast`.
    """
    return _contrast(image) >= min_contrast


def why_unusable(image: NDArray[np.uint8], config: RecognizerConfig, *, is_frozen: bool) -> str:
    """A sentence on why an image is unusable."""
    if is_frozen:
        return 'the camera gives one and the same image while the robot drives; start it again'
    return (
        f'the image shows nothing: its grey levels deviate by {_contrast(image):.1f} of 255, '
        f'expected {config.min_contrast:g} (min_contrast); check for a lens cap, darkness or a '
        'wrong exposure'
    )


def _contrast(image: NDArray[np.uint8]) -> float:
    sample = _sampled(image).astype(np.float32)
    # OpenCV instead of numpy's mean over three colours, which takes ten times as long.
    return float(cv2.meanStdDev(cv2.transform(sample, np.ones((1, 3))))[1].item()) / 3.0


def _sampled(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h, w, 3) every fourth pixel of every fourth row, copied pixel by pixel and not by bytes."""
    pixels = np.ascontiguousarray(image).view('V3')[::_STEP_PX, ::_STEP_PX]
    return np.ascontiguousarray(pixels).view(np.uint8)


def sharpness(image: NDArray[np.uint8]) -> float:
    """How much neighbouring pixels differ, as a share of the contrast; 0 without contrast.

    The smaller one of the horizontal and the vertical differences: a camera that turns blurs
    one of them. It depends on the scene: only similar scenes can be compared.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    size = (_SHARPNESS_WIDTH_PX, max(2, round(height * _SHARPNESS_WIDTH_PX / width)))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    differences = min(float(np.diff(small, axis=axis).std()) for axis in (0, 1))
    return differences / max(float(small.std()), 1.0)


class FrozenCamera:
    """Detects images that stay the same while odometry moves."""

    def __init__(self) -> None:
        self._pixels = 0
        self._since: Reading | None = None

    def is_frozen(
        self, image: NDArray[np.uint8], reading: Reading, config: RecognizerConfig
    ) -> bool:
        """Whether images have been identical, bit by bit, for `evidence_distance_m`.

        Two images of a working camera differ by noise. Without odometry this cannot be decided: a
        simulated camera that stands still also repeats its image.
        """
        pixels = zlib.crc32(_sampled(image).data)
        since = self._since
        if since is None or pixels != self._pixels or since.stretch != reading.stretch:
            self._pixels, self._since = pixels, reading
            return False
        return reading.along_m - since.along_m >= config.evidence_distance_m
