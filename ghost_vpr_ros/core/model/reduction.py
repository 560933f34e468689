"""A learned 1x1 reduction of the feature map before it is pooled: C channels become R.

K * R instead of K * C numbers leave the pooling, and the whitening shrinks accordingly. It starts
as PCA, of the local features or of what they were distilled from, so it serves before any
training, and is trained with the rest. The pooling normalises what it returns.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.config.model import PcaConfig
from ghost_vpr_ros.core.errors import SourceError, WeightsError
from ghost_vpr_ros.core.model.principal_components import PrincipalComponents, principal_components


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
    def initialise(self, local_features: Tensor, parts: Sequence[int] = ()) -> float:
        """Set the projection to PCA of (N, C) float32 local features.

        The mean is taken off by the bias; the R directions are orthonormal, best first.

        Args:
            local_features: (N, C).
            parts: channels of joined maps that are reduced separately, each to an equal share of
                R; empty: all channels are one map.

        Returns:
            The share of the variance that the R directions keep, 0 .. 1.

        Raises:
            SourceError: the local features span fewer than R directions.
        """
        widths = list(parts) or [local_features.shape[1]]
        wanted = self.projection.out_channels // len(widths)
        found = [_components(part, wanted) for part in local_features.split(widths, dim=1)]
        directions = torch.block_diag(*(torch.from_numpy(each.directions) for each in found))
        mean = torch.cat([torch.from_numpy(each.mean) for each in found])
        self.set_projection(directions, -directions @ mean)
        kept = sum(float((each.deviations**2).sum()) for each in found)
        return kept / float(local_features.var(dim=0).sum())

    @torch.no_grad()
    def set_projection(self, weight: Tensor, bias: Tensor) -> None:
        """Set the convolution to weight (R, C) and bias (R,)."""
        assert self.projection.bias is not None
        self.projection.weight.copy_(weight[:, :, None, None])
        self.projection.bias.copy_(bias)
        self.initialised = True


def _components(local_features: Tensor, wanted: int) -> PrincipalComponents:
    """The first directions of (N, C) local features.

    Raises:
        SourceError: they span fewer.
    """
    found = principal_components(local_features, wanted, PcaConfig(method='exact'))
    if len(found.deviations) < wanted:
        raise SourceError(
            f'reduction: expected local features that span at least {wanted} directions, '
            f'found {len(found.deviations)} in {len(local_features)} local features; use more '
            'images that show something, or a smaller reduced_channels'
        )
    return found
