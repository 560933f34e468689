"""The training tuple: a query, its best positive and its hard negatives, as image rows.

Source: NetVLAD (journal version), Section 4: (q, {p_i}, {n_j}), reduced by Section 5.1 to the best
potential positive and the hardest negatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.datasets.positives import WeakLabels

NO_ROW = -1
"""Fills the places of tuples that have fewer negatives than others."""


@dataclass(frozen=True)
class TrainingTuple:
    """Rows of the images that one term of the loss compares.

    Attributes:
        query: row of the query.
        best_positive: row of the potential positive with the nearest descriptor (Eq. 5).
        negatives: rows of the definite negatives that violate the margin, hardest first; at
            least one.
    """

    query: int
    best_positive: int
    negatives: tuple[int, ...]

    @property
    def rows(self) -> NDArray[np.int64]:
        """(2 + J,) int64: query, best positive, negatives."""
        return np.array([self.query, self.best_positive, *self.negatives], np.int64)


def pack_tuples(tuples: Sequence[TrainingTuple], negatives: int) -> NDArray[np.int64]:
    """(T, 2 + negatives) int64 rows: query, best positive, negatives, `NO_ROW` where fewer.

    The form in which the network's batch and the checkpoint take tuples.
    """
    packed = np.full((len(tuples), 2 + negatives), NO_ROW, np.int64)
    for place, each in enumerate(tuples):
        packed[place, : 2 + len(each.negatives)] = each.rows
    return packed


def unpack_tuples(packed: NDArray[np.int64]) -> list[TrainingTuple]:
    """The tuples of `pack_tuples`."""
    return [
        TrainingTuple(int(row[0]), int(row[1]), tuple(row[2:][row[2:] != NO_ROW].tolist()))
        for row in packed
    ]


def batch_negatives(packed: NDArray[np.int64], labels: WeakLabels) -> NDArray[np.bool_]:
    """Which images of a batch are definite negatives of which query, besides its own.

    Args:
        packed: (T, 2 + J) int64 as `pack_tuples` gives them.
        labels: of the set that the rows belong to.

    Returns:
        (T, T * (2 + J)) bool: `[t, i]` for query t and image i of the flattened batch; False for
        the images of tuple t itself and for places without an image.
    """
    size, width = packed.shape
    images = packed.reshape(-1)
    mask = np.zeros((size, size * width), bool)
    for number, row in enumerate(packed):
        mask[number] = labels.are_negatives(int(row[0]), images) & ~np.isin(images, row)
    return mask
