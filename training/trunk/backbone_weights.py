"""Load a trunk from a torchvision state dict: `backbone_weights` in an experiment's YAML file.

The user's file is written by `torch.save(network.state_dict())` or safetensors, or is a checkpoint
with the key `state_dict`, like those of Places-365.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from ghost_vpr_ros.core.errors import WeightsError
from ghost_vpr_ros.core.model.joined_maps import RowsTrunk
from training.datasets.data_config import expanded
from training.experiment import Experiment
from training.trunk.torchvision_weights import load_torchvision_weights


def take_backbone_weights(trunk: RowsTrunk, experiment: Experiment) -> str:
    """Load the trunk from the experiment's `backbone_weights`; returns a phrase for provenance.

    Without that setting the trunk is not changed, and the phrase is empty.

    Raises:
        WeightsError: the file is missing, damaged, or of another network.
    """
    if not experiment.backbone_weights:
        return ''
    path = expanded(experiment.backbone_weights)
    backbone = experiment.model.backbone
    load_torchvision_weights(trunk, backbone, read_state_dict(path), str(path))
    return f'{backbone} with the weights of {path.name}'


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a user's state dict by name.

    Raises:
        WeightsError: missing, not readable, or not a state dict.
    """
    try:
        if path.suffix == '.safetensors':
            return load_file(path)
        # `weights_only` refuses whatever is not a tensor or a plain container of tensors.
        content = torch.load(path, map_location='cpu', weights_only=True)
    except OSError as error:
        raise WeightsError(f'{path}: cannot be read ({error}); check the path') from error
    except Exception as error:  # Damaged files raise errors of many types, in either format.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(
            f'{path}: expected a state dict of torch or safetensors, found something else '
            f'({reason}); save it with torch.save(network.state_dict(), FILE)'
        ) from error
    return _tensors_of(content, path)


def _tensors_of(content: Any, path: Path) -> dict[str, Tensor]:
    tensors = content.get('state_dict', content) if isinstance(content, Mapping) else content
    if not isinstance(tensors, Mapping) or not all(
        isinstance(tensor, Tensor) for tensor in tensors.values()
    ):
        raise WeightsError(
            f'{path}: expected tensors by name, found {type(tensors).__name__}; save the network '
            'with torch.save(network.state_dict(), FILE)'
        )
    return dict(tensors)
