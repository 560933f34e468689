"""A learnt 1x1 reduction of the feature map before it is pooled: C channels become R.

K * R instead of K * C numbers leave the pooling, and the whitening behind it shrinks alike. It
starts as PCA of the local features, so it serves before any training, and is trained with the
rest.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.config import PcaConfig
from ghost_vpr_ros.core.errors import SourceError, WeightsError
from ghost_vpr_ros.core.model.principal_components import principal_components


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
        wanted = self.projection.out_channels
        found = principal_components(local_features, wanted, PcaConfig(method='exact'))
        if len(found.deviations) < wanted:
            raise SourceError(
                f'reduction: expected local features that span at least {wanted} directions, '
                f'found {len(found.deviations)} in {len(local_features)} local features; use more '
                'images that show something, or a smaller reduced_channels'
            )
        directions = torch.from_numpy(found.directions)
        self.projection.weight.copy_(directions[:, :, None, None])
        self.projection.bias.copy_(-directions @ torch.from_numpy(found.mean))  # type: ignore[union-attr]
        self.initialised = True
        variance = local_features.var(dim=0).sum()
        return float((found.deviations**2).sum() / variance)
