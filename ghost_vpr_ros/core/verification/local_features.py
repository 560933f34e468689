"""Local features: points of an image that can be found again from nearby, and their matches.

SIFT as RootSIFT (Arandjelovic and Zisserman 2012) or ORB (Rublee et al. 2011), both by OpenCV;
`patch_features.py` derives them from the feature map of the network. Descriptors are float32 rows,
so that one matrix product compares all pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.verification import VerificationConfig

_ORB_BITS = 256

_SMALLEST_PX = 16


@dataclass(frozen=True)
class LocalFeatures:
    """Local features of one image.

    Attributes:
        points: (N, 2) float64 pixels x, y in the image at working size.
        descriptors: (N, d) float32: RootSIFT or network's of unit norm, or the bits of ORB as -1
            and 1.
        kind: `sift`, `orb` or `network`.
        width: of the image at working size, pixels.
        height: of the image at working size, pixels.
        cell_px: for `network`: the longer side of a cell of the grid of points.
        grid: for `network`: rows and columns of that grid.
    """

    points: NDArray[np.float64]
    descriptors: NDArray[np.float32]
    kind: str
    width: int
    height: int
    cell_px: float = 0.0
    grid: tuple[int, int] = (0, 0)

    def __len__(self) -> int:
        return len(self.points)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the image at working size, pixels."""
        return self.width, self.height


class FeatureExtractor:
    """Extracts local features from images; not for several threads at once."""

    def __init__(self, config: VerificationConfig) -> None:
        """Make OpenCV's detector of `config.features`."""
        self._config = config
        count = config.max_features
        self._detector = cv2.SIFT.create(count) if config.features == 'sift' else _orb(count)

    def __call__(self, image: NDArray[np.uint8]) -> LocalFeatures:
        """At most `max_features` of an RGB uint8 (H, W, 3) image at the working width."""
        grey = self._working(image)
        height, width = grey.shape
        if min(height, width) < _SMALLEST_PX:
            return self._features([], None, width, height)
        keypoints, found = self._detector.detectAndCompute(grey, None)
        return self._features(keypoints, found, width, height)

    def _working(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Grey uint8, no wider than the working width; smaller images are not enlarged."""
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        size = working_size(image.shape[1], image.shape[0], self._config.working_width_px)
        if size[0] < image.shape[1]:
            grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        return np.asarray(grey, np.uint8)

    def _features(
        self, keypoints: Sequence[cv2.KeyPoint], found: object, width: int, height: int
    ) -> LocalFeatures:
        kind, limit = self._config.features, self._config.max_features
        points = [keypoint.pt for keypoint in keypoints]
        rows = np.asarray(points, np.float64).reshape(-1, 2)[:limit]
        size = 128 if kind == 'sift' else _ORB_BITS
        empty = found is None or len(rows) == 0
        raw = (
            np.zeros((0, size), np.float32) if empty else _floats(np.asarray(found)[:limit], kind)
        )
        return LocalFeatures(rows, raw, kind, width, height)


def working_size(width: int, height: int, most_px: int) -> tuple[int, int]:
    """Width and height, pixels, of an image that is shrunk to at most that width."""
    if width <= most_px:
        return width, height
    return most_px, max(1, round(height * most_px / width))


def _orb(count: int) -> cv2.ORB:
    """ORB that also detects points near the border of a small image."""
    return cv2.ORB.create(nfeatures=count, edgeThreshold=15, fastThreshold=10)


def _floats(found: NDArray[np.generic], kind: str) -> NDArray[np.float32]:
    """(N, 128) square roots of SIFT of unit sum, or (N, 256) bits of ORB as -1 and 1, float32."""
    if kind == 'orb':
        bits = np.unpackbits(found.astype(np.uint8), axis=1)
        return bits.astype(np.float32) * 2.0 - 1.0
    sift = found.astype(np.float32)
    return np.asarray(np.sqrt(sift / np.maximum(sift.sum(axis=1, keepdims=True), 1e-9)))


def match(a: LocalFeatures, b: LocalFeatures, ratio: float) -> NDArray[np.int64]:
    """(M, 2) rows of `a` and `b` that are mutual nearest neighbours and clearly the nearest.

    Lowe's ratio test (2004, Section 7.1) from `a` to `b` on the Euclidean (SIFT) or Hamming (ORB)
    distance, and mutual nearest neighbours. Cells of the network are matched by `match_cells`:
    neighbouring cells overlap, so that no match would be clear.
    """
    if len(a) < 2 or len(b) < 2:
        return np.zeros((0, 2), np.int64)
    distance = _distances(a, b)
    nearest = distance.argmin(axis=1)
    back = distance.argmin(axis=0)
    rows = np.arange(len(a))
    kept = back[nearest] == rows
    first = distance[rows, nearest]
    distance[rows, nearest] = np.inf
    kept &= first < ratio * distance.min(axis=1)
    return np.column_stack([rows[kept], nearest[kept]]).astype(np.int64)


def _distances(a: LocalFeatures, b: LocalFeatures) -> NDArray[np.float32]:
    products = a.descriptors @ b.descriptors.T
    if a.kind == 'orb':
        return np.asarray((_ORB_BITS - products) / 2.0)
    return np.asarray(np.sqrt(np.maximum(2.0 - 2.0 * products, 0.0)))


class FeaturesAhead:
    """Extracts one image in advance; `extract` must not be used elsewhere."""

    def __init__(self, extract: FeatureExtractor) -> None:
        self._extract = extract
        self._thread = ThreadPoolExecutor(1, thread_name_prefix='local_features')
        self._begun: tuple[NDArray[np.uint8], Future[LocalFeatures]] | None = None
        self._was_asked = False

    def begin(self, image: NDArray[np.uint8]) -> None:
        """Start with an RGB uint8 (H, W, 3) image and return at once.

        Nothing is done if no features were requested since the previous image.
        """
        if self._was_asked:
            self._begun = image, self._thread.submit(self._extract, image)
        self._was_asked = False

    def take(self, image: NDArray[np.uint8]) -> LocalFeatures | None:
        """Wait for the features of the image begun last; None for any other image."""
        self._was_asked = True
        begun, self._begun = self._begun, None
        if begun is None or begun[0] is not image:
            return None
        return begun[1].result()

    def close(self) -> None:
        """End the thread after the image in progress."""
        self._thread.shutdown(cancel_futures=True)
