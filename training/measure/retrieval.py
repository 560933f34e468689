"""Rank the database for the queries of a protocol, and compare with the ground truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.search.index import SearchIndex
from ghost_vpr_ros.replay.evaluation.evaluator import rank_database
from ghost_vpr_ros.replay.evaluation.metrics import RECALL_RANKS, recall_at
from ghost_vpr_ros.replay.evaluation.pairs import NO_ROW
from ghost_vpr_ros.replay.evaluation.reranking import PatchReranker
from training.measure.protocols import Protocol


@dataclass(frozen=True)
class Judged:
    """Correctness of the best answers to the queries with a positive.

    Attributes:
        correct: (Q, k) bool, best first.
    """

    correct: NDArray[np.bool_]

    @property
    def recall(self) -> dict[int, float]:
        """recall@N in percent by N of `RECALL_RANKS`; NaN without queries."""
        return recall_at(self.correct, np.ones(len(self.correct), bool))


def judge(
    queries: NDArray[np.float32],
    database: NDArray[np.float32],
    protocol: Protocol,
    reranker: PatchReranker | None = None,
) -> Judged:
    """Rank the database for every query and compare the answers with the ground truth.

    Args:
        queries: (Q, D) unit-norm descriptors of the queries.
        database: (M, D) unit-norm descriptors of the database.
        protocol: of these queries and this database.
        reranker: re-ranks the best rows of each query; None: no re-ranking.

    Raises:
        ImageError: an image cannot be read for re-ranking.
    """
    truth = protocol.truth
    width = max(max(RECALL_RANKS), reranker.num_candidates if reranker else 0)
    if protocol.panorama is None:
        rows, _ = rank_database(queries, database, truth, width)
    else:
        rows = _ranked_panoramas(queries, database, protocol, protocol.panorama, width)
    if reranker is not None:
        rows, _ = reranker.rerank(protocol.queries, protocol.database, rows, {})
    rows = rows[:, : max(RECALL_RANKS)]
    return Judged(truth.positives.mask(rows)[truth.positives.counts() > 0])


def _ranked_panoramas(
    queries: NDArray[np.float32],
    database: NDArray[np.float32],
    protocol: Protocol,
    panorama: NDArray[np.int64],
    width: int,
) -> NDArray[np.int64]:
    """(Q, width) database rows, only the best view of each panorama."""
    views = int(np.unique(panorama, return_counts=True)[1].max())
    excluded = int(protocol.truth.excluded.counts().max(initial=0))
    index = SearchIndex(database.shape[1])
    index.add_all(database)
    rows, _ = index.search(queries, width * views + excluded)
    rows = np.where(protocol.truth.excluded.mask(rows), NO_ROW, rows)
    return best_views(rows, panorama)[:, :width]


def best_views(rows: NDArray[np.int64], panorama: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rankings with only the first row of each panorama, padded with `NO_ROW` at the end.

    Source: NetVLAD (journal version), Section 6.1, after Torii et al., 24/7 place recognition:
    spatial non-maximum suppression of the ranked database images.

    Args:
        rows: (Q, k) int64 database rows, best first, padded with `NO_ROW`.
        panorama: (N,) int64 panorama number of each row; negative: no panorama, always kept.
    """
    kept = np.full_like(rows, NO_ROW)
    for number, ranking in enumerate(rows):
        known = ranking[ranking != NO_ROW]
        group = np.where(panorama[known] < 0, -1 - known, panorama[known])
        first = np.sort(np.unique(group, return_index=True)[1])
        kept[number, : len(first)] = known[first]
    return kept
