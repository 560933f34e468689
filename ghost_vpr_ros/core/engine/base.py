"""What every engine can do, whatever runs the network underneath."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Engine(Protocol):
    """Runs one network: inputs in, descriptors out.

    Attributes:
        name: engine and device in words, for reports.
        descriptor_dim: D.
        model_hash: of the model it runs.
    """

    name: str
    descriptor_dim: int
    model_hash: str

    def describe(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Descriptors (B, D) float32, unit norm, of network inputs (B, 3, h, w) float32."""
        ...

    def feature_map(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Feature maps (B, C, h', w') float32, as they are pooled, of inputs (B, 3, h, w)."""
        ...

    def close(self) -> None:
        """Free the network and the device's memory; the engine cannot be used afterwards."""
        ...
