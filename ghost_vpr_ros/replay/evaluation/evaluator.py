"""Retrieval evaluated: every query against the whole database, judged by ground truth."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Frame, Progress
from ghost_vpr_ros.core.engine import Engine
from ghost_vpr_ros.core.model.description import DescribedModel
from ghost_vpr_ros.core.preprocessing import least_side_px, pixel_batch
from ghost_vpr_ros.core.search.index import SearchIndex
from ghost_vpr_ros.replay.descriptors.extraction import extract_descriptors
from ghost_vpr_ros.replay.evaluation.ground_truth import GroundTruth
from ghost_vpr_ros.replay.evaluation.metrics import (
    RECALL_RANKS,
    PrecisionRecall,
    latency_percentiles,
    precision_recall,
    recall_at,
)
from ghost_vpr_ros.replay.evaluation.pairs import NO_ROW

if TYPE_CHECKING:
    from ghost_vpr_ros.replay.evaluation.reranking import PatchReranker


@dataclass(frozen=True)
class Evaluation:
    """Retrieved images of each query, and whether they are right.

    Attributes:
        database: N frames.
        queries: Q frames.
        truth: positives and excluded pairs of these two.
        rows: (Q, k) int64 database rows, best first, `NO_ROW` where there are no more.
        similarity: (Q, k) float32 of those rows, NaN where there are no more; re-ranked: the
            score instead, which is not one of cosines.
        stage_ms: milliseconds of each query by stage.
        retrieved: (Q, k) the rows before re-ranking; None where nothing was re-ranked.
    """

    database: Sequence[Frame]
    queries: Sequence[Frame]
    truth: GroundTruth
    rows: NDArray[np.int64]
    similarity: NDArray[np.float32]
    stage_ms: dict[str, list[float]]
    retrieved: NDArray[np.int64] | None = None

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """(Q, k) whether the row at that rank is a positive."""
        return self.truth.positives.mask(self.rows)

    @cached_property
    def has_positives(self) -> NDArray[np.bool_]:
        """(Q,) whether the database holds a positive."""
        return self.truth.positives.counts() > 0

    @cached_property
    def curve(self) -> PrecisionRecall:
        """Precision and recall over the similarity of the best candidate."""
        num_answerable = int(self.has_positives.sum())
        return precision_recall(self.similarity[:, 0], self.correct[:, 0], num_answerable)

    def recall(self, ranks: Sequence[int] = RECALL_RANKS) -> dict[int, float]:
        """recall@N in percent of the queries with positives."""
        return recall_at(self.correct, self.has_positives, ranks)

    def first_positive_rank(self) -> NDArray[np.int64]:
        """(Q,) rank of the first positive from 1, or 0 where none was retrieved."""
        found = self.correct.any(axis=1)
        return np.where(found, self.correct.argmax(axis=1) + 1, 0)

    def metrics(self) -> dict[str, Any]:
        """The figures by their names in `metrics.json`, without those of the model."""
        return {
            'recall': {str(n): value for n, value in self.recall().items()},
            **self._recall_before(),
            'average_precision': self.curve.average_precision,
            'recall_at_100_precision': 100.0 * self.curve.recall_at_100_precision,
            'num_queries': len(self.queries),
            'num_queries_without_positives': int((~self.has_positives).sum()),
            'num_database': len(self.database),
            'latency_ms': latency_percentiles(self.stage_ms),
        }

    def _recall_before(self) -> dict[str, dict[str, float]]:
        if self.retrieved is None:
            return {}
        correct = self.truth.positives.mask(self.retrieved)
        recall = recall_at(correct, self.has_positives, RECALL_RANKS)
        return {'recall_before_reranking': {str(n): value for n, value in recall.items()}}


def evaluate(
    database: Sequence[Frame],
    queries: Sequence[Frame],
    truth: GroundTruth,
    model: DescribedModel,
    engine: Engine,
    *,
    descriptors: NDArray[np.float32] | None = None,
    reranker: PatchReranker | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Describe the database, retrieve candidates for each query, one at a time and timed.

    Args:
        database: N frames.
        queries: Q frames.
        truth: of these queries and this database.
        model: whose preprocessing is applied.
        engine: runs the model.
        descriptors: (N, D) of the database where they are known already (from a map).
        reranker: puts the first rows of each query into another order; None: they stay.
        progress: called for each frame of the database, then of the queries.

    Raises:
        ImageError: an image cannot be read; the message names it.
    """
    if descriptors is None:
        descriptors = extract_descriptors(database, model, engine, progress=progress)
    index = SearchIndex(engine.descriptor_dim)
    index.add_all(descriptors)
    width = max(max(RECALL_RANKS), reranker.num_candidates if reranker else 0)
    depth = _depth(truth, width)
    stage_ms: dict[str, list[float]] = {}
    found = [
        _retrieve(frame, model, engine, index, depth, stage_ms, progress) for frame in queries
    ]
    retrieved, cosines = map(np.concatenate, zip(*found, strict=True))
    rows, similarity = _without_excluded(truth, retrieved, cosines, width)
    best = np.s_[:, : max(RECALL_RANKS)]
    if reranker is None:
        return Evaluation(database, queries, truth, rows[best], similarity[best], stage_ms)
    ordered, scores = reranker.rerank(queries, database, rows, stage_ms)
    return Evaluation(
        database, queries, truth, ordered[best], scores[best], stage_ms, retrieved=rows[best]
    )


