"""What answers "which places look like this?": in memory, or a database of a whole fleet."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghost_vpr_ros.core.map_reader import MapReader
from ghost_vpr_ros.core.search_index import SearchIndex
from ghost_vpr_ros.core.shared_map import SharedMap


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


def search_of(place_map: MapReader) -> PlaceSearch:
    """What searches this map: the database of a shared map, for a file an index in memory."""
    if isinstance(place_map, SharedMap):
        return place_map.search_index()
    return SearchIndex.from_map(place_map)
