"""Files of RootSIFT-VLAD: `safetensors` with configuration, size of the input and hash inside."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from ghost_vpr_ros.core.config import PreprocessingConfig
from ghost_vpr_ros.core.errors import ConfigError, WeightsError
from ghost_vpr_ros.core.model.rootsift_vlad import RootSiftConfig, RootSiftVlad
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import FORMAT as NETWORK_FORMAT
from ghost_vpr_ros.core.model.weights import (
    check_tensors,
    model_from_bytes,
    read_metadata,
    read_weights,
    write_weights,
)

FORMAT = 'ghost_vpr_ros_rootsift_vlad/1'


def save_rootsift(model: RootSiftVlad, path: Path | str) -> None:
    """Write the file; the name appears only when its content is complete.

    Raises:
        OutputError: the file cannot be written.
    """
    tensors = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    metadata = {
        'format': FORMAT,
        **model.describe_configuration(),
        'provenance': model.provenance,
        'model_hash': model.model_hash,
    }
    write_weights(Path(path), save_tensors(tensors, metadata))


def load_any_model(path: Path | str) -> VprModel | RootSiftVlad:
    """What a file holds, in evaluation mode: a network's weights, or RootSIFT-VLAD.

    Raises:
        WeightsError: the file is missing, damaged, or neither of the two.
    """
    data = read_weights(path)
    metadata = read_metadata(data, str(path), NETWORK_FORMAT, FORMAT)
    if metadata['format'] == NETWORK_FORMAT:
        return model_from_bytes(data, str(path))
    return _rootsift(data, metadata, str(path))


def _rootsift(data: bytes, metadata: dict[str, str], where: str) -> RootSiftVlad:
    try:
        tensors = load_tensors(data)
        config = RootSiftConfig.from_dict(json.loads(metadata['config']))
        size = PreprocessingConfig.from_dict(json.loads(metadata['preprocessing']))
        model = RootSiftVlad(config, size.width_px, size.height_px)
        model.provenance = metadata['provenance']
        expected_hash = metadata['model_hash']
    except (SafetensorError, ConfigError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise WeightsError(
            f'{where}: not readable as RootSIFT-VLAD of this version ({error}); learn it again '
            'with `python -m training.rootsift`'
        ) from error
    check_tensors(model.state_dict(), tensors, where)
    model.load_state_dict(tensors)
    model.initialised = model.whitening.fitted = True
    if model.model_hash != expected_hash:
        raise WeightsError(
            f'{where}: expected content with hash {expected_hash[:12]}, found '
            f'{model.model_hash[:12]}; the file is damaged, learn it again'
        )
    return model.eval()
