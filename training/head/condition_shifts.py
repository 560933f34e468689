"""Directions of the mean shift of descriptors between conditions, for example day and night.

Photos of the same places under two conditions show the same content on average, so the difference
of their mean descriptors is due to the condition. A projection without these directions no longer
separates drives by their light.

Source: nuisance attribute projection (Solomonoff et al. 2005, "Advances in channel compensation
for SVM speaker recognition"). None of the place recognition papers that this package follows uses
it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.model.principal_components import Rows

_LEAST_SHIFT = 1e-6
"""Shifts below this share of the largest one are treated as rounding errors."""


def shift_directions(conditions: Sequence[ArrayLike]) -> NDArray[np.float32]:
    """Orthonormal directions (k, M), k < C, from the first of C conditions to the others.

    Args:
        conditions: (n_i, M) descriptors of the photos of each condition.

    Raises:
        SourceError: the means do not differ.
    """
    means = [np.asarray(each, np.float64).mean(axis=0) for each in conditions]
    shifts = np.stack([mean - means[0] for mean in means[1:]])
    _, sizes, directions = np.linalg.svd(shifts, full_matrices=False)
    if not sizes[0] > 0.0:
        raise SourceError(
            'whitening.conditions: expected sources whose mean descriptors differ, found equal '
            'means; name, for example, photos by day and by night'
        )
    return np.asarray(directions[sizes > _LEAST_SHIFT * sizes[0]], np.float32)


class WithoutDirections:
    """Rows from which their components along some directions are subtracted as they are read."""

    def __init__(self, rows: Rows, directions: NDArray[np.float32]) -> None:
        """Keep the rows (N, M) and orthonormal directions (k, M)."""
        self._rows, self._directions = rows, directions

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, M)."""
        return self._rows.shape

    def __getitem__(self, rows: slice, /) -> NDArray[np.float32]:
        """(n, M) without the directions."""
        return without_directions(np.array(self._rows[rows], np.float32), self._directions)


def without_directions(
    rows: NDArray[np.float32], directions: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Rows (N, M) without their components along orthonormal directions (k, M)."""
    return np.asarray(rows - (rows @ directions.T) @ directions, np.float32)
