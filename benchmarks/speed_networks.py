"""The timed networks: ours, the papers', CosPlace and EigenPlaces.

All but the shipped one have random weights, which do not affect the time as long as activations
keep their magnitude from layer to layer. Each takes the pixels of an image, so that every engine
does the same work, and returns a descriptor of unit norm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.pixel_input import PixelInput
from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.model.default_weights import load_default_model
from ghost_vpr_ros.core.model.netvlad import NetVLAD
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.whitening import Whitening

CLUSTERS = 64
DESCRIPTOR_DIM = 512
OUR_NETWORK = 'Ghost-dil-NetVLAD'
SHIPPED = 'ghost_vpr (shipped)'
SEED = 0
_GEM_POWER = 3.0
_GEM_FLOOR = 1e-6


class Size(NamedTuple):
    """Size of a network's input, px."""

    width_px: int
    height_px: int

    @classmethod
    def parse(cls, text: str) -> Size:
        """The size of a text such as `640x480`."""
        width, _, height = text.partition('x')
        return cls(int(width), int(height))

    def __str__(self) -> str:
        return f'{self.width_px}x{self.height_px}'


class TimedNetwork(nn.Module):
    """RGB uint8 (B, h, w, 3) -> descriptors (B, D), or only the feature map.

    Attributes:
        trunk: normalised inputs (B, 3, h, w) -> feature map (B, C, h', w').
        head: feature map -> descriptors.
        size: of the input.
        model: the network of this package with these parts; None for other networks.
    """

    def __init__(
        self, trunk: nn.Module, head: nn.Module, size: Size, model: VprModel | None = None
    ) -> None:
        super().__init__()
        # Not registered as a submodule, since its parts are registered already.
        object.__setattr__(self, 'model', model)
        self.model: VprModel | None
        self.trunk = trunk
        self.head = head
        self.size = size
        self.inputs = PixelInput()

    def forward(self, pixels: Tensor) -> Tensor:
        """Descriptors of images."""
        inputs = self.inputs(pixels)
        found: Tensor = self.head(self.trunk(inputs))
        return found

    def without_head(self) -> TimedNetwork:
        """The network up to the feature map."""
        return TimedNetwork(self.trunk, nn.Identity(), self.size)


class GeM(nn.Module):
    """Head of CosPlace and EigenPlaces: normalise, generalised mean, linear layer, normalise."""

    def __init__(self, channels: int, descriptor_dim: int) -> None:
        super().__init__()
        self.power = nn.Parameter(torch.tensor(_GEM_POWER))
        self.linear = nn.Linear(channels, descriptor_dim)

    def forward(self, feature_map: Tensor) -> Tensor:
        """Descriptors (B, D) of a feature map (B, C, h, w)."""
        features = nn.functional.normalize(feature_map, dim=1)
        raised = features.clamp(min=_GEM_FLOOR).pow(self.power)
        mean = raised.mean((2, 3)).pow(1.0 / self.power)
        return nn.functional.normalize(self.linear(mean), dim=1)


def _netvlad(**config: Any) -> Callable[[Size], TimedNetwork]:
    """A trunk of the papers with NetVLAD and whitening."""

    def build(size: Size) -> TimedNetwork:
        preprocessing = PreprocessingConfig(**size._asdict())
        settings = {'clusters': CLUSTERS, 'descriptor_dim': DESCRIPTOR_DIM, **config}
        return _of_model(_with_numbers(VprModel(ModelConfig(**settings), preprocessing)), size)

    return build


def _gem(name: str, channels: int, descriptor_dim: int) -> Callable[[Size], TimedNetwork]:
    """A ResNet of torchvision with GeM and a linear layer."""

    def build(size: Size) -> TimedNetwork:
        from torchvision import models

        parts = list(getattr(models, name)(num_classes=1).children())
        network = TimedNetwork(nn.Sequential(*parts[:-2]), GeM(channels, descriptor_dim), size)
        return _with_numbers(network)

    return build


def _shipped(requested: Size) -> TimedNetwork:
    """The shipped weights, at their own input size."""
    del requested
    model = load_default_model()
    return _of_model(model, Size(model.preprocessing.width_px, model.preprocessing.height_px))


def _of_model(model: VprModel, size: Size) -> TimedNetwork:
    head = nn.Sequential(model.reduction, model.pooling, model.whitening)
    return TimedNetwork(model.backbone, head, size, model)


def _with_numbers(module: Any) -> Any:
    """The module with random weights (He initialisation) from a fixed seed."""
    generator = torch.Generator().manual_seed(SEED)
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, nonlinearity='relu', generator=generator)
        if isinstance(part, nn.Linear):
            nn.init.kaiming_normal_(part.weight, generator=generator)
        if isinstance(part, NetVLAD):
            nn.init.normal_(part.centres, std=0.05, generator=generator)
            part.initialised = True
        if isinstance(part, Whitening):
            nn.init.normal_(part.projection, std=0.01, generator=generator)
            part.fitted = True
    return module


NETWORKS: dict[str, Callable[[Size], TimedNetwork]] = {
    SHIPPED: _shipped,
    'Ghost-NetVLAD': _netvlad(dilation=(1, 1)),
    OUR_NETWORK: _netvlad(),
    'MobileNetV3-NetVLAD': _netvlad(backbone='mobilenet_v3_large'),
    'Alex-NetVLAD': _netvlad(backbone='alexnet'),
    'ResNet18-NetVLAD': _netvlad(backbone='resnet18'),
    'VGG16-NetVLAD': _netvlad(backbone='vgg16'),
    'CosPlace-R18-512': _gem('resnet18', 512, 512),
    'CosPlace-R50-512': _gem('resnet50', 2048, 512),
    'EigenPlaces-R50-2048': _gem('resnet50', 2048, 2048),
}
"""Name in the tables -> function that builds the network for an input size."""


def build_network(name: str, size: Size, part: str) -> TimedNetwork:
    """A network in evaluation mode, `whole` or only its `trunk`."""
    # Layers without trained weights are initialised randomly when they are built.
    torch.manual_seed(SEED)
    network = NETWORKS[name](size).eval().requires_grad_(False)
    return network.without_head() if part == 'trunk' else network
