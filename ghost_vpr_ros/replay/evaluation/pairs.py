"""Pairs of a query and a database row: which are near, in bulk, at the size of a city."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_PAIRS_PER_BLOCK = 4_000_000
"""Distances computed at once: bounds the memory to some 100 MB at any size of the problem."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of a query and a database row, as the sorted keys `query * num_database + row`."""

    keys: NDArray[np.int64]
    num_queries: int
    num_database: int

    @classmethod
    def of(
        cls,
        queries: NDArray[np.int64],
        rows: NDArray[np.int64],
        num_queries: int,
        num_database: int,
    ) -> Pairs:
        """The pairs `(queries[i], rows[i])`, each kept once."""
        # Sorting and comparing neighbours takes a fraction of the time of NumPy's `unique`.
        keys = np.sort(np.asarray(queries, np.int64) * num_database + rows)
        is_first = np.ones(len(keys), bool)
        is_first[1:] = keys[1:] != keys[:-1]
        return cls(keys[is_first], num_queries, num_database)

    def __len__(self) -> int:
        return len(self.keys)

    def rows(self, query: int) -> NDArray[np.int64]:
        """The database rows of one query, ascending."""
        bounds = np.array([query, query + 1], np.int64) * self.num_database
        first, last = np.searchsorted(self.keys, bounds)
        return self.keys[first:last] - bounds[0]

    def counts(self) -> NDArray[np.int64]:
        """(Q,) how many rows each query has."""
        if not len(self.keys):
            return np.zeros(self.num_queries, np.int64)
        return np.bincount(self.keys // self.num_database, minlength=self.num_queries)

    def mask(self, ranking: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(Q, k) whether each query and the row at that rank are a pair; -1 is no row."""
        if not len(self.keys):
            return np.zeros(ranking.shape, bool)
        wanted = np.arange(self.num_queries)[:, None] * self.num_database + ranking
        place = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return (self.keys[place] == wanted) & (ranking >= 0)

    def without(self, other: Pairs) -> Pairs:
        """These pairs less the other ones."""
        kept = np.setdiff1d(self.keys, other.keys, assume_unique=True)
        return Pairs(kept, self.num_queries, self.num_database)

    def below(self, limits: NDArray[np.int64]) -> Pairs:
        """Those whose row is below the limit of its query; limits (Q,)."""
        kept = self.keys % self.num_database < limits[self.keys // self.num_database]
        return Pairs(self.keys[kept], self.num_queries, self.num_database)


def pairs_within(
    query_points: NDArray[np.float64], database_points: NDArray[np.float64], radius_m: float
) -> Pairs:
    """Pairs no further apart than the radius.

    The database is sorted along the first axis, so that each query is compared with the strip
    of that width only.

    Args:
        query_points: (Q, 2) metres in the frame of `database_points`.
        database_points: (N, 2) metres.
        radius_m: largest distance, inclusive.
    """
    order = np.argsort(database_points[:, 0], kind='stable')
    ordered = database_points[order]
    first = np.searchsorted(ordered[:, 0], query_points[:, 0] - radius_m, 'left')
    last = np.searchsorted(ordered[:, 0], query_points[:, 0] + radius_m, 'right')
    found_queries, found_rows = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for block in _blocks(last - first):
        queries, places = _strip(block, first[block], last[block])
        offset_m = query_points[queries] - ordered[places]
        near = np.einsum('ij,ij->i', offset_m, offset_m) <= radius_m**2
        found_queries.append(queries[near])
        found_rows.append(order[places[near]])
    return Pairs.of(
        np.concatenate(found_queries),
        np.concatenate(found_rows),
        len(query_points),
        len(database_points),
    )


def _blocks(widths: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Query numbers in consecutive blocks of about `_PAIRS_PER_BLOCK` pairs."""
    block_of_query = np.cumsum(widths) // _PAIRS_PER_BLOCK
    cuts = np.flatnonzero(np.diff(block_of_query)) + 1
    return [block for block in np.split(np.arange(len(widths)), cuts) if len(block)]


def _strip(
    queries: NDArray[np.int64], first: NDArray[np.int64], last: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every pair of a query and a place in `first .. last - 1` of that query."""
    widths = last - first
    starts = np.cumsum(widths) - widths
    places = np.arange(widths.sum()) - np.repeat(starts - first, widths)
    return np.repeat(queries, widths), places
