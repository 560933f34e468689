"""Weights files: `safetensors` with the full configuration, preprocessing and hash inside.

Loading is strict: every tensor of the network must be there, in its shape, and nothing else.

A tensor whose every number is a float16 number is written as float16 and comes back as the same
float32 numbers. The projection of the whitening, half of all numbers, is rounded to eight bits: in
every row whole multiples, up to 127, of a float16 number. So a network that was rounded once
(`half`) stays small in every copy of it, those in maps too, and its hash, which is taken over the
float32 numbers, never changes again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
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
    STEP,
    StoredModel,
    check_hash,
    described,
    read_arrays,
    read_file,
    read_metadata,
    unreadable,
)
from ghost_vpr_ros.core.model.whitening import Whitening
from ghost_vpr_ros.core.whole_file import write_whole

_IN_EIGHT_BITS = 'whitening.projection'

_STATISTICS = ('running_mean', 'running_var')
"""Of batch norm: a few numbers over many powers of ten, never rounded."""


def model_to_bytes(model: VprModel, half: bool = False) -> bytes:
    """The weights file of a model, as bytes; `half` rounds its numbers, see the top of this file.

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
    compact = [_compact(name, tensor) for name, tensor in tensors.items()]
    return save_tensors({k: v for each in compact for k, v in each.items()}, metadata)


def _rounded(name: str, tensor: Tensor) -> Tensor:
    """The nearest numbers of float16 or eight bits; counters and statistics unchanged."""
    if name == _IN_EIGHT_BITS:
        levels, step = _eight_bits(tensor)
        return levels * step
    if not tensor.is_floating_point() or name.endswith(_STATISTICS):
        return tensor
    rounded = tensor.half().float()
    if not rounded.isfinite().all():
        raise WeightsError(
            f'{name}: expected numbers of at most {torch.finfo(torch.float16).max:.0f}, found '
            f'{tensor.abs().max():.3g}; these weights do not fit float16, save them as float32'
        )
    return rounded


def _eight_bits(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Whole numbers -127 .. 127 (rows, columns) and a float16 step (rows, 1), both as float32.

    Their product is the matrix, to the nearest step; a product given again has the same ones.
    """
    step = (matrix.abs().amax(dim=1, keepdim=True) / 127.0).half().float()
    levels = torch.where(step > 0.0, matrix / step, 0.0).round()
    # Plus zero: no negative zeros, which eight bits do not have.
    return levels.clamp(-127.0, 127.0) + 0.0, step


def _compact(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """As float16, or as eight bits and steps, where nothing is lost by it; by their names."""
    if tensor.dtype != torch.float32:
        return {name: tensor}
    small = tensor.half()
    if torch.equal(small.float(), tensor):
        return {name: small}
    if tensor.ndim == 2:
        levels, step = _eight_bits(tensor)
        if torch.equal(levels * step, tensor):
            return {name: levels.to(torch.int8), name + STEP: step.half()}
    return {name: tensor}


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
        tensors = {k: torch.from_numpy(np.array(v)) for k, v in read_arrays(data).items()}
        model = _empty_model(description)
        model.pooling.initialised = bool(json.loads(metadata['clusters_initialised']))
    except (SafetensorError, ConfigError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise unreadable(where, error) from error
    check_tensors(model.state_dict(), tensors, where)
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
        model: the network; it is not changed.
        path: of the file.
        half: round the numbers to float16, and the whitening's projection to eight bits. The file
            is less than half as large and holds another network
            than `model`, with another hash: load it to measure its effect.

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
    shapes = [
        k
        for k in expected
        if k in found
        and (expected[k].shape, expected[k].dtype) != (found[k].shape, found[k].dtype)
    ]
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
