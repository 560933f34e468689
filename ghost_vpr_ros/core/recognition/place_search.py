"""What answers "which places look like this?": in memory, or a database of a whole fleet."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghost_vpr_ros.core.config.map import IndexConfig
from ghost_vpr_ros.core.fleet.shared_map import SharedMap
from ghost_vpr_ros.core.map.row_reader import RowReader
from ghost_vpr_ros.core.search.index import SearchIndex
from ghost_vpr_ros.core.search.ranking import BuildProgress


class PlaceSearch(Protocol):
    """Descriptors in rows 0 .. N - 1, and the search for the most similar ones."""

    def __len__(self) -> int:
        """N."""
        ...

    @property
    def descriptor_dim(self) -> int:
        """D."""
        ...

    def add(self, descriptor: ArrayLike) -> int:
        """Append one descriptor (D,) of unit norm; returns its row."""
        ...

    def add_all(self, descriptors: ArrayLike) -> None:
        """Append descriptors (n, D) of unit norm, in their order."""
        ...

    def search(self, queries: ArrayLike, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows and similarities (Q, min(k, N)) of queries (Q, D), best first."""
        ...

    def search_among(
        self, query: ArrayLike, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Chosen rows (n,), best first, with their similarities (n,) to a query (1, D)."""
        ...

    @property
    def is_exact(self) -> bool:
        """Whether all descriptors are compared with each query."""
        ...


def is_file(place_map: RowReader) -> bool:
    """Whether a map is a file on this machine, which may have others beside it."""
    return not isinstance(place_map, SharedMap)


def search_of(
    place_map: RowReader, config: IndexConfig, progress: BuildProgress | None
) -> PlaceSearch:
    """What searches this map: the database of a shared map, for a file an index in memory.

    Args:
        place_map: the map.
        config: which index a file gets.
        progress: called while the index of a large one is built.

    Raises:
        MapError: the map's file was damaged since it was opened.
    """
    if isinstance(place_map, SharedMap):
        return place_map.search_index()
    is_large = not config.is_exact(len(place_map))
    return SearchIndex.from_map(place_map, cache=is_large, config=config, progress=progress)
