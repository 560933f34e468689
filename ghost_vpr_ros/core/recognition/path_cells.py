"""The paths along which a map was driven, cut into cells of equal length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghost_vpr_ros.core.geodesy import horizontal_distance_m

LARGEST_GAP_M = 50.0
"""Between keyframes farther apart nobody knows the path: it ends, and another begins."""


@dataclass(frozen=True)
class PathCells:
    """All cells, path behind path; there are about as many as keyframes.

    Attributes:
        rows: (G,) int64 keyframe nearest to each cell, along the path.
        first: (G,) int64 first cell of the cell's path.
        last: (G,) int64 last cell of the cell's path.
        step_m: from cell to cell, metres.
    """

    rows: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    step_m: float

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def of(cls, positions: NDArray[np.float64], sessions: ArrayLike) -> PathCells:
        """The cells of a map whose rows are in the order of driving.

        Args:
            positions: (N, 3) float64 of the keyframes, map frame, metres; those with NaN are
                left out.
            sessions: (N,) name or number of each keyframe's session; paths do not go on in the
                next one.
        """
        located = np.flatnonzero(np.isfinite(positions).all(axis=1))
        if not len(located):
            nothing = np.empty(0, np.int64)
            return cls(nothing, nothing, nothing, 1.0)
        driven_m = horizontal_distance_m(positions[located[1:]], positions[located[:-1]])
        names = np.asarray(sessions)[located]
        breaks = (names[1:] != names[:-1]) | (driven_m > LARGEST_GAP_M)
        along_m = np.concatenate([[0.0], np.cumsum(np.where(breaks, 0.0, driven_m))])
        step_m = float(along_m[-1]) / len(located) or 1.0
        paths = np.split(np.arange(len(located)), np.flatnonzero(breaks) + 1)
        cells = [_nearest(along_m[path], step_m) + path[0] for path in paths]
        counts = np.array([len(each) for each in cells])
        first = np.repeat(np.cumsum(counts) - counts, counts)
        last = np.repeat(np.cumsum(counts) - 1, counts)
        return cls(located[np.concatenate(cells)], first, last, step_m)


def _nearest(along_m: NDArray[np.float64], step_m: float) -> NDArray[np.int64]:
    """(g,) which of the rising (n,) metres is nearest to each step from the first on."""
    count = int((along_m[-1] - along_m[0]) / step_m) + 1
    cells_m = along_m[0] + step_m * np.arange(count)
    middles_m = 0.5 * (along_m[1:] + along_m[:-1])
    return np.searchsorted(middles_m, cells_m).astype(np.int64)
