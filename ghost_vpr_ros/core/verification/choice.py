"""The verifier chosen by `verify_features`."""

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
    """Decides whether candidates show the same place as the query."""

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
        """Announce the next image, which may be verified soon, so that work on it can begin."""
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
        model: describes cells and patches, for the verifiers that use them.
        engine: runs it; its owner closes it.

    Raises:
        ConfigError: patches are requested, and the network pools without clusters.
    """
    if config.features == PATCH_NETVLAD:
        # Its network needs PyTorch, which the other verifiers do without.
        from ghost_vpr_ros.core.verification.patch_verification import PatchNetVladVerifier

        return PatchNetVladVerifier(views, model, engine, config)
    network = PatchExtractor(engine, model.preprocessing, config)
    return GeometricVerifier(views, camera, config, network)