def rank_database(
    queries: NDArray[np.float32],
    database: NDArray[np.float32],
    truth: GroundTruth,
    width: int = max(RECALL_RANKS),
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rows and similarities (Q, k) of queries that are described already, as in `Evaluation`.

    Args:
        queries: (Q, D) float32, unit norm.
        database: (N, D) float32, unit norm.
        truth: of these two; what it excludes is left out of the rankings.
        width: k.
    """
    index = SearchIndex(database.shape[1])
    index.add_all(database)
    return _without_excluded(truth, *index.search(queries, _depth(truth, width)), width)


def _depth(truth: GroundTruth, width: int) -> int:
    """How many rows are retrieved so that `width` are left without the excluded ones."""
    return width + int(truth.excluded.counts().max(initial=0))


def _retrieve(
    frame: Frame,
    model: DescribedModel,
    engine: Engine,
    index: SearchIndex,
    depth: int,
    stage_ms: dict[str, list[float]],
    progress: Progress | None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rows and similarities (1, k) of one query; the time of each stage is appended."""
    marks = [time.perf_counter()]
    image = frame.at_least(least_side_px(model.preprocessing))
    marks.append(time.perf_counter())
    pixels = pixel_batch(image, model.preprocessing)
    marks.append(time.perf_counter())
    descriptor = engine.describe(pixels)
    marks.append(time.perf_counter())
    rows, similarity = index.search(descriptor, depth)
    marks.append(time.perf_counter())
    for stage, taken in zip(
        ('load', 'preprocess', 'describe', 'search'), np.diff(marks), strict=True
    ):
        stage_ms.setdefault(stage, []).append(1e3 * float(taken))
    if progress:
        progress(1)
    return rows, similarity


def _without_excluded(
    truth: GroundTruth, rows: NDArray[np.int64], similarity: NDArray[np.float32], width: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The rankings with excluded rows taken out and the gaps closed, at most `width` wide."""
    excluded = truth.excluded.mask(rows)
    order = np.argsort(excluded, axis=1, kind='stable')
    gone = np.take_along_axis(excluded, order, axis=1)
    closed = np.where(gone, NO_ROW, np.take_along_axis(rows, order, axis=1))
    scores = np.where(gone, np.nan, np.take_along_axis(similarity, order, axis=1))
    return closed[:, :width], scores[:, :width].astype(np.float32)
