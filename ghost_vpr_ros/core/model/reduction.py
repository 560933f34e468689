"""A learnt 1x1 reduction of the feature map before it is pooled: C channels become R.

K * R instead of K * C numbers leave the pooling, and the whitening behind it shrinks alike. It
starts as PCA, of the local features or of what they were distilled from, so it serves before any
training, and is trained with the rest. The pooling normalises what it returns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.config.model import PcaConfig
from ghost_vpr_ros.core.errors import SourceError, WeightsError
from ghost_vpr_ros.core.model.principal_components import principal_components


class Reduction(nn.Module):
    """(B, C, h, w) -> (B, R, h, w) by a 1x1 convolution with bias.

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
        reduced: Tensor = self.projection(feature_map)
        return reduced

    @torch.no_grad()
    def initialise(self, local_features: Tensor) -> float:
        """Set the projection to PCA of (N, C) float32 local features.

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
        self.set_projection(directions, -directions @ torch.from_numpy(found.mean))
        variance = local_features.var(dim=0).sum()
        return float((found.deviations**2).sum() / variance)

    @torch.no_grad()
    def set_projection(self, weight: Tensor, bias: Tensor) -> None:
        """Set the convolution to weight (R, C) and bias (R,)."""
        assert self.projection.bias is not None
        self.projection.weight.copy_(weight[:, :, None, None])
        self.projection.bias.copy_(bias)
        self.initialised = True
