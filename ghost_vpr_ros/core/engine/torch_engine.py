"""PyTorch as the engine, on the CPU or on a CUDA device."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ghost_vpr_ros.core.errors import DeviceError
from ghost_vpr_ros.core.model.rootsift_vlad import RootSiftVlad
from ghost_vpr_ros.core.model.vpr_model import VprModel

Model = VprModel | RootSiftVlad


class TorchEngine:
    """A private copy of the model in channels-last layout, without gradients."""

    def __init__(self, model: Model, device: str) -> None:
        """Put the network on its device.

        Raises:
            DeviceError: the name is not a device, or this machine lacks it.
        """
        self._device = checked_device(device)
        self.name = f'torch {torch.__version__} on {self._device}'
        self.descriptor_dim = model.descriptor_dim
        self.model_hash = model.model_hash
        private = copy.deepcopy(model).eval().requires_grad_(False)
        self._model: Model | None = private.to(self._device).to(memory_format=torch.channels_last)

    def describe(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Descriptors (B, D) float32, unit norm, of network inputs (B, 3, h, w) float32."""
        return self._run(lambda model, inputs: model(inputs), batch)

    def feature_map(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Feature maps (B, C, h', w') float32, as they are pooled, of inputs (B, 3, h, w)."""
        return self._run(lambda model, inputs: model.feature_map(inputs), batch)

    def _run(
        self, layers: Callable[[Model, Tensor], Tensor], batch: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        if self._model is None:
            raise DeviceError(f'{self.name}: the engine was closed; create another one')
        inputs = torch.from_numpy(batch).to(
            self._device, memory_format=torch.channels_last, non_blocking=True
        )
        with torch.inference_mode():
            found: NDArray[np.float32] = layers(self._model, inputs).float().cpu().numpy()
        return found

    def close(self) -> None:
        """Free the network; on CUDA, give the cached memory back to the device."""
        self._model = None
        if self._device.type == 'cuda':
            torch.cuda.empty_cache()


def checked_device(name: str) -> torch.device:
    """The device of that name: cpu, cuda or cuda:N.

    Raises:
        DeviceError: the name is not a device, or this machine lacks it.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f'device {name!r}: expected cpu, cuda or cuda:N') from error
    if device.type == 'cuda':
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise DeviceError(
                f'device {name!r}: this machine has {count} usable CUDA devices; use cpu, or '
                'run `ghost-vpr doctor` to see what torch finds'
            )
    elif device.type != 'cpu':
        raise DeviceError(f'device {name!r}: expected cpu, cuda or cuda:N')
    return device
