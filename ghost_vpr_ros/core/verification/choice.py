"""The verifier of a name: `verify_features` chosen by the user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.camera import CameraIntrinsics
from ghost_vpr_ros.core.config.verification import PATCH_NETVLAD, VerificationConfig
from ghost_vpr_ros.core.datatypes import Candidate
from ghost_vpr_ros.core.engine import Engine
from ghost_vpr_ros.core.map.views import Views
from ghost_vpr_ros.core.model.description import DescribedModel
from ghost_vpr_ros.core.verification.geometric import GeometricVerifier, VerifiedCandidates
from ghost_vpr_ros.core.verification.patch_features import PatchExtractor


class Verifier(Protocol):
    """Says of candidates whether they show what the query shows."""

    def verify(
        self,
        image: NDArray[np.uint8],
        candidates: Sequence[Candidate],
        rival: int | None = None,
    ) -> VerifiedCandidates:
        """The first candidates, best first, verified against an RGB uint8 (H, W, 3) image.

        So is the one of number `rival`, with which they are compared.
        """
        ...

    def expect(self, image: NDArray[np.uint8]) -> None:
        """The next image, which may be verified soon: what can be done ahead may begin."""
        ...

    def close(self) -> None:
        """Free threads."""
        ...


def create_verifier(
    config: VerificationConfig,
    views: Views,
    camera: CameraIntrinsics | None,
    model: DescribedModel,
    engine: Engine,
) -> Verifier:
    """The verifier of `config.features`.

    Args:
        config: settings.
        views: RGB uint8 (H, W, 3) of a keyframe id, or None; may raise `ImageError`.
        camera: of the query images; None: assumed.
        model: describes cells and patches where they are asked for.
        engine: runs it; its owner closes it.

    Raises:
        ConfigError: patches are asked for, and the network pools without clusters.
    """
    if config.features == PATCH_NETVLAD:
        # Its network needs PyTorch, which the other verifiers do without.
        from ghost_vpr_ros.core.verification.patch_verification import PatchNetVladVerifier

        return PatchNetVladVerifier(views, model, engine, config)
    network = PatchExtractor(engine, model.preprocessing, config)
    return GeometricVerifier(views, camera, config, network)
