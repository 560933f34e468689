"""SPE-NetVLAD: concatenated NetVLADs of the cells of a spatial pyramid."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.model.description import POOLING_TITLES
from ghost_vpr_ros.core.model.netvlad import NetVLAD, vlad
from ghost_vpr_ros.core.model.poolings.regions import grid, map_size


class SPENetVLAD(NetVLAD):
    """Pools (B, C, h, w) into (B, R * K * C), where level l has 2^(l-1) x 2^(l-1) of R cells.

    Source: Yu et al., "Spatial pyramid-enhanced NetVLAD with weighted triplet loss for place
    recognition", as SRALNet sums it up: regional VLADs are stacked. One set of clusters serves all
    cells. One level is NetVLAD.

    Deviation: each regional VLAD is of unit norm before they are stacked, all weigh the same.
    """

    label = POOLING_TITLES['spe-netvlad']

    def __init__(self, channels: int, clusters: int, version: str, levels: int) -> None:
        super().__init__(channels, clusters, version)
        self.sides = [2**level for level in range(levels)]
        self.out_dim *= sum(side**2 for side in self.sides)

    def forward(self, feature_map: Tensor) -> Tensor:
        """Descriptors (B, R * K * C), float, unit norm, of a feature map (B, C, h, w).

        Raises:
            WeightsError: the clusters were never initialised.
        """
        self.check_initialised('clusters')
        x = nn.functional.normalize(feature_map, dim=1)
        weights = self.weights(x, feature_map)
        size = map_size(feature_map)
        regions = [region for side in self.sides for region in grid(*size, side)]
        stacked = [
            vlad(region.of(x).flatten(2), region.of(weights).flatten(2), self.centres)
            for region in regions
        ]
        return nn.functional.normalize(torch.cat(stacked, dim=1), dim=1)
