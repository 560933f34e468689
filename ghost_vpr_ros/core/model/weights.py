"""Weights files: `safetensors` with the full configuration, preprocessing and hash inside.

Loading is strict: every tensor of the network must be there, in its shape, and nothing else.

A tensor whose every number is a float16 number is written as float16 and comes back as the same
float32 numbers. So a network that was rounded once (`half`) stays small in every copy of it, those
in maps too, and its hash, which is taken over the float32 numbers, never changes again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from ghost_vpr_ros.core.errors import ConfigError, OutputError, WeightsError
from ghost_vpr_ros.core.model.blank_network import blank_network, take_numbers
from ghost_vpr_ros.core.model.description import ModelDescription, content_hash
from ghost_vpr_ros.core.model.reduction import Reduction
from ghost_vpr_ros.core.model.vpr_model import VprModel, arrays_of
from ghost_vpr_ros.core.model.weights_file import (
    CONFIGURATION,
    FORMAT,
    ONNX_FORMAT,
    StoredModel,
    check_hash,
    described,
    read_file,
    read_metadata,
    unreadable,
)
from ghost_vpr_ros.core.model.whitening import Whitening
from ghost_vpr_ros.core.whole_file import write_whole

_STATISTICS = ('running_mean', 'running_var')
"""Of batch norm: a few numbers over many powers of ten, never rounded."""


def model_to_bytes(model: VprModel, half: bool = False) -> bytes:
    """The weights file of a model, as bytes; `half` rounds its numbers to float16.

    Raises:
        WeightsError: a number is too large for float16.
    """
    tensors = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    if half:
        tensors = {name: _rounded(name, tensor) for name, tensor in tensors.items()}
    configuration = model.describe_configuration()
    metadata = {
        'format': FORMAT,
        **configuration,
        'clusters_initialised': json.dumps(model.pooling.initialised),
        'provenance': model.provenance,
        'descriptor_dim': json.dumps(model.descriptor_dim),
        'model_hash': content_hash(configuration, arrays_of(tensors)),
    }
    return save_tensors({name: _compact(tensor) for name, tensor in tensors.items()}, metadata)


def _rounded(name: str, tensor: Tensor) -> Tensor:
    """The nearest float16 numbers, as float32; counters and statistics as they are."""
    if not tensor.is_floating_point() or name.endswith(_STATISTICS):
        return tensor
    rounded = tensor.half().float()
    if not rounded.isfinite().all():
        raise WeightsError(
            f'{name}: expected numbers of at most {torch.finfo(torch.float16).max:.0f}, found '
            f'{tensor.abs().max():.3g}; these weights do not fit float16, save them as float32'
        )
    return rounded


def _compact(tensor: Tensor) -> Tensor:
    """As float16 where nothing is lost by it."""
    if tensor.dtype != torch.float32:
        return tensor
    small = tensor.half()
    return small if torch.equal(small.float(), tensor) else tensor


def load_network(stored: StoredModel) -> VprModel:
    """The network of a file in memory, in evaluation mode.

    Raises:
        WeightsError: the tensors are not those of the architecture.
    """
    return model_from_bytes(stored.data, stored.where)


def model_from_bytes(data: bytes, where: str) -> VprModel:
    """The model, in evaluation mode, of a weights file's bytes; `where` names it in errors.

    Raises:
        WeightsError: not such a file, damaged, a tensor missing, unknown or of another shape, or
            a content that contradicts its own hash.
    """
    metadata = read_metadata(data, where, ONNX_FORMAT)
    if metadata['format'] == ONNX_FORMAT:
        raise WeightsError(
            f'{where}: expected a network of this package, found the graph of another one, '
            'which PyTorch cannot run; use engine openvino, onnxruntime or tensorrt'
        )
    description = described(metadata, where)
    try:
        tensors = load_tensors(data)
        model = _empty_model(description)
        model.pooling.initialised = bool(json.loads(metadata['clusters_initialised']))
    except (SafetensorError, ConfigError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise unreadable(where, error) from error
    check_tensors(model.state_dict(), tensors, where)
    tensors = {k: v.float() if v.dtype == torch.float16 else v for k, v in tensors.items()}
    take_numbers(model, tensors)
    if isinstance(model.reduction, Reduction):
        model.reduction.initialised = bool(model.reduction.projection.weight.any())
    if isinstance(model.whitening, Whitening):
        model.whitening.fitted = bool(model.whitening.projection.any())
    # Over the texts of the file: later versions may write the same configuration in other words.
    configuration = {name: metadata[name] for name in CONFIGURATION}
    found_hash = content_hash(configuration, arrays_of(model.state_dict()))
    check_hash(description.model_hash, found_hash, where)
    return model.eval()


def _empty_model(description: ModelDescription) -> VprModel:
    """The network of a weights file, without memory for its numbers until they are loaded.

    Nothing is drawn at random for it, and a damaged size is found before it is allocated.
    """
    assert description.config is not None
    with blank_network():
        return VprModel(description.config, description.preprocessing, description.provenance)


def save_model(model: VprModel, path: Path | str, half: bool = False) -> None:
    """Write a weights file; the name appears only when its content is complete.

    Args:
        model: the network; it stays as it is.
        path: of the file.
        half: round the numbers to float16. The file is half as large and holds another network
            than `model`, with another hash: load it to measure what it does.

    Raises:
        OutputError: the file cannot be written.
        WeightsError: a number is too large for float16.
    """
    write_weights(Path(path), model_to_bytes(model, half))


def write_weights(path: Path, data: bytes) -> None:
    """Write the bytes of a weights file; the name appears only when its content is complete.

    Raises:
        OutputError: the file cannot be written.
    """
    try:
        write_whole(path, data, durable=True)
    except OSError as error:
        raise OutputError(
            f'{path}: the weights cannot be written ({error.strerror}); choose another place'
        ) from error


def load_model(path: Path | str) -> VprModel:
    """The model, in evaluation mode, of a weights file.

    Raises:
        WeightsError: as `model_from_bytes`, or the file is missing.
    """
    return model_from_bytes(read_file(path), str(path))


def check_tensors(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], where: str) -> None:
    """Check that a file holds every tensor of a model, in its shape, and nothing else.

    Raises:
        WeightsError: it does not, or a number is not finite.
    """
    missing = sorted(expected.keys() - found.keys())
    unknown = sorted(found.keys() - expected.keys())
    shapes = [k for k in expected if k in found and not _alike(expected[k], found[k])]
    numbers = [k for k, v in found.items() if v.is_floating_point() and not v.isfinite().all()]
    problems = (
        ('missing', missing),
        ('unknown', unknown),
        ('of another shape or type', shapes),
        ('not finite', numbers),
    )
    for what, names in problems:
        if names:
            raise WeightsError(
                f'{where}: {len(names)} of {len(expected)} tensors are {what}, first '
                f'{names[0]!r}; these weights belong to another network or are damaged'
            )


def _alike(expected: Tensor, found: Tensor) -> bool:
    compact = expected.dtype == torch.float32 and found.dtype == torch.float16
    return expected.shape == found.shape and (compact or expected.dtype == found.dtype)
