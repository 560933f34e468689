"""How far an estimated trajectory is from the true one.

The absolute trajectory error is that of evo's `evo_ape --align` for the translation part: the
root mean square of the distances after the rotation and translation that fit best (Umeyama 1991,
eq. 40 to 42 without scale).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def best_alignment(
    estimate: NDArray[np.float64], truth: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotation (3, 3) and translation (3,) that bring the estimate (N, 3) nearest to the truth."""
    centre, true_centre = estimate.mean(axis=0), truth.mean(axis=0)
    u, _, vt = np.linalg.svd((truth - true_centre).T @ (estimate - centre))
    mirror = np.diag([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ mirror @ vt
    return rotation, true_centre - rotation @ centre


def aligned(estimate: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 3) the estimate (N, 3) laid onto the truth (N, 3); rows with NaN do not take part."""
    known = _known(estimate, truth)
    if not known.any():
        return estimate
    rotation, translation = best_alignment(estimate[known], truth[known])
    return np.asarray(estimate @ rotation.T + translation)


def absolute_trajectory_error_m(
    estimate: NDArray[np.float64], truth: NDArray[np.float64]
) -> float:
    """Root mean square distance (metres) of (N, 3) positions after alignment.

    Rows in which either is NaN are left out; NaN where none is left.
    """
    known = _known(estimate, truth)
    if not known.any():
        return float('nan')
    offsets = (aligned(estimate, truth) - truth)[known]
    return float(np.sqrt((offsets**2).sum(axis=1).mean()))


def _known(estimate: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(estimate).all(axis=1) & np.isfinite(truth).all(axis=1))
