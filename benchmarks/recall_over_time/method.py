"""A method of place recognition as the comparison sees it: an image in, comparable numbers out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LEAST_COSINE = 0.82
"""Local features that agree less do not vote; XFeat's own matcher uses this limit."""

_IMAGES_AT_ONCE = 8
"""Of a map whose local features are compared: products of this many stay in the cache."""


NOT_LEARNED = 'numbers of a seed'
"""Version of a method whose vocabulary was not learned: only its time counts."""


@dataclass(frozen=True)
class Files:
    """Where graphs and learned numbers are kept, and whether missing ones are learned.

    Attributes:
        folder: holds them.
        learn: False: methods take the numbers of a seed, which need no data and no time.
    """

    folder: Path
    learn: bool = True


@dataclass(frozen=True)
class Describer:
    """A method that is ready to run.

    Attributes:
        version: changes where descriptors may change; recalls are kept under it.
        describe: RGB uint8 (H, W, 3) -> float32 (D,) unit norm, or (n, C) local features.
    """

    version: str
    describe: Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True)
class Method:
    """One row of the table.

    Attributes:
        name: unique.
        group: methods of one group are drawn alike.
        engine: what runs it.
        precision: what it computes in.
        size_px: side of its input.
        make: reads or makes its files, and returns it ready to run.
        shorter: prefixes of its descriptor that are scored as well.
        has_recall: whether it has trained weights; without, only its time counts.
        is_default: the shipped network as the node runs it where OpenVINO is installed.
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
        """Methods of the same name have the same recall: it depends on no engine.

        Descriptors of two engines agree to a cosine of 0.9999 in float32; in int8 they run the
        same graph (test/core/engine).
        """
        return f'{self.group}, {self.size_px} px, {self.precision}'


def similarities(query: NDArray[np.float32], database: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) how alike a query is to each image of a map, higher is better.

    Args:
        query: (D,) unit-norm descriptor, or (n, C) unit-norm local features, zeros where an image
            has fewer.
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
    """(N,) votes of a query's local features (n, C) for images with (N, m, C).

    Every feature votes for each image that has one like it, with the cosine of the best.
    """
    count, features, channels = database.shape
    cosines = (database.reshape(-1, channels) @ query.T).reshape(count, features, len(query))
    best = cosines.max(axis=1)
    return np.where(best >= LEAST_COSINE, best, 0.0).sum(axis=1, dtype=np.float32)
