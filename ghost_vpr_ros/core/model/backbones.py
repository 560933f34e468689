"""The trunks of the papers' networks: images in, a feature map out.

Sources: NetVLAD (journal version), Section 6.1: AlexNet and VGG-16, cropped at the last
convolution before its ReLU. Ghost-dil-NetVLAD, Section 4: these, MobileNetV3-Large cropped before
its average pooling, and GhostCNN. ResNet-18 ends with conv4.

AlexNet, VGG-16, MobileNetV3 and ResNet-18 are torchvision's definitions, so that their weights fit
(`torchvision_weights.py`); torchvision is imported only where one of them is built.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import nn

from ghost_vpr_ros.core.config.model import BACKBONE_CHANNELS, ModelConfig
from ghost_vpr_ros.core.errors import PackageError
from ghost_vpr_ros.core.model.blank_network import blank_network
from ghost_vpr_ros.core.model.ghostcnn import ROWS, GhostCNN
from ghost_vpr_ros.core.model.joined_maps import RowsTrunk

BLOCKS_OF_MOBILENET = 15


class Trunk(RowsTrunk):
    """Images (B, 3, H, W) -> feature map (B, C, h', w'), as parts in a row.

    Attributes:
        out_channels: C.
    """

    def __init__(self, parts: OrderedDict[str, nn.Module], out_channels: int) -> None:
        super().__init__(parts)
        self.out_channels = out_channels


class Backbone(NamedTuple):
    """One architecture.

    Attributes:
        layers: layers that a training can begin at -> the number of the part where they start.
        build: the trunk with random numbers.
    """

    layers: dict[str, int]
    build: Callable[[ModelConfig], GhostCNN | Trunk]


def build_backbone(config: ModelConfig) -> GhostCNN | Trunk:
    """The trunk of this architecture; its weights are random.

    Raises:
        PackageError: it is torchvision's, and torchvision is not installed.
    """
    trunk = BACKBONES[config.backbone].build(config)
    if config.rows and not trunk.rows:
        trunk.join_rows(config.rows, config.row_channels)
    return trunk


def _build_alexnet(config: ModelConfig) -> Trunk:
    """conv5 without its ReLU: (B, 256, 29, 39) at 640x480."""
    features = _blank(lambda models: models.alexnet()).features[:11]
    return _of_torchvision(config, features.named_children())


def _build_alexnet_ungrouped(config: ModelConfig) -> Trunk:
    """AlexNet of 2012 without its groups, the one whose size Ghost-dil-NetVLAD states.

    96, 256, 384, 384 and 256 channels, every channel of a layer connected to every one before:
    3,747,200 parameters. Kernels, strides and paddings are those of torchvision's AlexNet, in
    which each part has the same number.
    """
    layers: list[nn.Module] = [
        nn.Conv2d(3, 96, 11, stride=4, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(96, 256, 5, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(256, 384, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(384, 384, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(384, 256, 3, padding=1),
    ]
    parts = OrderedDict((str(number), layer) for number, layer in enumerate(layers))
    return Trunk(parts, BACKBONE_CHANNELS[config.backbone])


def _build_vgg16(config: ModelConfig) -> Trunk:
    """conv5_3 without its ReLU: (B, 512, 30, 40) at 640x480."""
    features = _blank(lambda models: models.vgg16()).features[:29]
    return _of_torchvision(config, features.named_children())


def _build_mobilenet_v3_large(config: ModelConfig) -> Trunk:
    """Up to the 1x1 convolution before the average pooling: (B, 960, 15, 20) at 640x480."""
    features = _blank(lambda models: models.mobilenet_v3_large()).features
    return _of_torchvision(config, features.named_children())


def _build_resnet18(config: ModelConfig) -> Trunk:
    """Up to conv4, which torchvision calls layer3: (B, 256, 30, 40) at 640x480."""
    parts = list(_blank(lambda models: models.resnet18()).named_children())
    return _of_torchvision(config, parts[:7])


def _of_torchvision(config: ModelConfig, parts: Any) -> Trunk:
    """The trunk of these named parts, with random numbers where it is to have memory."""
    trunk = Trunk(OrderedDict(parts), BACKBONE_CHANNELS[config.backbone])
    trunk.to_empty(device=torch.empty(0).device)
    for module in trunk.modules():
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
            module.reset_parameters()
    return trunk


def _blank(make: Callable[[ModuleType], nn.Module]) -> Any:
    """A network of torchvision on the meta device: only its trunk gets memory."""
    try:
        from torchvision import models
    # RuntimeError: a torchvision that belongs to another version of torch.
    except (ImportError, RuntimeError) as error:
        raise PackageError(
            f'this backbone is defined by torchvision, which cannot be imported here ({error}); '
            'install the torchvision that belongs to this torch, or use the backbone ghostcnn'
        ) from error
    with blank_network():
        return make(models)


_GHOSTCNN_LAYERS = {
    **{
        f'stage{stage}': next(n for n, row in enumerate(ROWS, 1) if row.stage == stage)
        for stage in range(1, ROWS[-1].stage + 1)
    },
    **{f'row{number}': number for number in range(1, len(ROWS) + 1)},
    'last': len(ROWS) + 1,
}
_ALEXNET_LAYERS = {'conv1': 0, 'conv2': 3, 'conv3': 6, 'conv4': 8, 'conv5': 10}
_VGG16_STARTS = {1: (0, 2), 2: (5, 7), 3: (10, 12, 14), 4: (17, 19, 21), 5: (24, 26, 28)}
_VGG16_LAYERS = {
    **{f'conv{group}': starts[0] for group, starts in _VGG16_STARTS.items()},
    **{
        f'conv{group}_{number}': start
        for group, starts in _VGG16_STARTS.items()
        for number, start in enumerate(starts, 1)
    },
}
_MOBILENET_LAYERS = {
    'conv1': 0,
    **{f'block{number}': number for number in range(1, BLOCKS_OF_MOBILENET + 1)},
    'last': BLOCKS_OF_MOBILENET + 1,
}
_RESNET_LAYERS = {'conv1': 0, 'conv2': 4, 'conv3': 5, 'conv4': 6}

BACKBONES = {
    'ghostcnn': Backbone(_GHOSTCNN_LAYERS, GhostCNN),
    'alexnet': Backbone(_ALEXNET_LAYERS, _build_alexnet),
    'alexnet_ungrouped': Backbone(_ALEXNET_LAYERS, _build_alexnet_ungrouped),
    'vgg16': Backbone(_VGG16_LAYERS, _build_vgg16),
    'mobilenet_v3_large': Backbone(_MOBILENET_LAYERS, _build_mobilenet_v3_large),
    'resnet18': Backbone(_RESNET_LAYERS, _build_resnet18),
}
