"""The network's feature map as local features: one descriptor for each cell of its grid.

Patch-NetVLAD (Hausler et al. 2021) verifies a place by the network's features of each patch.
Deviations: a patch is one cell, described by its column of the feature map instead of a NetVLAD of
its own. Means over 2 x 2 and 3 x 3 cells (its integral features) separated right from wrong pairs
no better on the validation split of `gsv_cambridge`.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.config.verification import VerificationConfig
from ghost_vpr_ros.core.engine import Engine
from ghost_vpr_ros.core.map.cells import StoredCells
from ghost_vpr_ros.core.preprocessing import pixel_batch
from ghost_vpr_ros.core.verification.local_features import LocalFeatures, working_size

_CONFIDENCE = 0.999
_ITERATIONS = 1000
LEAST_POINTS = 8
"""Fewer matches agree with nothing. Deviation: four points determine a homography; eight, and
MAGSAC++ in place of RANSAC, keep chance agreements on coarse grids out."""


class PatchExtractor:
    """Describes images cell by cell with one network; not for several threads at once."""

    def __init__(
        self, engine: Engine, preprocessing: PreprocessingConfig, config: VerificationConfig
    ) -> None:
        """Keep the engine, which its owner closes, and how its inputs are made."""
        self._engine = engine
        self._preprocessing = preprocessing
        self._config = config
        self._described: tuple[NDArray[np.uint8], NDArray[np.float32]] | None = None

    def describe(self, image: NDArray[np.uint8], pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Descriptor (1, D) of an image; its cells, of the same run, are kept until the next one.

        Args:
            image: RGB uint8 (H, W, 3).
            pixels: the network's input (1, h, w, 3) that was made of it.

        Raises:
            DeviceError: the network is a foreign one, which only describes images.
        """
        descriptor, maps = self._engine.describe_with_map(pixels)
        self._described = image, maps
        return descriptor

    def __call__(self, image: NDArray[np.uint8]) -> LocalFeatures:
        """One feature for each cell, row by row, of an RGB uint8 (H, W, 3) image.

        Raises:
            ImageError: the array is not such an image.
            DeviceError: as `describe`.
        """
        return self.features(self.cells_of(image))

    def cells_of(self, image: NDArray[np.uint8]) -> StoredCells:
        """The feature map of an image; the network does not run for the one described last.

        Raises:
            ImageError, DeviceError: as for a call.
        """
        if self._described is not None and self._described[0] is image:
            found = self._described[1]
        else:
            found = self._engine.feature_map(pixel_batch(image, self._preprocessing))
        return StoredCells(found[0], image.shape[1], image.shape[0])

    def features(self, cells: StoredCells) -> LocalFeatures:
        """One feature for each cell, row by row; points at the working size of the image."""
        channels, rows, columns = cells.feature_map.shape
        columns_first = cells.feature_map.reshape(channels, -1).T
        norm = np.linalg.norm(columns_first, axis=1, keepdims=True)
        descriptors = np.ascontiguousarray(columns_first / np.maximum(norm, 1e-9), np.float32)
        most_px = self._config.working_width_px
        width, height = working_size(cells.width_px, cells.height_px, most_px)
        cell = np.array([width / columns, height / rows])
        y, x = np.mgrid[:rows, :columns]
        points = (np.column_stack([x.ravel(), y.ravel()]) + 0.5) * cell - 0.5
        return LocalFeatures(points, descriptors, 'network', width, height, float(cell.max()))


def consistent_patches(
    query: NDArray[np.float64], keyframe: NDArray[np.float64], cell_px: float
) -> NDArray[np.bool_]:
    """(M,) which of the matches (M, 2) and (M, 2) agree with one homography (MAGSAC++).

    To one cell of the keyframe, `cell_px` pixels. Points on a grid so coarse agree with too many
    fundamental matrices, and give no relative pose.
    """
    none = np.zeros(len(query), bool)
    if len(query) < LEAST_POINTS:
        return none
    try:
        _, mask = cv2.findHomography(
            query,
            keyframe,
            cv2.USAC_MAGSAC,
            cell_px,
            maxIters=_ITERATIONS,
            confidence=_CONFIDENCE,
        )
    except cv2.error:
        # OpenCV refuses points that all coincide or lie on a line.
        return none
    return none if mask is None else np.asarray(mask.ravel() > 0)
