"""How a search index finds the best rows: by comparing all of them, or not."""

from __future__ import annotations

from typing import Protocol, TypeAlias

import faiss
import numpy as np
from numpy.typing import NDArray

Found: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Rows and their similarities, in arrays of one shape."""


class Ranking(Protocol):
    """Descriptors by row that can be asked for the most similar ones."""

    def __len__(self) -> int: ...

    def add(self, descriptors: NDArray[np.float32]) -> None:
        """Append descriptors (n, D): the next rows."""
        ...

    def best(self, queries: NDArray[np.float32], count: int) -> Found:
        """(Q, count) best rows for queries (Q, D); there are at least so many, Q is above 0."""
        ...

    def descriptors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, D) the descriptors of rows (n,), exactly."""
        ...


class ExactRanking:
    """All rows are compared; they are kept in memory."""

    def __init__(self, index: faiss.Index) -> None:
        """Of a flat faiss index by inner product."""
        self._index = index

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def add(self, descriptors: NDArray[np.float32]) -> None:  # noqa: D102
        self._index.add(descriptors)

    def best(self, queries: NDArray[np.float32], count: int) -> Found:  # noqa: D102
        similarities, rows = self._index.search(queries, count)
        return rows, similarities

    def descriptors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:  # noqa: D102
        return np.asarray(self._index.reconstruct_batch(rows), np.float32)
