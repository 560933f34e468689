"""Torchvision's segmenters as functions from an image to class scores; nothing is downloaded.

`semantics.segmenter: torchvision:deeplabv3_resnet50` with `semantics.segmenter_weights`, a state
dict written by `torch.save(network.state_dict(), FILE)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.errors import ConfigError, WeightsError
from ghost_vpr_ros.core.preprocessing import preprocess
from training.trunk.backbone_weights import read_state_dict

PREFIX = 'torchvision:'

_LAST_LAYERS = ('classifier.4.weight', 'classifier.low_classifier.weight')
"""Last layers of DeepLabV3 and FCN, and of LR-ASPP; their rows are the classes."""


class TorchvisionSegmenter:
    """From RGB uint8 (H, W, 3) to float32 scores (C, H, W) of C classes."""

    def __init__(self, name: str, weights: Path) -> None:
        """Build the network with the number of classes of the weights.

        Raises:
            ConfigError: torchvision is missing, or has no such segmenter.
            WeightsError: the file is not a state dict of this segmenter.
        """
        tensors = read_state_dict(weights)
        self._network = _network(name, tensors, weights).eval()

    @torch.inference_mode()
    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Scores (C, H, W) of an image of any size."""
        inputs = torch.from_numpy(preprocess(image, PreprocessingConfig(fit='own')))
        scores: Tensor = self._network(inputs)['out'][0]
        return scores.float().numpy()


def _network(name: str, tensors: Mapping[str, Tensor], weights: Path) -> nn.Module:
    try:
        from torchvision.models import get_model, list_models, segmentation
    except ImportError as error:
        raise ConfigError(
            "semantics.segmenter: torchvision is not installed; pip install 'ghost_vpr_ros"
            "[backbones]'"
        ) from error
    known = list_models(module=segmentation)
    if name not in known:
        raise ConfigError(
            f'semantics.segmenter: torchvision has no segmenter {name!r}; known: '
            f'{", ".join(known)}'
        )
    last = next((key for key in _LAST_LAYERS if key in tensors), None)
    if last is None:
        raise WeightsError(
            f'{weights}: expected the state dict of {name}, found none of its last layers '
            f'({", ".join(_LAST_LAYERS)}); save network.state_dict()'
        )
    auxiliary = {'aux_loss': True} if any(key.startswith('aux_') for key in tensors) else {}
    with torch.random.fork_rng(devices=[]):
        network: nn.Module = get_model(
            name, weights=None, weights_backbone=None, num_classes=len(tensors[last]), **auxiliary
        )
    try:
        network.load_state_dict(dict(tensors))
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip() if '\n' in str(error) else str(error)
        raise WeightsError(
            f'{weights}: expected the state dict of {name}, found another one ({reason}); set the '
            'segmenter that it was saved from'
        ) from error
    return network
