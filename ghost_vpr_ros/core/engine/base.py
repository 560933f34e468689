"""What every engine can do, whatever runs the network underneath."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.errors import DeviceError


class Engine(Protocol):
    """Runs one network: pixels in, descriptors out; for one thread at a time.

    Attributes:
        name: engine, device and precision in words, for reports.
        descriptor_dim: D.
        model_hash: of the model it runs.
    """

    name: str
    descriptor_dim: int
    model_hash: str

    def describe(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Descriptors (B, D) float32, unit norm, of network inputs, RGB uint8 (B, h, w, 3)."""
        ...

    def feature_map(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Feature maps (B, C, h', w') float32, the input of the pooling, of the same inputs."""
        ...

    def describe_with_map(
        self, pixels: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What `describe` and `feature_map` give, from one run of the network."""
        ...

    def close(self) -> None:
        """Free the network and the device's memory; the engine cannot be used afterwards."""
        ...


class GraphEngine(ABC):
    """An `Engine` that runs an exported graph: its outputs by name.

    Attributes:
        takes_batches: whether the graph takes several images at once.
        has_feature_map: whether the graph has that output; foreign networks have none.
    """

    name: str
    descriptor_dim: int
    model_hash: str
    takes_batches = True
    has_feature_map = True

    def describe(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Descriptors (B, D) float32, unit norm, of network inputs, RGB uint8 (B, h, w, 3)."""
        if self.takes_batches or len(pixels) == 1:
            return self._run(('descriptor',), pixels)[0]
        each = [self._run(('descriptor',), pixels[n : n + 1])[0] for n in range(len(pixels))]
        return np.concatenate(each)

    def feature_map(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Feature maps (B, C, h', w') float32, the input of the pooling, of the same inputs.

        Raises:
            DeviceError: the graph is a foreign network, which only describes images.
        """
        check_feature_map(self)
        return self._run(('feature_map',), pixels)[0]

    def describe_with_map(
        self, pixels: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What `describe` and `feature_map` give, from one run of the network.

        Raises:
            DeviceError: as `feature_map`.
        """
        check_feature_map(self)
        descriptors, maps = self._run(('descriptor', 'feature_map'), pixels)
        return descriptors, maps

    @abstractmethod
    def _run(
        self, outputs: tuple[str, ...], pixels: NDArray[np.uint8]
    ) -> list[NDArray[np.float32]]:
        """The outputs of those names from one run, in memory of their own."""

    @abstractmethod
    def close(self) -> None:
        """Free the network."""


def check_feature_map(engine: Engine) -> None:
    """Refuse a foreign network where feature maps are needed, since it only describes images.

    Raises:
        DeviceError: it is one.
    """
    if not getattr(engine, 'has_feature_map', True):
        raise DeviceError(
            f'{engine.name}: expected a network of this package to get feature maps from, found '
            'one of others; use verify_features sift or orb'
        )


def closed(name: str) -> DeviceError:
    """The error of an engine that is used after its end."""
    return DeviceError(f'{name}: the engine was closed; create another one')


def thread_count(config: EngineConfig) -> int:
    """How many threads an engine on the CPU starts."""
    asked = os.environ.get('OMP_NUM_THREADS', '')
    default = int(asked) if asked.isdecimal() and int(asked) > 0 else os.cpu_count()
    return config.inference_threads or default or 1


def leaves_a_core(config: EngineConfig) -> bool:
    """Whether a core of this process is left idle while the network runs."""
    on_cuda = device_index(config.device) >= 0
    return on_cuda or thread_count(config) < len(os.sched_getaffinity(0))


def device_index(device: str) -> int:
    """N of cuda:N, 0 of cuda, -1 of cpu.

    Raises:
        DeviceError: the name is none of these.
    """
    if device == 'cpu':
        return -1
    kind, _, index = device.partition(':')
    if kind != 'cuda' or not (index.isdecimal() or device == 'cuda'):
        raise DeviceError(f'device {device!r}: expected cpu, cuda or cuda:N')
    return int(index or 0)
