"""A network of torchvision without its classifier, as a graph that describes images.

Its weights have to be on this machine already, where torchvision keeps them: nothing is
downloaded.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.engine.graph_export import export_layers
from ghost_vpr_ros.core.errors import WeightsError
from ghost_vpr_ros.core.preprocessing import scale_and_offset

_HEADS = ('fc', 'classifier', 'heads', 'head')
"""What torchvision calls the layers behind the features."""


class _Describer(nn.Module):
    """RGB uint8 (B, h, w, 3) -> descriptors (B, D) of unit norm."""

    def __init__(self, network: nn.Module, preprocessing: PreprocessingConfig) -> None:
        super().__init__()
        scale, offset = scale_and_offset(preprocessing)
        self.scale: Tensor
        self.offset: Tensor
        self.register_buffer('scale', torch.from_numpy(scale))
        self.register_buffer('offset', torch.from_numpy(offset))
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        x = (pixels.float() * self.scale + self.offset).permute(0, 3, 1, 2)
        features = self.network(x)
        if features.ndim == 4:  # Some have their pooling in the classifier (SqueezeNet, MaxViT).
            features = features.mean((2, 3))
        return nn.functional.normalize(features, dim=1)


def torchvision_graph(
    name: str, settings: dict[str, Any]
) -> tuple[bytes, PreprocessingConfig, str]:
    """The features that torchvision's network of that name has before its classifier.

    As a graph, with the input that it takes and where its weights come from.

    Args:
        name: as `torchvision.models.list_models()` has it, such as `resnet50`.
        settings: of `PreprocessingConfig`; others are those that the weights were trained with.

    Raises:
        WeightsError: no such network, or its weights are not on this machine.
        ConfigError: a setting is out of range.
    """
    network, weights = _network(name)
    trained = weights.transforms()
    size = int(trained.crop_size[0])
    known = {'width_px': size, 'height_px': size, 'mean': trained.mean, 'std': trained.std}
    preprocessing = PreprocessingConfig.from_dict(
        {key: list(v) if isinstance(v, tuple) else v for key, v in {**known, **settings}.items()}
    )
    graph = export_layers(_Describer(network, preprocessing), preprocessing, ['descriptor'])
    provenance = f'torchvision {name}, {weights}, features before the classifier'
    return graph, preprocessing, provenance


def _network(name: str) -> tuple[nn.Module, Any]:
    try:
        from torchvision import models
    except ImportError as error:
        raise WeightsError(
            f'torchvision:{name}: expected the package torchvision, found none; pip install '
            'torchvision'
        ) from error
    known = models.list_models(module=models)
    if name not in known:
        some = ', '.join(difflib.get_close_matches(name, known, 3) or known[:6])
        raise WeightsError(
            f'torchvision:{name}: expected a network of torchvision ({some}, ...), found none of '
            'that name; see torchvision.models.list_models()'
        )
    weights = models.get_model_weights(name).DEFAULT
    file = _file_of(name, weights.url)
    try:
        # The builder reads the file that is there, and knows what else goes with it: names of
        # earlier versions (DenseNet), inputs in another range (GoogLeNet, Inception).
        network = models.get_model(name, weights=weights)
    except Exception as error:  # Of PyTorch, of archives and of what they hold.
        raise WeightsError(
            f'{file}: expected the weights of {name}, found others or a damaged file '
            f'({str(error).strip().partition(chr(10))[0]}); fetch {weights.url} again'
        ) from error
    return _without_head(network, name).eval(), weights


def _file_of(name: str, url: str) -> Path:
    file = Path(torch.hub.get_dir()) / 'checkpoints' / url.rpartition('/')[2]
    if not file.is_file():
        raise WeightsError(
            f'torchvision:{name}: expected its weights in {file}, found none, and nothing is '
            f'downloaded at run time; fetch {url} to that place'
        )
    return file


def _without_head(network: nn.Module, name: str) -> nn.Module:
    head = next((head for head in _HEADS if hasattr(network, head)), None)
    if head is None:
        raise WeightsError(
            f'torchvision:{name}: expected a classifier to leave out ({", ".join(_HEADS)}), '
            'found none; export the network as ONNX instead'
        )
    setattr(network, head, nn.Identity())
    return network
