"""Weights files: `safetensors` with the full configuration, preprocessing and hash inside.

Loading is strict: every tensor of the network must be there, in its shape, and nothing else.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from ghost_vpr_ros.core.config import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.errors import ConfigError, OutputError, WeightsError
from ghost_vpr_ros.core.model.vpr_model import VprModel

FORMAT = 'ghost_vpr_ros/1'
_LENGTH_BYTES = 8


def model_to_bytes(model: VprModel) -> bytes:
    """The weights file of a model, as bytes."""
    tensors = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    metadata = {
        'format': FORMAT,
        **model.describe_configuration(),
        'clusters_initialised': json.dumps(model.pooling.initialised),
        'provenance': model.provenance,
        'model_hash': model.model_hash,
    }
    return save_tensors(tensors, metadata)


def model_from_bytes(data: bytes, where: str) -> VprModel:
    """The model, in evaluation mode, of a weights file's bytes; `where` names it in errors.

    Raises:
        WeightsError: not such a file, damaged, a tensor missing, unknown or of another shape, or
            a content that contradicts its own hash.
    """
    metadata = _read_metadata(data, where)
    try:
        tensors = load_tensors(data)
        model = VprModel(
            ModelConfig.from_dict(json.loads(metadata['config'])),
            PreprocessingConfig.from_dict(json.loads(metadata['preprocessing'])),
            metadata['provenance'],
        )
    except (SafetensorError, ConfigError, KeyError, json.JSONDecodeError) as error:
        raise WeightsError(
            f'{where}: not readable as weights of this version ({error}); train or fetch it again'
        ) from error
    _check_tensors(model.state_dict(), tensors, where)
    model.load_state_dict(tensors, strict=True)
    model.pooling.initialised = metadata['clusters_initialised'] == 'true'
    if model.model_hash != metadata['model_hash']:
        raise WeightsError(
            f'{where}: expected content with hash {metadata["model_hash"][:12]}, found '
            f'{model.model_hash[:12]}; the file is damaged, fetch it again'
        )
    return model.eval()


def save_model(model: VprModel, path: Path | str) -> None:
    """Write a weights file; the name appears only when its content is complete.

    Raises:
        OutputError: the file cannot be written.
    """
    path = Path(path)
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(model_to_bytes(model))
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(path)
    except OSError as error:
        raise OutputError(
            f'{path}: the weights cannot be written ({error.strerror}); choose another place'
        ) from error


def load_model(path: Path | str) -> VprModel:
    """The model, in evaluation mode, of a weights file.

    Raises:
        WeightsError: as `model_from_bytes`, or the file is missing.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise WeightsError(
            f'{path}: the weights cannot be read ({error.strerror}); check the path'
        ) from error
    return model_from_bytes(data, str(path))


def _read_metadata(data: bytes, where: str) -> dict[str, str]:
    """The metadata of the header: 8 bytes of length, then JSON (the safetensors format)."""
    length = int.from_bytes(data[:_LENGTH_BYTES], 'little')
    try:
        header = json.loads(data[_LENGTH_BYTES : _LENGTH_BYTES + length])
        metadata: dict[str, str] = header.get('__metadata__', {})
    except (UnicodeDecodeError, json.JSONDecodeError, AttributeError) as error:
        raise WeightsError(
            f'{where}: expected a safetensors weights file, found something else or a truncated '
            'one; check the path, or fetch it again'
        ) from error
    if metadata.get('format') != FORMAT:
        raise WeightsError(
            f'{where}: expected weights of format {FORMAT!r}, found '
            f'{metadata.get("format", "no format")!r}; use weights made by this package'
        )
    return metadata


def _check_tensors(
    expected: Mapping[str, Tensor], found: Mapping[str, Tensor], where: str
) -> None:
    missing = sorted(expected.keys() - found.keys())
    unknown = sorted(found.keys() - expected.keys())
    shapes = [k for k in expected if k in found and expected[k].shape != found[k].shape]
    numbers = [k for k, v in found.items() if v.is_floating_point() and not v.isfinite().all()]
    problems = (
        ('missing', missing),
        ('unknown', unknown),
        ('of another shape', shapes),
        ('not finite', numbers),
    )
    for what, names in problems:
        if names:
            raise WeightsError(
                f'{where}: {len(names)} of {len(expected)} tensors are {what}, first '
                f'{names[0]!r}; these weights belong to another network or are damaged'
            )
