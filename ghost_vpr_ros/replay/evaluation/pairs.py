"""Pairs of a query and a database row, and which of them are near each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NO_ROW = -1
"""Filler of a ranking that is shorter than the widest one."""


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
        """(Q, k) whether each query and the row at that rank are a pair; `NO_ROW` is none."""
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

    Args:
        query_points: (Q, 2) metres in the frame of `database_points`.
        database_points: (N, 2) metres.
        radius_m: largest distance, inclusive.
    """
    # Not at the top: most commands start without SciPy.
    from scipy.spatial import cKDTree

    near = cKDTree(query_points).sparse_distance_matrix(
        cKDTree(database_points), radius_m, output_type='ndarray'
    )
    return Pairs.of(near['i'], near['j'], len(query_points), len(database_points))
