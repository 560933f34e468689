"""PCA whitening of descriptors, then unit norm; a smaller D is the prefix of a larger one.

Source: NetVLAD (journal version), Section 5.1 (PCA with whitening learnt on training database
descriptors, followed by L2 normalisation).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.errors import ConfigError, WeightsError

RELATIVE_FLOOR = 1e-6
"""Directions whose variance is below this share of the largest are not part of the data."""

_BLOCK_COLUMNS = 4096


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
            WeightsError: the projection was never learnt.
        """
        if not self.fitted:
            raise WeightsError(
                'whitening: the projection is not learnt; fit it to descriptors of the database, '
                'or load trained weights, before the network is run'
            )
        projected = nn.functional.linear(descriptors - self.mean, self.projection)
        return nn.functional.normalize(projected, dim=1)

    @torch.no_grad()
    def fit(self, descriptors: Tensor) -> None:
        """Learn mean and projection from (N, K * C) float32 descriptors of the database.

        The covariance is never formed: the (N, N) Gram matrix has the same non-zero spectrum, so
        memory is N * K * C for the centred descriptors and N * N beside them.

        Raises:
            ConfigError: the descriptors span fewer than D directions.
        """
        mean = descriptors.mean(dim=0)
        centred = descriptors - mean
        values, vectors = torch.linalg.eigh(_gram(centred))
        values, vectors = values.flip(0), vectors.flip(1)
        rank = int((values > RELATIVE_FLOOR * values[0]).sum())
        out_dim = self.projection.shape[0]
        if rank < out_dim:
            raise ConfigError(
                f'whitening: expected descriptors that span at least D = {out_dim} directions, '
                f'found {rank} in {len(descriptors)} images; use more images or a smaller D'
            )
        # Right singular vectors are centred^T u / s; whitening divides by s / sqrt(N - 1) again.
        scale = (len(descriptors) - 1) ** 0.5 / values[:out_dim]
        self.mean.copy_(mean)
        self.projection.copy_((vectors[:, :out_dim] * scale).T.float() @ centred)
        self.fitted = True


def _gram(centred: Tensor) -> Tensor:
    """(N, N) float64 inner products of rows, a block of columns at a time.

    In float32 its rounding would reach the variance of the weakest directions that are kept.
    """
    gram = centred.new_zeros(len(centred), len(centred), dtype=torch.float64)
    for block in centred.split(_BLOCK_COLUMNS, dim=1):
        wide = block.double()
        gram += wide @ wide.T
    return gram
