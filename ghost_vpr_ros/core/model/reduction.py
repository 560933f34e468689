"""A learnt 1x1 reduction of the feature map before it is pooled: C channels become R.

K * R instead of K * C numbers leave the pooling, and the whitening behind it shrinks alike. It
starts as PCA of the local features, so it serves before any training, and is trained with the
rest.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.errors import SourceError, WeightsError

RELATIVE_FLOOR = 1e-6
"""Directions whose variance is below this share of the largest are not part of the data."""


class Reduction(nn.Module):
    """(B, C, h, w) -> (B, R, h, w): unit norm at each location, then a 1x1 convolution.

    Attributes:
        initialised: False until `initialise` or loaded weights have set the convolution.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.projection = nn.Conv2d(in_channels, out_channels, 1)
        nn.init.zeros_(self.projection.weight)
        nn.init.zeros_(self.projection.bias)  # type: ignore[arg-type]
        self.initialised = False

    def forward(self, feature_map: Tensor) -> Tensor:
        """Reduced feature map (B, R, h, w), float, of a feature map (B, C, h, w).

        Raises:
            WeightsError: the projection was never initialised.
        """
        if not self.initialised:
            raise WeightsError(
                'reduction: the projection is not initialised; initialise it from local features, '
                'or load trained weights, before the network is run'
            )
        return self.projection(nn.functional.normalize(feature_map, dim=1))

    @torch.no_grad()
    def initialise(self, local_features: Tensor) -> float:
        """Set the projection to PCA of (N, C) float32 unit-norm local features.

        The mean is taken off by the bias; the R directions are orthonormal, best first.

        Returns:
            The share of the variance that the R directions keep, 0 .. 1.

        Raises:
            SourceError: the local features span fewer than R directions.
        """
        features = local_features.double()
        mean = features.mean(dim=0)
        centred = features - mean
        values, vectors = torch.linalg.eigh(centred.T @ centred)
        values, vectors = values.flip(0), vectors.flip(1)
        wanted = self.projection.out_channels
        rank = int((values > RELATIVE_FLOOR * values[0]).sum())
        if rank < wanted:
            raise SourceError(
                f'reduction: expected local features that span at least {wanted} directions, '
                f'found {rank} in {len(features)} local features; use more images that show '
                'something, or a smaller reduced_channels'
            )
        directions = vectors[:, :wanted].T
        self.projection.weight.copy_(directions[:, :, None, None])
        self.projection.bias.copy_(-directions @ mean)  # type: ignore[union-attr]
        self.initialised = True
        return float(values[:wanted].sum() / values.sum())
