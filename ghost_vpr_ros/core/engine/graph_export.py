"""The network as an ONNX graph: pixels in, descriptor and feature map out. Needs PyTorch.

Normalisation is part of the graph, so that an engine gets the unchanged bytes of the image;
batch norm is inside the convolutions, the whitening's mean inside its bias.
"""

from __future__ import annotations

import copy
import inspect
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.engine.halved_ghostcnn import halved
from ghost_vpr_ros.core.model.ghostcnn import GhostCNN
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import load_model
from ghost_vpr_ros.core.model.whitening import Whitening
from ghost_vpr_ros.core.preprocessing import scale_and_offset
from ghost_vpr_ros.core.whole_file import write_whole

INPUT = 'pixels'
OUTPUTS = ('descriptor', 'feature_map')
_OPSET = 17


class PixelNetwork(nn.Module):
    """RGB uint8 (B, h, w, 3) -> descriptors (B, D) and feature maps (B, C, h', w')."""

    def __init__(self, model: VprModel) -> None:
        """Take over the layers of a model in evaluation mode; it is not changed."""
        super().__init__()
        scale, offset = scale_and_offset(model.preprocessing)
        self.scale: Tensor
        self.offset: Tensor
        self.register_buffer('scale', torch.from_numpy(scale).reshape(1, 3, 1, 1))
        self.register_buffer('offset', torch.from_numpy(offset).reshape(1, 3, 1, 1))
        backbone = model.backbone
        self.backbone = halved(backbone) if isinstance(backbone, GhostCNN) else backbone
        self.reduction = model.reduction
        self.pooling = model.pooling
        self.whitening = _projection(model.whitening)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Descriptors and feature maps of network inputs."""
        x = pixels.permute(0, 3, 1, 2).float() * self.scale + self.offset
        feature_map = self.reduction(self.backbone(x))
        return self.whitening(self.pooling(feature_map)), feature_map


class _Projection(nn.Module):
    """A whitening as one linear layer: W (v - m) = W v - W m."""

    def __init__(self, whitening: Whitening) -> None:
        super().__init__()
        projection = whitening.projection.detach()
        self.linear = nn.Linear(projection.shape[1], projection.shape[0])
        self.linear.weight = nn.Parameter(projection.clone())
        self.linear.bias = nn.Parameter(-(projection @ whitening.mean.detach()))

    def forward(self, descriptors: Tensor) -> Tensor:
        return nn.functional.normalize(self.linear(descriptors), dim=1)


def _projection(whitening: nn.Module) -> nn.Module:
    return _Projection(whitening) if isinstance(whitening, Whitening) else whitening


# Without it PyTorch 2.9 and later take another exporter; before 2.5 there was no such choice.
_KNOWS_OTHERS = 'dynamo' in inspect.signature(torch.onnx.export).parameters
_TRACED: dict[str, Any] = {'dynamo': False} if _KNOWS_OTHERS else {}


def export_graph(model: VprModel) -> bytes:
    """The ONNX file of a model, for any batch size and the model's own input size."""
    with torch.inference_mode():
        network = PixelNetwork(copy.deepcopy(model).eval())
    return export_layers(network, model.preprocessing, OUTPUTS)


def export_layers(network: nn.Module, size: PreprocessingConfig, outputs: Sequence[str]) -> bytes:
    """The ONNX file of layers in evaluation mode that take pixels, for any batch size.

    Args:
        network: RGB uint8 (B, h, w, 3) -> one tensor for each name of `outputs`.
        size: h and w.
        outputs: names in the graph.
    """
    example = torch.zeros((1, size.height_px, size.width_px, 3), dtype=torch.uint8)
    buffer = io.BytesIO()
    with _quietly(), torch.no_grad():
        torch.onnx.export(
            network,
            (example,),
            buffer,  # type: ignore[arg-type]
            input_names=[INPUT],
            output_names=list(outputs),
            dynamic_axes={name: {0: 'batch'} for name in (INPUT, *outputs)},
            opset_version=_OPSET,
            **_TRACED,
        )
    return buffer.getvalue()


def export_file(weights: str, graph: str) -> None:
    """Write the graph of a weights file, for a process that does not load PyTorch itself.

    Raises:
        WeightsError: the weights are missing or damaged.
    """
    write_whole(Path(graph), export_graph(load_model(weights)), durable=False)


@contextmanager
def _quietly() -> Iterator[None]:
    """The tracing exporter warns of itself and of constants, which they are for one input size."""
    logger = logging.getLogger('torch.onnx')
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logger.setLevel(level)
