"""Poolings with seeded numbers, and feature maps for them."""

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.model.netvlad import NetVLAD
from ghost_vpr_ros.core.model.poolings.pooling import LocalSample, Pooling

CHANNELS = 6
CLUSTERS = 3


def unit_features(count: int, seed: int = 0, channels: int = CHANNELS) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return nn.functional.normalize(torch.randn(count, channels, generator=generator), dim=1)


def feature_map(height: int = 3, width: int = 4, seed: int = 3) -> Tensor:
    """(2, CHANNELS, h, w) with numbers of both signs."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, CHANNELS, height, width, generator=generator)


def started(layer: Pooling, roles: Tensor | None = None) -> Pooling:
    """The layer after `initialise_from` on 200 local features, in double precision."""
    layer.initialise_from(LocalSample(unit_features(200), roles), 0)
    return layer.double()


def plain(version: str = 'v2') -> NetVLAD:
    """NetVLAD from the same 200 local features."""
    layer = started(NetVLAD(CHANNELS, CLUSTERS, version))
    assert isinstance(layer, NetVLAD)
    return layer
