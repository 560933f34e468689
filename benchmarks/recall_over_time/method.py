"""The interface of the compared methods: from an image to a descriptor or local features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LEAST_COSINE = 0.82
"""Least cosine of local features that vote, as in XFeat's matcher."""

_IMAGES_AT_ONCE = 8
"""Map images per matrix product of local features, so that the product fits in the cache."""


NOT_LEARNED = 'numbers of a seed'
"""Version of a method with a random vocabulary, of which only the time is used."""


@dataclass(frozen=True)
class Files:
    """Folder of graphs and learned parameters, and whether to learn missing ones.

    Attributes:
        folder: of the files.
        learn: False: use random parameters instead of learning.
    """

    folder: Path
    learn: bool = True


@dataclass(frozen=True)
class Describer:
    """A method that is ready to run.

    Attributes:
        version: identifies the descriptors; recalls are cached by it.
        describe: RGB uint8 (H, W, 3) -> float32 (D,) unit norm, or (n, C) local features.
    """

    version: str
    describe: Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True)
class Method:
    """One row of the table.

    Attributes:
        name: unique.
        group: methods of one group have the same style in the plot.
        engine: that runs it.
        precision: of the computation.
        size_px: side of its input.
        make: reads or creates its files, and returns it ready to run.
        shorter: sizes of prefixes of its descriptor to measure as well.
        has_recall: whether it has trained weights; otherwise only its time is measured.
        is_default: whether it is the node's default with OpenVINO.
    """

    name: str
    group: str
    engine: str
    precision: str
    size_px: int
    make: Callable[[Files], Describer]
    shorter: tuple[int, ...] = ()
    has_recall: bool = True
    is_default: bool = False

    @property
    def recall_name(self) -> str:
        """Name of the recall, shared by methods that differ only in the engine.

        Descriptors of two engines agree to a cosine of 0.9999 in float32; in int8 they run the
        same graph (test/core/engine).
        """
        return f'{self.group}, {self.size_px} px, {self.precision}'


def similarities(query: NDArray[np.float32], database: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) similarities of a query to each image of a map, higher is better.

    Args:
        query: (D,) unit-norm descriptor, or (n, C) unit-norm local features, padded with zeros.
        database: (N, D), or (N, n, C).
    """
    if database.ndim == 2:
        return np.asarray(database @ query, np.float32)
    parts = [
        votes(query, database[start : start + _IMAGES_AT_ONCE])
        for start in range(0, len(database), _IMAGES_AT_ONCE)
    ]
    return np.concatenate(parts)


def votes(query: NDArray[np.float32], database: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) votes of a query's local features (n, C) for images with features (N, m, C).

    Every feature votes for each image with a similar feature, weighted by the best cosine.
    """
    count, features, channels = database.shape
    cosines = (database.reshape(-1, channels) @ query.T).reshape(count, features, len(query))
    best = cosines.max(axis=1)
    return np.where(best >= LEAST_COSINE, best, 0.0).sum(axis=1, dtype=np.float32)
