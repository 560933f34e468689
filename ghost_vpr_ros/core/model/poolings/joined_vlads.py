"""Several NetVLADs side by side, each of the channels that one row of the trunk gave."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.model.description import POOLING_TITLES
from ghost_vpr_ros.core.model.netvlad import NetVLAD
from ghost_vpr_ros.core.model.poolings.pooling import LocalSample, Pooling


class JoinedVlads(Pooling):
    """Pools (B, sum of C_i, h, w) into (B, K * sum of C_i): the VLAD of each map, unit norm.

    Every map has K clusters of its own and the same weight in the whole.

    Attributes:
        channels: C_i of each map.
    """

    label = POOLING_TITLES['netvlad']
    needs_features = True

    def __init__(self, channels: Sequence[int], clusters: int, version: str = 'v2') -> None:
        super().__init__(clusters * sum(channels), initialised=False)
        self.channels = tuple(channels)
        self.vlads = nn.ModuleList(NetVLAD(each, clusters, version) for each in channels)

    def forward(self, feature_map: Tensor) -> Tensor:
        """Descriptors (B, K * sum of C_i), float, unit norm, of a joined map.

        Raises:
            WeightsError: the clusters were never initialised.
        """
        self.check_initialised('clusters')
        pairs = zip(self.vlads, feature_map.split(self.channels, dim=1), strict=True)
        joined = torch.cat([vlad(part) for vlad, part in pairs], dim=1)
        return joined / math.sqrt(len(self.channels))

    def initialise_from(self, sample: LocalSample | None, seed: int) -> None:
        """Clusters of each map by k-means on its part of the local features.

        Raises:
            SourceError: fewer local features than clusters, or all alike.
        """
        assert sample is not None
        pairs = zip(self.vlads, sample.features.split(self.channels, dim=1), strict=True)
        for vlad, part in pairs:
            assert isinstance(vlad, NetVLAD)
            features = nn.functional.normalize(part, dim=1)
            vlad.initialise_from(LocalSample(features, sample.roles), seed)
        self.initialised = True
