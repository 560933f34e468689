"""The whole network as one object: image batch in, descriptors out, with its description."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.config.settings import Config, settings_of
from ghost_vpr_ros.core.model.backbones import build_backbone
from ghost_vpr_ros.core.model.description import architecture_name, content_hash
from ghost_vpr_ros.core.model.poolings.registry import build_pooling
from ghost_vpr_ros.core.model.reduction import Reduction
from ghost_vpr_ros.core.model.whitening import Whitening

_OF_POOLINGS = (
    'pooling',
    'ghost_clusters',
    'shadow_clusters',
    'gem_power',
    'pyramid_levels',
    'local_max',
    'fc_dim',
)
JOINED_LATER = (
    'reduced_channels',
    'brightness',
    'local_contrast',
    'fit',
    'backbone',
    'rows',
    'join',
    *_OF_POOLINGS,
)
"""Settings younger than the first weights files. At their defaults they are not written, so that
older files and maps keep their hashes."""


class VprModel(nn.Module):
    """Trunk -> reduction (where R > 0) -> pooling -> whitening (where D > 0).

    Attributes:
        config: the architecture.
        preprocessing: what turns an image into this network's input.
        provenance: one sentence on where the weights come from; shown to users.
        descriptor_dim: D, or without whitening the pooling's: K * R for NetVLAD (R = C without
            reduction).
    """

    def __init__(
        self, config: ModelConfig, preprocessing: PreprocessingConfig, provenance: str = ''
    ) -> None:
        super().__init__()
        self.config = config
        self.preprocessing = preprocessing
        self.provenance = provenance
        self.backbone = build_backbone(config)
        channels = config.pooled_channels
        self.reduction = (
            Reduction(config.trunk_channels, channels)
            if config.reduced_channels
            else nn.Identity()
        )
        self.pooling = build_pooling(config, channels, self.backbone, preprocessing)
        self.descriptor_dim = config.descriptor_dim or self.pooling.out_dim
        self.whitening = (
            Whitening(self.pooling.out_dim, config.descriptor_dim)
            if config.descriptor_dim
            else nn.Identity()
        )

    def forward(self, batch: Tensor) -> Tensor:
        """Descriptors (B, D), unit norm, of network inputs (B, 3, h, w) float32."""
        return self.whitening(self.describe_unwhitened(batch))

    def describe_unwhitened(self, batch: Tensor) -> Tensor:
        """Descriptors, unit norm, of the pooling, before the whitening."""
        return self.pooling(self.feature_map(batch))

    def feature_map(self, batch: Tensor) -> Tensor:
        """(B, R, h', w'): the input of the pooling."""
        return self.reduction(self.backbone(batch))

    @property
    def name(self) -> str:
        """The architecture in reports: `Ghost-dil-NetVLAD(5-2), ..., 512-D`."""
        return architecture_name(self.config, self.preprocessing, self.descriptor_dim)

    def describe_configuration(self) -> dict[str, str]:
        """Architecture and preprocessing as JSON texts: what a weights file must carry."""
        return {'config': _text(self.config), 'preprocessing': _text(self.preprocessing)}

    @property
    def model_hash(self) -> str:
        """SHA-256 over configuration and every tensor: equal hashes give equal descriptors."""
        return content_hash(self.describe_configuration(), arrays_of(self.state_dict()))


def _text(config: Config) -> str:
    """The settings as JSON, without those that joined later and are at their defaults."""
    absent = {
        item.name
        for item in settings_of(type(config))
        if item.name in JOINED_LATER and getattr(config, item.name) == item.default
    }
    written = {key: value for key, value in config.to_dict().items() if key not in absent}
    return json.dumps(written, sort_keys=True)


def arrays_of(tensors: Mapping[str, Tensor]) -> dict[str, NDArray[np.float32]]:
    """The tensors as NumPy arrays on the CPU."""
    return {key: tensor.detach().cpu().numpy() for key, tensor in tensors.items()}
