"""Graphs of the networks for the engines other than PyTorch: `pixels` -> `descriptor`.

Ours are exported by the package, and the others in the same way, so that all have the same input
and the same normalisation in the graph.
"""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path

import numpy as np
from torch import nn

from benchmarks.speed_networks import TimedNetwork
from benchmarks.speed_worker import make_image
from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.engine.graph_export import PixelNetwork, export_graph, export_layers
from ghost_vpr_ros.core.engine.quantisation import quantised_graph

_CALIBRATION_IMAGES = 4
"""Few random images suffice, because the time does not depend on the ranges."""


def write_graphs(network: TimedNetwork, whole: Path, trunk: Path) -> None:
    """Export a network, and its trunk alone."""
    if network.model is None:
        whole.write_bytes(_exported(network))
        trunk.write_bytes(_exported(network.without_head()))
        return
    whole.write_bytes(export_graph(network.model))
    layers = PixelNetwork(copy.deepcopy(network.model).eval())
    trunk.write_bytes(_exported(TimedNetwork(layers.backbone, nn.Identity(), network.size)))


def write_int8_graph(path: Path, network: TimedNetwork) -> Path:
    """Write an int8 copy of a graph next to it, as `ghost-vpr export --precision int8` does."""
    size = network.size
    rng = np.random.default_rng(0)
    images = [make_image(*size, rng)[0] for _ in range(_CALIBRATION_IMAGES)]
    frames = [Frame(str(n), partial(np.asarray, image)) for n, image in enumerate(images)]
    found = int8_path(path)
    preprocessing = PreprocessingConfig(**size._asdict())
    found.write_bytes(quantised_graph(path.read_bytes(), frames, preprocessing))
    return found


def int8_path(path: Path) -> Path:
    """The file of the int8 copy of a graph."""
    return path.with_suffix('.int8.onnx')


def _exported(network: TimedNetwork) -> bytes:
    size = PreprocessingConfig(**network.size._asdict())
    return export_layers(network.eval(), size, ('descriptor',))
