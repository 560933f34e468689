"""VLAD: every location counts for the one cluster that is nearest to it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.model.description import POOLING_TITLES
from ghost_vpr_ros.core.model.kmeans import kmeans_centres
from ghost_vpr_ros.core.model.netvlad import vlad
from ghost_vpr_ros.core.model.poolings.pooling import LocalSample, Pooling


class HardVLAD(Pooling):
    """Pools (B, C, h, w) into (B, K * C): NetVLAD's limit for alpha -> infinity.

    Source: NetVLAD (journal version), Eq. 1 and the normalisation below it. In training, gradients
    reach the centres and the trunk through the residuals; which cluster is nearest has none.
    """

    label = POOLING_TITLES['vlad']
    needs_features = True

    def __init__(self, channels: int, clusters: int) -> None:
        super().__init__(clusters * channels, initialised=False)
        self.centres = nn.Parameter(torch.zeros(clusters, channels))

    def forward(self, feature_map: Tensor) -> Tensor:
        """Descriptors (B, K * C), float, unit norm, of a feature map (B, C, h, w).

        Raises:
            WeightsError: the clusters were never initialised.
        """
        self.check_initialised('clusters')
        return hard_vlad(feature_map, self.centres)

    def weights(self, x: Tensor, feature_map: Tensor) -> Tensor:
        """1 where a cluster is the nearest, else 0: (B, K, h, w); as `NetVLAD.weights`."""
        return nearest_centre(x.flatten(2), self.centres).unflatten(2, x.shape[2:])

    @torch.no_grad()
    def initialise_from(self, sample: LocalSample | None, seed: int) -> None:
        """Clusters by k-means on the local features.

        Raises:
            SourceError: fewer local features than clusters.
        """
        assert sample is not None
        self.centres.copy_(kmeans_centres(sample.features, len(self.centres), seed))
        self.initialised = True


def hard_vlad(feature_map: Tensor, centres: Tensor) -> Tensor:
    """(B, K * C) VLAD with hard assignment of (B, C, h, w) to centres (K, C), unit norm."""
    x = nn.functional.normalize(feature_map, dim=1).flatten(2)
    return vlad(x, nearest_centre(x, centres), centres)


def nearest_centre(x: Tensor, centres: Tensor) -> Tensor:
    """(B, K, N) 1 where a centre (K, C) is the nearest of local features (B, C, N), else 0."""
    # ||x - c||^2 less ||x||^2, which is the same for all clusters.
    distance2 = centres.square().sum(dim=1)[:, None] - 2.0 * centres @ x
    clusters = torch.arange(len(centres), device=x.device)[:, None]
    return (distance2.argmin(dim=1, keepdim=True) == clusters).to(x.dtype)
