"""The search index of a shared map: a Milvus database searches, results are rows as usual."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.fleet.database import SharedAddress, explained
from ghost_vpr_ros.core.fleet.records import DESCRIPTOR, ID
from ghost_vpr_ros.core.search.index import SearchIndex

if TYPE_CHECKING:
    from pymilvus import MilvusClient

MOST_RESULTS = 16_384
"""A Milvus server's limit for one query."""

_Found = tuple[NDArray[np.int64], NDArray[np.float32]]


class MilvusIndex:
    """The places of a collection that were known when it was opened, as rows 0 .. N - 1.

    Places that others publish later have no row and are skipped. Added descriptors get the next
    rows and are known to this object only; `publish` shares them.

    Args:
        client: of the database.
        address: for messages; its name is the collection's.
        place_ids: (N,) int64, rising: the ids of the rows.
        descriptor_dim: D.
        descriptors_of: (n, D) of chosen ids (n,), from the database.
    """

    def __init__(
        self,
        client: MilvusClient,
        address: SharedAddress,
        place_ids: NDArray[np.int64],
        descriptor_dim: int,
        descriptors_of: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    ) -> None:
        self._client = client
        self._address = address
        self._ids = place_ids
        self._own = SearchIndex(descriptor_dim)
        self._descriptors_of = descriptors_of

    def __len__(self) -> int:
        return len(self._ids) + len(self._own)

    @property
    def descriptor_dim(self) -> int:
        """D."""
        return self._own.descriptor_dim

    def add(self, descriptor: ArrayLike) -> int:
        """Append one descriptor (D,) of unit norm; returns its row.

        Raises:
            MapError: another D, or not finite.
        """
        return len(self._ids) + self._own.add(descriptor)

    def add_all(self, descriptors: ArrayLike) -> None:
        """Append descriptors (n, D) of unit norm, in their order.

        Raises:
            MapError: another D, or not finite.
        """
        self._own.add_all(descriptors)

    def search(self, queries: ArrayLike, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The k most similar rows for each query, best first; equal ones in the order of rows.

        Args:
            queries: (Q, D) float32, unit norm.
            k: how many, at least 1.

        Returns:
            rows (Q, k') int64 and similarities (Q, k') float32 in -1 .. 1, k' = min(k, N).

        Raises:
            MapError: another D, not finite, more than the database gives at once, or it does not
                answer.
            ValueError: k is below 1.
        """
        array = np.asarray(queries, dtype=np.float32)
        own_rows, own_similarities = self._own.search(array, k)
        shared = min(k, len(self._ids))
        found = [self._shared(row, shared) for row in array] if shared else []
        kept = min(k, len(self))
        rows = np.empty((len(array), kept), dtype=np.int64)
        similarities = np.empty((len(array), kept), dtype=np.float32)
        for query in range(len(array)):
            these = [(own_rows[query] + len(self._ids), own_similarities[query])]
            these += [found[query]] if found else []
            rows[query], similarities[query] = _best(these, kept)
        return rows, similarities

    @property
    def is_exact(self) -> bool:
        """Assumed: the database decides what it compares."""
        return True

    def search_among(self, query: ArrayLike, rows: NDArray[np.int64]) -> _Found:
        """Chosen rows (n,), best first, with exact similarities (n,) to a query (1, D).

        Raises:
            MapError: another D, not finite, or the database does not answer.
        """
        array = np.asarray(query, dtype=np.float32)
        count = len(self._ids)
        shared, own = rows[rows < count], rows[rows >= count] - count
        own_rows, own_similarities = self._own.search_among(array, own)
        similarities = self._descriptors_of(self._ids[shared]) @ array[0]
        found = [(shared, similarities), (own_rows + count, own_similarities)]
        return _best(found, len(rows))

    def _shared(self, query: NDArray[np.float32], k: int) -> _Found:
        """The k best of the known rows; places published since are skipped."""
        depth = k
        while True:
            rows, similarities = self._asked(query, depth)
            is_known = rows >= 0
            if is_known.sum() >= k or len(rows) < depth:
                break
            depth *= 2
        if is_known.sum() < k:
            raise MapError(
                f'{self._address}: expected {k} places, found {is_known.sum()}; some were taken '
                'away since the shared map was opened, open it again'
            )
        return rows[is_known][:k], similarities[is_known][:k]

    def _asked(self, query: NDArray[np.float32], depth: int) -> _Found:
        """The results of the database as rows; -1 for a place without a row."""
        if depth > MOST_RESULTS:
            raise MapError(
                f'{self._address}: a database gives at most {MOST_RESULTS} places for one image, '
                f'{depth} are needed; use --temporal filter or none, or a map file'
            )
        with explained(self._address):
            (hits,) = self._client.search(
                self._address.name, data=[query], limit=depth, anns_field=DESCRIPTOR
            )
        ids = np.array([hit[ID] for hit in hits], dtype=np.int64)
        similarities = np.array([hit['distance'] for hit in hits], dtype=np.float32)
        rows = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        return np.where(self._ids[rows] == ids, rows, -1), similarities


def _best(found: list[_Found], kept: int) -> _Found:
    """The most similar of several lists, equal ones in the order of rows."""
    rows = np.concatenate([rows for rows, _ in found])
    similarities = np.concatenate([similarities for _, similarities in found])
    order = np.lexsort((rows, -similarities))[:kept]
    return rows[order], similarities[order]
