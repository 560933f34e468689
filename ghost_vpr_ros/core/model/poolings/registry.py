"""Poolings by their names in a configuration."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import torch
from torch import nn

from ghost_vpr_ros.core.config.model import SEMANTIC, ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.model.netvlad import NetVLAD
from ghost_vpr_ros.core.model.poolings.activations import GeM, MaxPooling, SumPooling
from ghost_vpr_ros.core.model.poolings.apanet import APANet
from ghost_vpr_ros.core.model.poolings.crn import CRN
from ghost_vpr_ros.core.model.poolings.ghostvlad import GhostVLAD
from ghost_vpr_ros.core.model.poolings.hard_vlad import HardVLAD
from ghost_vpr_ros.core.model.poolings.joined_vlads import JoinedVlads
from ghost_vpr_ros.core.model.poolings.netvlad_fc import NetVLADFC
from ghost_vpr_ros.core.model.poolings.no_pool import FullyConnected, NoPool
from ghost_vpr_ros.core.model.poolings.pooling import Pooling
from ghost_vpr_ros.core.model.poolings.rmac import RMAC
from ghost_vpr_ros.core.model.poolings.spe_netvlad import SPENetVLAD
from ghost_vpr_ros.core.model.poolings.sralnet import SRALNet

Size = Callable[[], tuple[int, int]]
"""(h, w) of the feature map, worked out for those that need it."""

OWN_LEVELS = {'spe-netvlad': 2, 'apanet': 3, 'rmac': 3}
"""Pyramid levels where the configuration leaves them to the pooling."""


def _netvlad(config: ModelConfig, channels: int, _: Size) -> Pooling:
    if config.join == 'maps':
        return NetVLAD(channels, config.clusters, config.netvlad_version)
    reduced = config.reduced_channels
    parts = [reduced] * len(config.rows) if reduced else config.row_channels
    return JoinedVlads(parts, config.clusters, config.netvlad_version)


def _ghostvlad(config: ModelConfig, channels: int, _: Size) -> Pooling:
    semantic = config.pooling.endswith(SEMANTIC)
    clusters, version = config.clusters, config.netvlad_version
    return GhostVLAD(channels, clusters, version, config.ghost_clusters, semantic)


def _sralnet(config: ModelConfig, channels: int, _: Size) -> Pooling:
    semantic = config.pooling.endswith(SEMANTIC)
    clusters, version = config.clusters, config.netvlad_version
    return SRALNet(channels, clusters, version, config.shadow_clusters, semantic)


def _levels(config: ModelConfig) -> int:
    return config.pyramid_levels or OWN_LEVELS[config.pooling]


POOLINGS: Mapping[str, Callable[[ModelConfig, int, Size], Pooling]] = {
    'netvlad': _netvlad,
    'vlad': lambda c, channels, _: HardVLAD(channels, c.clusters),
    'max': lambda c, channels, _: MaxPooling(channels),
    'sum': lambda c, channels, _: SumPooling(channels),
    'gem': lambda c, channels, _: GeM(channels, c.gem_power),
    'ghostvlad': _ghostvlad,
    'ghostvlad-sc': _ghostvlad,
    'crn': lambda c, channels, _: CRN(channels, c.clusters, c.netvlad_version),
    'sralnet': _sralnet,
    'sralnet-sc': _sralnet,
    'spe-netvlad': lambda c, channels, _: SPENetVLAD(
        channels, c.clusters, c.netvlad_version, _levels(c)
    ),
    'apanet': lambda c, channels, _: APANet(channels, _levels(c)),
    'rmac': lambda c, channels, _: RMAC(channels, _levels(c)),
    'no-pool': lambda c, channels, size: NoPool(channels, size(), c.local_max),
    'netvlad-fc': lambda c, channels, _: NetVLADFC(
        channels, c.clusters, c.netvlad_version, c.fc_dim
    ),
    'fc': lambda c, channels, size: FullyConnected(channels, size(), c.local_max, c.fc_dim),
}


def build_pooling(
    config: ModelConfig, channels: int, backbone: nn.Module, preprocessing: PreprocessingConfig
) -> Pooling:
    """The configuration's pooling.

    Args:
        config: names it and its settings.
        channels: of the feature map that it is given.
        backbone: makes the feature map.
        preprocessing: size of the network's input.

    Raises:
        ConfigError: the feature map is too small for it.
    """
    return POOLINGS[config.pooling](
        config, channels, lambda: feature_map_size(backbone, preprocessing)
    )


@torch.no_grad()
def feature_map_size(backbone: nn.Module, preprocessing: PreprocessingConfig) -> tuple[int, int]:
    """(h', w') of a trunk's feature map; nothing is computed for it."""
    shapes_only = copy.deepcopy(backbone).to('meta').eval()
    size = preprocessing.height_px, preprocessing.width_px
    # Not `shapes_only(...)`: training may have replaced `forward` of the instance by a memory.
    found = type(shapes_only).forward(shapes_only, torch.empty(1, 3, *size, device='meta'))
    return found.shape[2], found.shape[3]
