"""PCA whitening of descriptors, then unit norm; a smaller D is the prefix of a larger one.

Source: NetVLAD (journal version), Section 6.2 (PCA with whitening learned on training database
descriptors, followed by L2 normalisation).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.config.model import PcaConfig
from ghost_vpr_ros.core.errors import WeightsError
from ghost_vpr_ros.core.model.principal_components import (
    Rows,
    SpanError,
    principal_components,
)


class Whitening(nn.Module):
    """Projects (B, K * C) to (B, D) and normalises; D rows of the projection, best first.

    Attributes:
        fitted: False until `fit` or loaded weights have set the projection.
    """

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.fitted = False
        self.mean = nn.Parameter(torch.zeros(in_dim))
        self.projection = nn.Parameter(torch.zeros(out_dim, in_dim))

    def forward(self, descriptors: Tensor) -> Tensor:
        """Whitened descriptors (B, D), float32, unit norm, of descriptors (B, K * C).

        Raises:
            WeightsError: the projection was never learned.
        """
        if not self.fitted:
            raise WeightsError(
                'whitening: the projection is not learned; fit it to descriptors of the database, '
                'or load trained weights, before the network is run'
            )
        projected = nn.functional.linear(descriptors - self.mean, self.projection)
        return nn.functional.normalize(projected, dim=1)

    @torch.no_grad()
    def fit(
        self,
        descriptors: Rows,
        config: PcaConfig | None = None,
        power: float = 1.0,
        seed: int = 0,
        shrinkage: float = 0.0,
    ) -> None:
        """Learn mean and projection from (N, K * C) descriptors of the database.

        Args:
            descriptors: N rows: an array, a memmap (float16, too) or a CPU tensor; they are read
                in blocks, several times.
            config: method and memory; the defaults where not given.
            power: exponent of the deviations that are divided by; 1: whitening, 0: PCA alone.
            seed: of the randomised method.
            shrinkage: share of their mean in the D variances, so that directions which few
                images vary in are not blown up; 0: none.

        Raises:
            SpanError: the descriptors span fewer than D directions.
            ConfigError: the memory is too small.
        """
        out_dim = self.projection.shape[0]
        found = principal_components(descriptors, out_dim, config or PcaConfig(), seed)
        if len(found.deviations) < out_dim:
            raise SpanError(out_dim, len(found.deviations), descriptors.shape[0])
        variances = (1.0 - shrinkage) * found.deviations**2
        variances += shrinkage * (found.deviations**2).mean()
        scale = torch.from_numpy((variances ** (-power / 2.0)).astype('float32'))
        directions = torch.from_numpy(found.directions)
        self.set_projection(torch.from_numpy(found.mean), scale[:, None] * directions)

    @torch.no_grad()
    def set_projection(self, mean: Tensor, projection: Tensor) -> None:
        """Set the mean (K * C,) that is subtracted and the projection (D, K * C)."""
        self.mean.copy_(mean)
        self.projection.copy_(projection)
        self.fitted = True

    def prefix(self, dim: int) -> Whitening:
        """A whitening to the first of the D dimensions; its output is of unit norm again."""
        in_dim = len(self.mean)
        short = Whitening(in_dim, dim)
        short.set_projection(self.mean, self.projection[:dim])
        return short
