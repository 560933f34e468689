"""R-MAC: the largest activations of overlapping squares of several sizes, added up."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.model.description import POOLING_TITLES
from ghost_vpr_ros.core.model.poolings.pooling import Pooling
from ghost_vpr_ros.core.model.poolings.regions import map_size, squares


class RMAC(Pooling):
    """Pools (B, C, h, w) into (B, C).

    Source: Tolias, Sicre, Jegou, "Particular object retrieval with integral max-pooling of CNN
    activations": each region's largest activations, to unit norm, summed over all regions of the
    levels 1 .. L (L = 3), to unit norm. With L = 1 and a square feature map it is Max.

    Deviation: regions are not whitened by PCA on their own; the network's whitening, of the whole
    descriptor, follows the pooling as it does for all others.
    """

    label = POOLING_TITLES['rmac']

    def __init__(self, channels: int, levels: int) -> None:
        super().__init__(channels, initialised=True)
        self.levels = levels

    def forward(self, feature_map: Tensor) -> Tensor:
        """Descriptors (B, C), float, unit norm, of a feature map (B, C, h, w)."""
        regions = squares(*map_size(feature_map), self.levels)
        each = torch.stack([region.of(feature_map).amax((2, 3)) for region in regions], dim=1)
        return nn.functional.normalize(nn.functional.normalize(each, dim=2).sum(dim=1), dim=1)
