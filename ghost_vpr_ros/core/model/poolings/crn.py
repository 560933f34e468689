"""CRN: NetVLAD that weighs each location by what surrounds it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.model.description import POOLING_TITLES
from ghost_vpr_ros.core.model.netvlad import NetVLAD
from ghost_vpr_ros.core.model.poolings.pooling import LocalSample
from ghost_vpr_ros.core.model.poolings.regions import map_size

FILTERS = ((3, 32), (5, 32), (7, 20))
"""Size of the context filters and how many of each."""


class CRN(NetVLAD):
    """Pools (B, C, h, w) into (B, K * C): V_k = sum_i m_i a_k(x_i) (x_i - c_k).

    Source: Kim, Dunn, Frahm, "Learned contextual feature reweighting for image geo-localization".
    The contextual reweighting network sees the feature map before it is normalised, at half its
    size (means of 3 x 3, stride 2): filters of three sizes with ReLU, side by side; a 1x1
    convolution adds their answers up to one mask, ReLU; bilinear interpolation brings the mask
    back to the size of the feature map. A mask of ones is NetVLAD.

    Deviations: borders are padded, so that small feature maps serve, too. The 1x1 convolution
    starts with ones, as the authors' does, and is then trained with the rest.
    """

    label = POOLING_TITLES['crn']

    def __init__(self, channels: int, clusters: int, version: str) -> None:
        super().__init__(channels, clusters, version)
        self.context = nn.ModuleList(
            nn.Conv2d(channels, count, size, padding=size // 2) for size, count in FILTERS
        )
        self.accumulate = nn.Conv2d(sum(count for _, count in FILTERS), 1, 1)

    def mask(self, feature_map: Tensor) -> Tensor:
        """(B, 1, h, w), not negative, of a feature map (B, C, h, w)."""
        coarse = nn.functional.avg_pool2d(feature_map, 3, 2, padding=1, count_include_pad=False)
        seen = torch.cat([each(coarse).relu() for each in self.context], dim=1)
        summed = self.accumulate(seen).relu()
        return nn.functional.interpolate(
            summed, map_size(feature_map), mode='bilinear', align_corners=False
        )

    def weights(self, x: Tensor, feature_map: Tensor) -> Tensor:
        """m_i a_k(x_i), (B, K, h, w)."""
        return self.mask(feature_map) * super().weights(x, feature_map)

    def initialise_from(self, sample: LocalSample | None, seed: int) -> None:
        """Clusters by k-means; context filters drawn after Glorot, their sum with ones.

        Raises:
            SourceError: fewer local features than clusters, or all alike.
        """
        super().initialise_from(sample, seed)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for each in self.context:
                assert isinstance(each, nn.Conv2d)
                assert each.bias is not None
                nn.init.xavier_uniform_(each.weight, generator=generator)
                each.bias.zero_()
            assert self.accumulate.bias is not None
            self.accumulate.weight.fill_(1.0)
            self.accumulate.bias.zero_()
