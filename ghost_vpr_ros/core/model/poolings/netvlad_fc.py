"""NetVLAD followed by a linear layer that is trained with the rest."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.model.description import POOLING_TITLES
from ghost_vpr_ros.core.model.netvlad import NetVLAD
from ghost_vpr_ros.core.model.poolings.pooling import LocalSample, Pooling


class NetVLADFC(Pooling):
    """Pools (B, C, h, w) into (B, D): NetVLAD, a linear layer, unit norm.

    Source: NetVLAD (journal version), Section 6.2, "Dimensionality reduction": the other way to
    fewer numbers besides whitening. It is sensitive to where it starts; random orthogonal rows
    worked best, and are the start here. No bias at the start.
    """

    label = POOLING_TITLES['netvlad-fc']
    needs_features = True

    def __init__(self, channels: int, clusters: int, version: str, out_dim: int) -> None:
        """Reduce to `out_dim` numbers.

        Raises:
            ConfigError: more numbers than NetVLAD has, whose rows could not be orthogonal.
        """
        if out_dim > clusters * channels:
            raise ConfigError(
                f'fc_dim: expected at most {clusters * channels}, the numbers of NetVLAD, found '
                f'{out_dim}; a reduction only makes smaller'
            )
        super().__init__(out_dim, initialised=False)
        self.vlad = NetVLAD(channels, clusters, version)
        self.layer = nn.Linear(clusters * channels, out_dim)

    def forward(self, feature_map: Tensor) -> Tensor:
        """Descriptors (B, D), float, unit norm, of a feature map (B, C, h, w).

        Raises:
            WeightsError: the clusters were never initialised.
        """
        self.check_initialised('clusters')
        return nn.functional.normalize(self.layer(self.vlad(feature_map)), dim=1)

    @torch.no_grad()
    def initialise_from(self, sample: LocalSample | None, seed: int) -> None:
        """Clusters by k-means; orthogonal rows drawn from the seed.

        Raises:
            SourceError: fewer local features than clusters, or all alike.
        """
        self.vlad.initialise_from(sample, seed)
        generator = torch.Generator().manual_seed(seed)
        nn.init.orthogonal_(self.layer.weight, generator=generator)
        self.layer.bias.zero_()
        self.initialised = True
