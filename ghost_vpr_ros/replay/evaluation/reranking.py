"""The candidates of each query re-ranked by a slower, more exact comparison."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.engine import Engine
from ghost_vpr_ros.core.model.description import DescribedModel
from ghost_vpr_ros.core.model.whitening import Whitening
from ghost_vpr_ros.core.verification.view_features import FeatureCache
from ghost_vpr_ros.replay.config import PatchNetVladConfig, RerankConfig
from ghost_vpr_ros.replay.evaluation.pairs import NO_ROW
from ghost_vpr_ros.replay.evaluation.patch_netvlad import ImagePatches, PatchDescriber, compare


class PatchReranker:
    """Re-ranks by Patch-NetVLAD.

    Attributes:
        num_candidates: how many rows of a query are re-ranked.
    """

    def __init__(
        self,
        model: DescribedModel,
        engine: Engine,
        config: RerankConfig,
        patches: PatchNetVladConfig,
        components: Whitening | None = None,
        preprocessing: PreprocessingConfig | None = None,
    ) -> None:
        """Make an empty cache.

        Args:
            model: the network whose pooling describes patches.
            engine: runs it; its owner closes it.
            config: how many candidates, and how many images are kept.
            patches: how two images are compared.
            components: learned on patches, in place of the network's whitening.
            preprocessing: in place of the network's own.

        Raises:
            ConfigError: the network pools without clusters.
        """
        self.num_candidates = config.rerank_candidates
        self._scoring = patches.patch_scoring
        self._describe = PatchDescriber(model, engine, patches, components, preprocessing)
        self._cache: FeatureCache[ImagePatches] = FeatureCache(config.rerank_cache)

    def rerank(
        self,
        queries: Sequence[Frame],
        database: Sequence[Frame],
        rows: NDArray[np.int64],
        stage_ms: dict[str, list[float]],
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows (Q, k) in the new order, and their scores; later rows follow with score NaN.

        Rows of equal score stay in their order.

        Args:
            queries: Q frames.
            database: N frames.
            rows: (Q, k) of the database, best first, `NO_ROW` where there are no more.
            stage_ms: the time of each query is appended, as `patches` (its description) and
                `rerank` (the comparisons); the database's patches are taken as known.

        Raises:
            ImageError: an image cannot be read.
        """
        ordered, scores = rows.copy(), np.full(rows.shape, np.nan, np.float32)
        for query, frame in enumerate(queries):
            chosen = rows[query, : self.num_candidates]
            chosen = chosen[chosen != NO_ROW]
            found = self._scores(frame, database, chosen, stage_ms)
            order = np.argsort(-found, kind='stable')
            ordered[query, : len(order)] = chosen[order]
            scores[query, : len(order)] = found[order]
        return ordered, scores

    def _scores(
        self,
        frame: Frame,
        database: Sequence[Frame],
        rows: NDArray[np.int64],
        stage_ms: dict[str, list[float]],
    ) -> NDArray[np.float64]:
        image = frame.load()
        references = [self._of(int(row), database) for row in rows]
        marks = [time.perf_counter()]
        patches = self._describe(image)
        marks.append(time.perf_counter())
        found = [compare(patches, each, self._scoring).score for each in references]
        marks.append(time.perf_counter())
        for stage, taken in zip(('patches', 'rerank'), np.diff(marks), strict=True):
            stage_ms.setdefault(stage, []).append(1e3 * float(taken))
        return np.array(found, np.float64)

    def _of(self, row: int, database: Sequence[Frame]) -> ImagePatches:
        found = self._cache.get(row, lambda: self._describe(database[row].load()))
        assert found is not None
        return found
