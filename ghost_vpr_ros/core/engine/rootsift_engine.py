"""The baseline RootSIFT-VLAD behind the interface of the engines that run networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.engine import Engine, create_engine
from ghost_vpr_ros.core.model.weights_file import StoredModel

if TYPE_CHECKING:
    from ghost_vpr_ros.core.model.rootsift_vlad import RootSiftVlad
    from ghost_vpr_ros.core.model.vpr_model import VprModel


class RootSiftEngine:
    """Runs RootSIFT-VLAD on the CPU; an `Engine`."""

    def __init__(self, model: RootSiftVlad) -> None:
        """Keep the model."""
        self._model = model
        self.name = 'OpenCV on cpu'
        self.descriptor_dim = model.descriptor_dim
        self.model_hash = model.model_hash

    def describe(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Descriptors (B, D) float32, unit norm, of inputs, RGB uint8 (B, h, w, 3)."""
        found: NDArray[np.float32] = self._model(pixels).detach().numpy()
        return found

    def feature_map(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Grids of RootSIFT (B, 128, 4 * rows, columns) float32 of the same inputs."""
        return self._model.feature_map(pixels)

    def describe_with_map(
        self, pixels: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What `describe` and `feature_map` give."""
        return self.describe(pixels), self.feature_map(pixels)

    def close(self) -> None:
        """Nothing to free."""


def create_any_engine(
    model: VprModel | StoredModel | RootSiftVlad, config: EngineConfig | None = None
) -> Engine:
    """As `create_engine`, also for the baseline, which no setting changes.

    Raises:
        DeviceError, WeightsError: as `create_engine`.
    """
    if not isinstance(model, StoredModel):
        from ghost_vpr_ros.core.model.rootsift_vlad import RootSiftVlad

        if isinstance(model, RootSiftVlad):
            return RootSiftEngine(model)
    return create_engine(model, config)
