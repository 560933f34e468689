"""A graph with convolutions in int8: post-training quantisation by ONNX Runtime.

Weights by output channel, activations by the range that they have on training images. Only the
wide 1x1 convolutions change: depthwise ones, gates and the narrow first stages lose more than they
save (docs/lab/benchmarks.md).

Weights keep to seven bits, [-64, 64]: processors without VNNI add two products of eight bits into
sixteen, which saturate with full-range weights. So one graph gives the same descriptors
everywhere.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.datatypes import Frame, Progress
from ghost_vpr_ros.core.errors import DeviceError
from ghost_vpr_ros.core.preprocessing import least_side_px, pixel_batch

_LEAST_CHANNELS = 41
"""Convolutions of fewer input channels stay float32."""


def quantised_graph(
    graph: bytes,
    frames: Sequence[Frame],
    preprocessing: PreprocessingConfig,
    *,
    progress: Progress | None = None,
) -> bytes:
    """The int8 graph of a float32 graph.

    Args:
        graph: as `export_graph` makes it.
        frames: training images, which the ranges are measured on.
        preprocessing: of the network.
        progress: called with 1 after each image.

    Raises:
        DeviceError: ONNX Runtime or onnx is missing.
        ImageError: an image cannot be read.
    """
    quantization = _quantiser()
    with tempfile.TemporaryDirectory(prefix='ghost_vpr_int8_') as folder:
        given, cleaned, found = (Path(folder) / name for name in ('f.onnx', 'c.onnx', 'q.onnx'))
        given.write_bytes(graph)
        quantization.shape_inference.quant_pre_process(given, cleaned, skip_symbolic_shape=True)
        quantization.quantize_static(
            cleaned,
            found,
            _Images(frames, preprocessing, progress),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            reduce_range=True,
            nodes_to_quantize=_wide_convolutions(cleaned),
        )
        return found.read_bytes()


class _Images:
    """Hands one image after the other to the quantiser."""

    def __init__(
        self,
        frames: Sequence[Frame],
        preprocessing: PreprocessingConfig,
        progress: Progress | None,
    ) -> None:
        self._inputs = self._each(frames, preprocessing, progress)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """The next input of the graph, as ONNX Runtime expects it."""
        return next(self._inputs, None)

    @staticmethod
    def _each(
        frames: Sequence[Frame],
        preprocessing: PreprocessingConfig,
        progress: Progress | None,
    ) -> Iterator[dict[str, NDArray[np.uint8]]]:
        side_px = least_side_px(preprocessing)
        for frame in frames:
            yield {'pixels': pixel_batch(frame.at_least(side_px), preprocessing)}
            if progress:
                progress(1)


def _wide_convolutions(path: Path) -> list[str]:
    """Names of the convolutions that become int8."""
    import onnx

    graph = onnx.load(path).graph
    shapes = {item.name: item.dims for item in graph.initializer}
    return [
        node.name
        for node in graph.node
        if node.op_type == 'Conv'
        and shapes[node.input[1]][1] >= _LEAST_CHANNELS
        and not _is_gate(node.name)
    ]


def _is_gate(name: str) -> bool:
    """Whether a node is part of squeeze-and-excitation, which works on one pixel."""
    return '/reduce/' in name or '/expand/' in name


def _quantiser() -> Any:
    try:
        import onnx  # noqa: F401
        from onnxruntime import quantization
        from onnxruntime.quantization import shape_inference  # noqa: F401
    except ImportError as error:
        raise DeviceError(
            f'int8: needs onnx and onnxruntime, found no {error.name}; pip install onnx '
            'onnxruntime'
        ) from error
    return quantization
