"""PyTorch as the engine, on the CPU or on a CUDA device."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.engine.base import closed, device_index
from ghost_vpr_ros.core.errors import DeviceError
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.preprocessing import scale_and_offset

_WARM_UP_RUNS = 3
"""Before a CUDA graph is captured, so that kernels are chosen and memory is taken."""


class TorchEngine:
    """A private copy of the model in channels-last layout, without gradients.

    On CUDA the work for one image is captured as a CUDA graph: hundreds of small kernels start
    as one.
    """

    def __init__(self, model: VprModel, config: EngineConfig) -> None:
        """Put the network on its device.

        Raises:
            DeviceError: the name is not a device, this machine lacks it, or int8 is requested.
        """
        if config.inference_precision == 'int8':
            raise DeviceError(
                'inference_precision int8: engine torch has none; use engine openvino or '
                'onnxruntime'
            )
        self._device = checked_device(config.device)
        kind = self._device.type
        half = torch.float16 if kind == 'cuda' else torch.bfloat16
        self.name = f'torch {torch.__version__} on {self._device}, {config.inference_precision}'
        self.descriptor_dim = model.descriptor_dim
        self.model_hash = model.model_hash
        private = copy.deepcopy(model).eval().requires_grad_(False)
        self._layers: _PixelLayers | None = _PixelLayers(
            private, torch.autocast(kind, half, enabled=config.inference_precision == 'half')
        )
        self._layers.to(self._device).to(memory_format=torch.channels_last)
        self._one_image: _CapturedRun | None = None

    def describe(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Descriptors (B, D) float32, unit norm, of network inputs, RGB uint8 (B, h, w, 3)."""
        if self._device.type == 'cuda' and len(pixels) == 1:
            return self._describe_one(pixels)
        return self._run(_PixelLayers.__call__, pixels)

    def feature_map(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Feature maps (B, C, h', w') float32, the input of the pooling, of the same inputs."""
        return self._run(_PixelLayers.feature_map, pixels)

    def describe_with_map(
        self, pixels: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What `describe` and `feature_map` give, from one run of the network.

        On CUDA this run is not captured: its kernels start one by one.
        """
        with torch.inference_mode():
            maps = self._given(_PixelLayers.feature_map, pixels)
            descriptors = self._given(_PixelLayers.pooled, maps)
        return descriptors.cpu().numpy(), maps.cpu().numpy()

    def _run(
        self, layers: Callable[[_PixelLayers, Tensor], Tensor], pixels: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        with torch.inference_mode():
            found: NDArray[np.float32] = self._given(layers, pixels).cpu().numpy()
        return found

    def _given(
        self,
        layers: Callable[[_PixelLayers, Tensor], Tensor],
        inputs: NDArray[np.uint8] | Tensor,
    ) -> Tensor:
        """What these layers make of their inputs, on the device."""
        if self._layers is None:
            raise closed(self.name)
        given = inputs if isinstance(inputs, Tensor) else torch.from_numpy(inputs)
        return layers(self._layers, given.to(self._device, non_blocking=True)).float()

    def _describe_one(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        if self._layers is None:
            raise closed(self.name)
        if self._one_image is None or self._one_image.shape != pixels.shape:
            with torch.inference_mode():
                self._one_image = _CapturedRun(self._layers, pixels, self._device)
        return self._one_image(pixels)

    def close(self) -> None:
        """Free the network; on CUDA, give the cached memory back to the device."""
        self._layers = None
        self._one_image = None
        if self._device.type == 'cuda':
            torch.cuda.empty_cache()


class _PixelLayers(nn.Module):
    """The model behind the normalisation of pixels; its head, which squares, stays in float32."""

    def __init__(self, model: VprModel, trunk_precision: torch.autocast) -> None:
        super().__init__()
        self.model = model
        self._trunk_precision = trunk_precision
        scale, offset = scale_and_offset(model.preprocessing)
        self.scale: Tensor
        self.offset: Tensor
        self.register_buffer('scale', torch.from_numpy(scale))
        self.register_buffer('offset', torch.from_numpy(offset))

    def forward(self, pixels: Tensor) -> Tensor:
        return self.pooled(self.feature_map(pixels))

    def pooled(self, feature_maps: Tensor) -> Tensor:
        found: Tensor = self.model.whitening(self.model.pooling(feature_maps))
        return found

    def feature_map(self, pixels: Tensor) -> Tensor:
        with self._trunk_precision:
            return self.model.feature_map(self._normalised(pixels)).float()

    def _normalised(self, pixels: Tensor) -> Tensor:
        """Network inputs (B, 3, h, w); in memory they stay channels-last, as the pixels are."""
        return (pixels.float() * self.scale + self.offset).permute(0, 3, 1, 2)


class _CapturedRun:
    """One image's run as a CUDA graph, with memory of its own for input and output.

    Attributes:
        shape: of the pixels that it was captured for.
    """

    def __init__(
        self, layers: _PixelLayers, pixels: NDArray[np.uint8], device: torch.device
    ) -> None:
        self.shape = pixels.shape
        self._pinned = torch.from_numpy(pixels).clone().pin_memory()
        self._input = self._pinned.to(device)
        stream = torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP_RUNS):
                layers(self._input)
        torch.cuda.current_stream(device).wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._output = layers(self._input).float()

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        self._pinned.copy_(torch.from_numpy(pixels))
        self._input.copy_(self._pinned, non_blocking=True)
        self._graph.replay()
        found: NDArray[np.float32] = self._output.cpu().numpy()
        return found


def checked_device(name: str) -> torch.device:
    """The device of that name: cpu, cuda or cuda:N.

    Raises:
        DeviceError: the name is not a device, or this machine lacks it.
    """
    index = device_index(name)
    if index < 0:
        return torch.device('cpu')
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if index >= count:
        raise DeviceError(
            f'device {name!r}: this machine has {count} usable CUDA devices; use cpu, or '
            'run `ghost-vpr doctor` to see what torch finds'
        )
    return torch.device(name)
