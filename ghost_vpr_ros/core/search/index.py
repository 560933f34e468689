"""Search for the most similar descriptors of a map, with faiss.

The index works with rows; `PlaceMap.keyframe_ids()` turns a row into a stable keyframe id. Small
maps are searched exactly, large ones approximately; `docs/lab/scale.md` has the figures.
"""

from __future__ import annotations

import faiss
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.map.reader import MapReader
from ghost_vpr_ros.core.search.cache import read_cache, write_cache
from ghost_vpr_ros.core.search.ranking import (
    BuildProgress,
    ExactRanking,
    Found,
    Ranking,
    open_quantised,
)

EXACT_UP_TO = 50_000
"""Most keyframes for which `auto` is exact."""

_LEAST_APPROXIMATE = 16
"""Least keyframes from which codes of half a byte can be learned."""

_KIND = 'IndexFlatIP'


def is_searched_exactly(index: str, count: int) -> bool:
    """Whether a map of this many keyframes is searched exactly by an index of `INDEXES`."""
    by_size = index == 'auto' and count <= EXACT_UP_TO
    return index == 'exact' or by_size or count < _LEAST_APPROXIMATE


class SearchIndex:
    """Finds the most similar descriptors, by the inner product of unit vectors."""

    def __init__(self, descriptor_dim: int, ranking: Ranking | None = None) -> None:
        """An empty index.

        Args:
            descriptor_dim: D.
            ranking: finds the best rows; None: an empty exact one.
        """
        self.descriptor_dim = descriptor_dim
        self._ranking = ranking or ExactRanking(faiss.IndexFlatIP(descriptor_dim))

    @classmethod
    def from_map(
        cls,
        place_map: MapReader,
        *,
        cache: bool = False,
        index: str = 'exact',
        progress: BuildProgress | None = None,
    ) -> SearchIndex:
        """The index of all descriptors of a map; row i is row i of `place_map.descriptors()`.

        Args:
            place_map: an open map.
            cache: read and write `<map>.faiss` beside the map. A cache of another map, a damaged
                one or an unwritable folder is no error: the index is then built from the map. For
                an exact index a cache hardly pays (100 000 x 512: 0.39 s against 0.46 s, and
                another 205 MB).
            index: one of `INDEXES`.
            progress: called while an approximate index is trained and built, which takes
                minutes for a large map.

        Raises:
            MapError: the map's file was damaged since it was opened.
        """
        dim = place_map.descriptor_dim
        if not is_searched_exactly(index, len(place_map)):
            return cls(dim, open_quantised(place_map, cache=cache, progress=progress))
        return cls(dim, ExactRanking(_flat(place_map, cache=cache)))

    def __len__(self) -> int:
        return len(self._ranking)

    @property
    def is_exact(self) -> bool:
        """Whether all descriptors are compared with each query."""
        return isinstance(self._ranking, ExactRanking)

    def add(self, descriptor: ArrayLike) -> int:
        """Append one descriptor (D,) of unit norm; returns its row.

        An approximate index reads it back from the map, so it must be the next row of the map.

        Raises:
            MapError: another D, or not finite.
        """
        self._ranking.add(self._checked(np.asarray(descriptor, dtype=np.float32)[None]))
        return len(self) - 1

    def add_all(self, descriptors: ArrayLike) -> None:
        """Append descriptors (N, D) of unit norm, in their order.

        Raises:
            MapError: another D, or not finite.
        """
        self._ranking.add(self._checked(np.asarray(descriptors, dtype=np.float32)))

    def search(self, queries: ArrayLike, k: int) -> Found:
        """The k most similar rows for each query, best first; ties in the order of rows.

        Args:
            queries: (Q, D) float32, unit norm.
            k: how many, at least 1.

        Returns:
            rows (Q, k') int64 and similarities (Q, k') float32 in -1 .. 1, k' = min(k, N).

        Raises:
            MapError: another D, or not finite.
            ValueError: k is below 1.
        """
        if k < 1:
            raise ValueError(f'k must be at least 1, found {k}')
        array = self._checked(np.asarray(queries, dtype=np.float32))
        kept = min(k, len(self))
        if kept == 0 or len(array) == 0:
            empty = (len(array), kept)
            return np.empty(empty, dtype=np.int64), np.empty(empty, dtype=np.float32)
        rows, similarities = self._ranking.best(array, kept)
        order = np.lexsort((rows, -similarities), axis=1)[:, :kept]
        return (
            np.take_along_axis(rows, order, axis=1),
            np.take_along_axis(similarities, order, axis=1),
        )

    def search_among(self, query: ArrayLike, rows: NDArray[np.int64]) -> Found:
        """Chosen rows (n,), best first, with exact similarities (n,) to a query (1, D).

        The cost depends on the number of these rows, not on the size of the map.

        Raises:
            MapError: another D, not finite, or the map's file was damaged since it was opened.
        """
        array = self._checked(np.asarray(query, dtype=np.float32))
        similarities = self._ranking.descriptors(rows) @ array[0]
        order = np.lexsort((rows, -similarities))
        return rows[order], similarities[order]

    def _checked(self, descriptors: NDArray[np.float32]) -> NDArray[np.float32]:
        if descriptors.ndim != 2 or descriptors.shape[1] != self.descriptor_dim:
            raise MapError(
                f'expected descriptors of shape (n, {self.descriptor_dim}), found '
                f'{descriptors.shape}; use the model that the map was built with'
            )
        if not np.isfinite(descriptors).all():
            raise MapError('expected finite descriptors, found NaN or infinity')
        return np.ascontiguousarray(descriptors)


def _flat(place_map: MapReader, *, cache: bool) -> faiss.Index:
    cached = read_cache(place_map, _KIND) if cache else None
    if cached is not None:
        return cached.parts[0]
    index = faiss.IndexFlatIP(place_map.descriptor_dim)
    if len(place_map) > 0:
        index.add(place_map.descriptors())
    if cache:
        write_cache(place_map, _KIND, [index])
    return index
