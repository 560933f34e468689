"""The network's feature map as local features: one descriptor for each cell of its grid.

Patch-NetVLAD (Hausler et al. 2021) verifies a place by the network's features of each patch.
Deviations: a patch is one cell, described by its column of the feature map instead of its own
NetVLAD; matches are refined to sub-cell accuracy and must agree with a fundamental matrix instead
of a homography. Means over 2 x 2 and 3 x 3 cells (its integral features) separated right from
wrong pairs no better on the validation split of `gsv_cambridge`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.config.verification import VerificationConfig
from ghost_vpr_ros.core.engine import Engine
from ghost_vpr_ros.core.map.cells import StoredCells
from ghost_vpr_ros.core.preprocessing import pixel_batch
from ghost_vpr_ros.core.verification.local_features import LocalFeatures, working_size

_FLAT = 1e-6
_AROUND = 2
_CLEAR = 0.03
CELL_TOLERANCE = 0.25
"""Error of a consistent match, in sides of a cell. It and `_CLEAR` are the best of a few on the
training splits of `gsv_cambridge` and `bgu_campus`."""


class PatchExtractor:
    """Describes images cell by cell with one network; not for several threads at once."""

    def __init__(
        self, engine: Engine, preprocessing: PreprocessingConfig, config: VerificationConfig
    ) -> None:
        """Keep the engine, which its owner closes, and the preprocessing of its inputs."""
        self._engine = engine
        self._preprocessing = preprocessing
        self._config = config
        self._described: tuple[NDArray[np.uint8], NDArray[np.float32]] | None = None

    def describe(self, image: NDArray[np.uint8], pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Descriptor (1, D) of an image; its cells, of the same run, are kept until the next.

        Args:
            image: RGB uint8 (H, W, 3).
            pixels: the network input (1, h, w, 3) made from it.

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
        """The feature map of an image, without another run for the image described last.

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
        return LocalFeatures(
            points, descriptors, 'network', width, height, float(cell.max()), (rows, columns)
        )


def match_cells(
    a: LocalFeatures, b: LocalFeatures
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(M, 2) points of `a` and `b`: cells that are mutual nearest neighbours, and clearly so.

    No cell elsewhere in `b` may be nearly as similar; direct neighbours of the nearest one may,
    because they overlap with it. Points of `a` are centres of cells. Points of `b` are refined to
    the peak of a parabola through the similarities of the cell and its two neighbours,
    horizontally and vertically, at most half a cell away.
    """
    if len(a) == 0 or len(b) == 0:
        return np.zeros((0, 2)), np.zeros((0, 2))
    similarity = a.descriptors @ b.descriptors.T
    rows, columns = mutual_nearest(similarity)
    are_clear = _are_clear(similarity[rows], columns, b.grid)
    rows, columns = rows[are_clear], columns[are_clear]
    return a.points[rows], _peaks(similarity[rows], columns, b)


def mutual_nearest(
    similarity: NDArray[np.float32],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows (M,) and columns (M,) of similarities (N, K) that are mutually the most similar."""
    nearest, back = similarity.argmax(axis=1), similarity.argmax(axis=0)
    rows = np.flatnonzero(back[nearest] == np.arange(len(similarity)))
    return rows, nearest[rows]


def _are_clear(
    similarity: NDArray[np.float32], cells: NDArray[np.int64], grid: tuple[int, int]
) -> NDArray[np.bool_]:
    """(M,) whether the similarity (M, N) to a cell (M,) stands out from those two cells away."""
    rows, columns = grid
    y, x = np.divmod(np.arange(rows * columns), columns)
    is_far = np.abs(y - cells[:, np.newaxis] // columns) > _AROUND
    is_far |= np.abs(x - cells[:, np.newaxis] % columns) > _AROUND
    second = np.where(is_far, similarity, -1.0).max(axis=1)
    return np.asarray(similarity[np.arange(len(cells)), cells] - second > _CLEAR)


def _peaks(
    similarity: NDArray[np.float32], cells: NDArray[np.int64], of: LocalFeatures
) -> NDArray[np.float64]:
    """(M, 2) refined points at cells (M,), by similarities (M, N) to all cells of the image."""
    rows, columns = of.grid
    grid = np.pad(
        similarity.reshape(-1, rows, columns), ((0, 0), (1, 1), (1, 1)), constant_values=np.nan
    )
    match, y, x = np.arange(len(cells)), cells // columns + 1, cells % columns + 1
    middle = grid[match, y, x]
    offsets = [
        _peak(grid[match, y, x - 1], middle, grid[match, y, x + 1]),
        _peak(grid[match, y - 1, x], middle, grid[match, y + 1, x]),
    ]
    cell = np.array([of.width / columns, of.height / rows])
    return np.asarray(of.points[cells] + np.column_stack(offsets) * cell)


def _peak(
    before: NDArray[np.float32], middle: NDArray[np.float32], after: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Peak of a parabola through three values (M,) each, -0.5 .. 0.5; 0 at a border or if flat."""
    bend = before - 2.0 * middle + after
    with np.errstate(invalid='ignore', divide='ignore'):
        offset = 0.5 * (before - after) / bend
    is_peak = np.isfinite(offset) & (bend < -_FLAT)
    return np.where(is_peak, np.clip(offset, -0.5, 0.5), 0.0).astype(np.float64)
