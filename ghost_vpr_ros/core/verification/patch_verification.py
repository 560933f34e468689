"""Patch-NetVLAD as a stage of the recogniser: candidates verified patch by patch.

In place of inliers stands the score, put on the scale of a number of patches: as many as would
agree if all sizes that count agreed to the same extent. It gives no relative pose: patches are
too coarse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.verification import (
    PATCH_NETVLAD,
    PatchNetVladConfig,
    VerificationConfig,
)
from ghost_vpr_ros.core.datatypes import Candidate
from ghost_vpr_ros.core.engine import Engine
from ghost_vpr_ros.core.map.views import Views
from ghost_vpr_ros.core.model.description import DescribedModel
from ghost_vpr_ros.core.probability.inlier_evidence import LEARNED
from ghost_vpr_ros.core.verification.geometric import (
    VerifiedCandidate,
    VerifiedCandidates,
    occupied_cells,
    verify_chosen,
)
from ghost_vpr_ros.core.verification.patch_netvlad import ImagePatches, PatchDescriber, compare
from ghost_vpr_ros.core.verification.view_features import ViewFeatures


class PatchNetVladVerifier:
    """Verifies the candidates of one map; not for several threads at once."""

    def __init__(
        self, views: Views, model: DescribedModel, engine: Engine, config: VerificationConfig
    ) -> None:
        """Make an empty cache.

        Args:
            views: RGB uint8 (H, W, 3) of a keyframe id, or None; may raise `ImageError`.
            model: the network whose pooling describes patches.
            engine: runs it; its owner closes it.
            config: settings; the sizes of the patches are those of `PatchNetVladConfig`, in cells
                of any feature map: so was learnt what their number says.

        Raises:
            ConfigError: the network pools without clusters.
        """
        self._config = config
        self._patches = PatchNetVladConfig(patch_map_side=0)
        self._describe = PatchDescriber(model, engine, self._patches)
        self._keyframes = ViewFeatures(views, self._describe, config.cache_keyframes)
        self._evidence = LEARNED[PATCH_NETVLAD]
        self._min_inliers = config.min_inliers or self._evidence.min_inliers

    def expect(self, image: NDArray[np.uint8]) -> None:
        """Nothing can be done in advance: the network is busy with the same image."""

    def close(self) -> None:
        """There is nothing to free."""

    def verify(
        self,
        image: NDArray[np.uint8],
        candidates: Sequence[Candidate],
        rival: int | None = None,
    ) -> VerifiedCandidates:
        """The first `config.candidates` and the rival verified, the others as they came.

        Args:
            image: RGB uint8 (H, W, 3) of the query.
            candidates: best first.
            rival: number of another one that is verified, too.
        """
        if not candidates:
            return VerifiedCandidates(())
        query = self._describe(image)
        chosen = {*range(self._config.candidates), rival}
        return verify_chosen(candidates, chosen, partial(self._verify_one, query))

    def _verify_one(self, query: ImagePatches, candidate: Candidate) -> VerifiedCandidate:
        keyframe = self._keyframes.of(candidate.keyframe.keyframe_id)
        if keyframe is None:
            return VerifiedCandidate(candidate)
        found = compare(query, keyframe, self._patches.patch_scoring)
        inliers = round(found.score * sum(len(grid) for grid in query.grids if grid.counts))
        # The first cell lies at 0.5; pixels, of which the cells of the spread are made, at 0.
        cells = min(
            occupied_cells(points - 0.5, image.width, image.height)
            for points, image in ((found.query, query), (found.reference, keyframe))
        )
        return VerifiedCandidate(
            replace(candidate, inliers=inliers),
            found.matches,
            len(found.query) / max(found.matches, 1),
            cells,
            inliers >= self._min_inliers and cells >= self._config.min_cells,
            self._evidence.likelihood_ratio(inliers),
        )
