"""Files of RootSIFT-VLAD: `safetensors` with configuration, size of the input and hash inside."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.model.rootsift_vlad import RootSiftConfig, RootSiftVlad
from ghost_vpr_ros.core.model.weights import check_tensors, write_weights
from ghost_vpr_ros.core.model.weights_file import (
    ROOTSIFT_FORMAT,
    check_hash,
    read_metadata,
    unreadable,
)


def save_rootsift(model: RootSiftVlad, path: Path | str) -> None:
    """Write the file; the name appears only when its content is complete.

    Raises:
        OutputError: the file cannot be written.
    """
    tensors = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    metadata = {
        'format': ROOTSIFT_FORMAT,
        **model.describe_configuration(),
        'provenance': model.provenance,
        'model_hash': model.model_hash,
    }
    write_weights(Path(path), save_tensors(tensors, metadata))


def rootsift_from_bytes(data: bytes, where: str) -> RootSiftVlad:
    """The baseline, in evaluation mode, of a file's bytes; `where` names it in errors.

    Raises:
        WeightsError: not such a file, or damaged.
    """
    metadata = read_metadata(data, where, ROOTSIFT_FORMAT)
    try:
        tensors = load_tensors(data)
        config = RootSiftConfig.from_dict(json.loads(metadata['config']))
        size = PreprocessingConfig.from_dict(json.loads(metadata['preprocessing']))
        model = RootSiftVlad(config, size.width_px, size.height_px)
        model.provenance = metadata['provenance']
        expected_hash = metadata['model_hash']
    except (
        SafetensorError,
        ConfigError,
        KeyError,
        TypeError,
        ValueError,
        RecursionError,
    ) as error:
        raise unreadable(where, error) from error
    check_tensors(model.state_dict(), tensors, where)
    model.load_state_dict(tensors)
    model.initialised = model.whitening.fitted = True
    check_hash(expected_hash, model.model_hash, where)
    return model.eval()
