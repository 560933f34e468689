"""The description of a network, without its weights and without PyTorch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.config.settings import settings_of

BACKBONE_TITLES = {
    'ghostcnn': 'Ghost',
    'alexnet': 'Alex',
    'alexnet_ungrouped': 'Alex-ungrouped',
    'vgg16': 'VGG16',
    'mobilenet_v3_large': 'MobileNetV3',
    'resnet18': 'ResNet18',
}
"""Trunks, as the papers' tables call them."""

POOLING_TITLES = {
    'netvlad': 'NetVLAD',
    'vlad': 'VLAD',
    'max': 'Max',
    'sum': 'Sum',
    'gem': 'GeM',
    'ghostvlad': 'GhostVLAD',
    'ghostvlad-sc': 'GhostVLAD-SC',
    'crn': 'CRN',
    'sralnet': 'SRALNet',
    'sralnet-sc': 'SRALNet-SC',
    'spe-netvlad': 'SPE-NetVLAD',
    'apanet': 'APANet',
    'rmac': 'R-MAC',
    'no-pool': 'no-pool',
    'netvlad-fc': 'NetVLAD+FC',
    'fc': 'no-pool+FC',
}
"""The same for poolings."""


class DescribedModel(Protocol):
    """A network in memory or in a file: what is needed to run it through an engine."""

    @property
    def preprocessing(self) -> PreprocessingConfig:
        """What turns an image into this network's input."""
        ...

    @property
    def provenance(self) -> str:
        """Where the weights come from."""
        ...

    @property
    def name(self) -> str:
        """Architecture in words."""
        ...

    @property
    def descriptor_dim(self) -> int:
        """D."""
        ...

    @property
    def model_hash(self) -> str:
        """Equal hashes give equal descriptors."""
        ...


@dataclass(frozen=True)
class ModelDescription:
    """The head of a weights file.

    Attributes:
        config: the architecture; None for a foreign network, of which only a graph is known.
        preprocessing: what turns an image into this network's input.
        provenance: one sentence on where the weights come from; shown to users.
        descriptor_dim: D of what leaves the network.
        model_hash: equal hashes give equal descriptors.
        title: name of a foreign network.
        takes_batches: whether a graph takes several images at once.
    """

    config: ModelConfig | None
    preprocessing: PreprocessingConfig
    provenance: str
    descriptor_dim: int
    model_hash: str
    title: str = ''
    takes_batches: bool = True

    @property
    def name(self) -> str:
        """Architecture in words."""
        if self.config is None:
            return f'{self.title}, {self.preprocessing.size_text}, {self.descriptor_dim}-D'
        return architecture_name(self.config, self.preprocessing, self.descriptor_dim)


def architecture_name(
    config: ModelConfig, preprocessing: PreprocessingConfig, descriptor_dim: int
) -> str:
    """The name in reports: `Ghost-dil-NetVLAD(5-2), ..., 512-D`."""
    a, b = config.dilation
    pooling = POOLING_TITLES[config.pooling]
    kind = f'{BACKBONE_TITLES[config.backbone]}-{pooling}'
    if config.backbone == 'ghostcnn' and (a, b) != (1, 1):
        kind = f'Ghost-dil-{pooling}({a}-{b})'
    changed = [
        f'{item.name}={getattr(config, item.name)}'
        for item in settings_of(ModelConfig)
        if item.name not in ('backbone', 'dilation', 'descriptor_dim', 'pooling')
        and getattr(config, item.name) != item.default
    ]
    return ', '.join([kind, *changed, preprocessing.size_text, f'{descriptor_dim}-D'])


def content_hash(configuration: Mapping[str, str], arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256, 64 hexadecimal digits, of a configuration and the tensors that run under it.

    Numbers that a file keeps as float16 count as the float32 numbers that they become.
    """
    digest = hashlib.sha256(json.dumps(dict(configuration)).encode())
    for key, array in sorted(arrays.items()):
        digest.update(key.encode())
        wide = array.astype(np.float32) if array.dtype == np.float16 else array
        digest.update(np.ascontiguousarray(wide).data)
    return digest.hexdigest()
