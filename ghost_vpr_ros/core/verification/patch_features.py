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

    def __call__(self, image: NDArray[np.uint8]) -> LocalFeatures:
        """One feature for each cell, row by row, of an RGB uint8 (H, W, 3) image.

        Raises:
            ImageError: the array is not such an image.
        """
        found = self._engine.feature_map(pixel_batch(image, self._preprocessing))[0]
        _, rows, columns = found.shape
        columns_first = found.reshape(len(found), -1).T
        norm = np.linalg.norm(columns_first, axis=1, keepdims=True)
        descriptors = np.ascontiguousarray(columns_first / np.maximum(norm, 1e-9), np.float32)
        width, height = working_size(image, self._config.working_width_px)
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
