"""An engine that runs the network once for each image, for passes over the same images."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.engine import Engine


class RememberingEngine:
    """Gives the descriptors of another engine, and those it has given before from memory.

    Attributes:
        known: (B, D) descriptors by the SHA-256 of the network inputs that they belong to.
        name: of the other engine.
        model_hash: of the model that it runs.
        descriptor_dim: D.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.known: dict[bytes, NDArray[np.float32]] = {}
        self.name = engine.name
        self.model_hash = engine.model_hash
        self.descriptor_dim = engine.descriptor_dim

    def describe(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Descriptors (B, D) of network inputs, RGB uint8 (B, h, w, 3)."""
        key = hashlib.sha256(np.ascontiguousarray(pixels).data).digest()
        if key not in self.known:
            self.known[key] = self._engine.describe(pixels)
        return self.known[key]

    def feature_map(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Feature maps (B, C, h', w') of the same inputs; not remembered."""
        return self._engine.feature_map(pixels)

    def describe_with_map(
        self, pixels: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Both; not remembered."""
        return self._engine.describe_with_map(pixels)

    def close(self) -> None:
        """Free the other engine and the remembered descriptors."""
        self.known.clear()
        self._engine.close()
