"""Reading a weights file without PyTorch: its description, and whether it is intact.

The format is `safetensors`; `weights.py` makes the network of it, and writes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays

from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.errors import ConfigError, WeightsError
from ghost_vpr_ros.core.model.description import ModelDescription, content_hash
from ghost_vpr_ros.core.model.shipped import weights_path

FORMAT = 'ghost_vpr_ros/1'

ROOTSIFT_FORMAT = 'ghost_vpr_ros_rootsift_vlad/1'

ONNX_FORMAT = 'ghost_vpr_ros_onnx/1'
"""A foreign network: its graph, which takes pixels, as the bytes of one array."""

GRAPH_KEY = 'graph'

CONFIGURATION = ('config', 'preprocessing')
"""The texts of a file's metadata that are hashed together with the tensors."""

STEP = ':step'
"""Ends the name of the numbers (rows, 1) that the int8 rows of a matrix are multiples of."""

_LENGTH_BYTES = 8

_STATISTICS = ('running_mean', 'running_var', 'num_batches_tracked')


@dataclass(frozen=True)
class StoredModel:
    """A whole weights file in memory; `weights.load_network` makes the network of it.

    Attributes:
        data: the file's bytes.
        where: names it in errors.
        description: of the network.
        graph: of a foreign network, as engines run it; empty for one of this package.
    """

    data: bytes = field(repr=False)
    where: str
    description: ModelDescription
    graph: bytes = field(default=b'', repr=False)

    @classmethod
    def from_bytes(cls, data: bytes, where: str) -> StoredModel:
        """Check a file's bytes.

        Raises:
            WeightsError: not such a file, damaged, or a content that contradicts its hash.
        """
        metadata = read_metadata(data, where, ONNX_FORMAT)
        description = described(metadata, where)
        try:
            arrays = read_arrays(data)
            graph = arrays[GRAPH_KEY].tobytes() if description.config is None else b''
        except (SafetensorError, KeyError) as error:
            raise unreadable(where, error) from error
        found = content_hash({name: metadata[name] for name in CONFIGURATION}, arrays)
        check_hash(description.model_hash, found, where)
        return cls(data, where, description, graph)

    @classmethod
    def from_file(cls, path: Path | str) -> StoredModel:
        """Read and check a file.

        Raises:
            WeightsError: as `from_bytes`, or the file is missing.
        """
        return cls.from_bytes(read_file(path), str(path))

    @property
    def preprocessing(self) -> PreprocessingConfig:
        """What turns an image into this network's input."""
        return self.description.preprocessing

    @property
    def num_parameters(self) -> int | None:
        """Numbers that the file holds besides statistics of batch norm; None for a graph."""
        if self.graph:
            return None
        arrays = read_arrays(self.data)
        return sum(array.size for name, array in arrays.items() if not name.endswith(_STATISTICS))

    @property
    def provenance(self) -> str:
        """Where the weights come from."""
        return self.description.provenance

    @property
    def name(self) -> str:
        """Architecture in words."""
        return self.description.name

    @property
    def descriptor_dim(self) -> int:
        """D."""
        return self.description.descriptor_dim

    @property
    def model_hash(self) -> str:
        """Equal hashes give equal descriptors."""
        return self.description.model_hash


def read_file(path: Path | str) -> bytes:
    """The bytes of a weights file, or of weights of this package by their name.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        return weights_path(path).read_bytes()
    except OSError as error:
        raise WeightsError(
            f'{path}: the weights cannot be read ({error.strerror}); check the path'
        ) from error


def read_metadata(data: bytes, where: str, *others: str) -> dict[str, str]:
    """The metadata of the header: 8 bytes of length, then JSON (the safetensors format).

    Args:
        data: of the whole file.
        where: names it in errors.
        others: formats that the caller reads besides a network's.

    Raises:
        WeightsError: not a weights file, or of another format.
    """
    length = int.from_bytes(data[:_LENGTH_BYTES], 'little')
    try:
        header = json.loads(data[_LENGTH_BYTES : _LENGTH_BYTES + length])
        metadata: dict[str, str] = dict(header.get('__metadata__', {}))
    # ValueError: not UTF-8, not JSON, or not pairs. The others: JSON of some other kind.
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise WeightsError(
            f'{where}: expected a safetensors weights file, found something else or a truncated '
            'one; check the path, or fetch it again'
        ) from error
    if metadata.get('format') not in (FORMAT, *others):
        raise WeightsError(
            f'{where}: expected weights of format {FORMAT!r}, found '
            f'{metadata.get("format", "no format")!r}; use weights made by this package'
        )
    return metadata


def described(metadata: Mapping[str, str], where: str) -> ModelDescription:
    """The description of the network in the metadata.

    Raises:
        WeightsError: a part is missing, or is not a valid configuration.
    """
    try:
        if metadata['format'] == ONNX_FORMAT:
            return _described_graph(metadata)
        config = ModelConfig.from_dict(json.loads(metadata['config']))
        dim = json.loads(metadata['descriptor_dim']) if 'descriptor_dim' in metadata else 0
        return ModelDescription(
            config,
            PreprocessingConfig.from_dict(json.loads(metadata['preprocessing'])),
            metadata['provenance'],
            int(dim) or _dim_of_first_files(config),
            metadata['model_hash'],
        )
    except (ConfigError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise unreadable(where, error) from error


def _described_graph(metadata: Mapping[str, str]) -> ModelDescription:
    """The description of a foreign network."""
    config = json.loads(metadata['config'])
    return ModelDescription(
        None,
        PreprocessingConfig.from_dict(json.loads(metadata['preprocessing'])),
        metadata['provenance'],
        int(config['descriptor_dim']),
        metadata['model_hash'],
        title=str(config['name']),
        takes_batches=bool(config['takes_batches']),
    )


def _dim_of_first_files(config: ModelConfig) -> int:
    """D of files that do not state it: all of them are GhostCNN with NetVLAD."""
    return config.descriptor_dim or config.clusters * config.pooled_channels


def check_hash(expected: str, found: str, where: str) -> None:
    """Raise `WeightsError` where the content does not match its hash."""
    if found != expected:
        raise WeightsError(
            f'{where}: expected content with hash {expected[:12]}, found '
            f'{found[:12]}; the file is damaged, fetch it again'
        )


def unreadable(where: str, error: Exception) -> WeightsError:
    """The error for a file of the right kind that this version cannot use."""
    return WeightsError(
        f'{where}: not readable as weights of this version ({error}); train or fetch it again'
    )


def read_arrays(data: bytes) -> dict[str, NDArray[np.generic]]:
    """The arrays of a file; float16 and eight bits as the float32 numbers that they stand for.

    Raises:
        SafetensorError: no such file, or damaged.
    """
    found: dict[str, NDArray[np.generic]] = load_arrays(data)
    for name in [name for name in found if name + STEP in found]:
        step = found.pop(name + STEP)
        if found[name].dtype == np.int8 and step.shape == (len(found[name]), 1):
            found[name] = found[name].astype(np.float32) * step.astype(np.float32)
    return {k: v.astype(np.float32) if v.dtype == np.float16 else v for k, v in found.items()}
