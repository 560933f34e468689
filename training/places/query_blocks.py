"""The order of the training queries, and the blocks that are mined at once.

Source: NetVLAD (journal version), Sections 5.1 and 5.2. A block is what lies between two
computations of the cache: N_r queries.
"""

from __future__ import annotations

from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

_ITERATIONS = 20


@dataclass(frozen=True)
class Block:
    """Queries that are mined at once, before any of them is trained on.

    Attributes:
        epoch: from 0.
        number: of the block in its epoch, from 0.
        queries: (n,) int64 rows in the order of training.
    """

    epoch: int
    number: int
    queries: NDArray[np.int64]


def cut_blocks(epoch: int, queries: NDArray[np.int64], size: int) -> list[Block]:
    """Blocks of `size` queries in the given order; the last one may be smaller."""
    starts = range(0, len(queries), size)
    return [
        Block(epoch, number, queries[start : start + size]) for number, start in enumerate(starts)
    ]


def clustered_order(
    points_m: NDArray[np.float64], clusters: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Query numbers in the order of their cluster (Section 5.2).

    Queries near each other share potential positives, so a block of them needs few images. To
    emulate stochastic descent the clusters are new for each `rng`, and the order of the clusters
    and of the queries inside each is random.

    The paper does not say how many clusters: ours are as many as there are blocks.

    Args:
        points_m: (Q, 2) metres.
        clusters: at least 1.
        rng: of the epoch.
    """
    seed = int(rng.integers(2**31))
    shuffled = rng.permutation(len(points_m))
    if clusters > 1:
        member = _clusters(points_m[shuffled], clusters, seed)
        place_of_cluster = rng.permutation(clusters)
        shuffled = shuffled[np.argsort(place_of_cluster[member], kind='stable')]
    return shuffled


def _clusters(points_m: NDArray[np.float64], clusters: int, seed: int) -> NDArray[np.int64]:
    """(Q,) k-means cluster of each point; positions are centred, float32 holds no UTM."""
    centred = np.ascontiguousarray(points_m - points_m.mean(axis=0), np.float32)
    kmeans = faiss.Kmeans(
        2,
        clusters,
        niter=_ITERATIONS,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=len(points_m),
    )
    kmeans.train(centred)
    member: NDArray[np.int64] = kmeans.index.search(centred, 1)[1][:, 0]
    return member
