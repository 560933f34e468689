"""What everything that turns images into descriptors says of itself, network or not."""

from __future__ import annotations

from typing import Protocol

from ghost_vpr_ros.core.config import PreprocessingConfig


class DescribingModel(Protocol):
    """A network or a baseline; an `Engine` runs it.

    Attributes:
        preprocessing: what turns an image into its input.
        provenance: one sentence on where its numbers come from.
        descriptor_dim: D.
    """

    preprocessing: PreprocessingConfig
    provenance: str
    descriptor_dim: int

    @property
    def name(self) -> str:
        """Architecture in words, as it stands in reports."""

    @property
    def model_hash(self) -> str:
        """SHA-256 of configuration and numbers: equal hashes give equal descriptors."""
