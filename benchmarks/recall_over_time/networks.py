"""Networks of the comparison: ours and others, with each engine."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.recall_over_time.frozen_network import POOLINGS, frozen_network
from benchmarks.recall_over_time.learning_images import learning_frames
from benchmarks.recall_over_time.method import Describer, Files, Method
from benchmarks.speed import engine_problem
from benchmarks.speed_graphs import write_graphs
from benchmarks.speed_networks import Size, build_network
from ghost_vpr_ros.core.config.engine import EngineConfig, QuantisationConfig
from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.engine.base import Engine
from ghost_vpr_ros.core.engine.graph_cache import Graph
from ghost_vpr_ros.core.engine.graph_export import export_graph, export_layers
from ghost_vpr_ros.core.engine.onnxruntime_engine import OnnxRuntimeEngine
from ghost_vpr_ros.core.engine.openvino_engine import OpenVinoEngine
from ghost_vpr_ros.core.engine.quantisation import quantised_graph
from ghost_vpr_ros.core.engine.torch_engine import TorchEngine
from ghost_vpr_ros.core.model.default_weights import default_weights
from ghost_vpr_ros.core.model.shipped import DEFAULT, shipped_path
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import load_model
from ghost_vpr_ros.core.preprocessing import pixel_batch
from ghost_vpr_ros.core.whole_file import write_whole

OURS = 'ours'
LONGER = 'ours, ghost-vpr-2048'
FROZEN = 'EfficientNet-Lite0, frozen'
UNTRAINED = 'without weights here'
SIZES_PX = (224, 320, 448)
"""Input sizes of our network, besides the shipped one."""

OTHERS_PX = 320
"""Input size of the other methods with recall."""

ENGINES = (
    ('openvino', 'float32'),
    ('openvino', 'half'),
    ('openvino', 'int8'),
    ('onnxruntime', 'float32'),
    ('onnxruntime', 'int8'),
    ('torch', 'float32'),
)
SHORTER = (256,)
THREADS = 1

TIME_ALONE = ('MobileNetV3-NetVLAD', 'CosPlace-R18-512', 'EigenPlaces-R50-2048', 'VGG16-NetVLAD')
"""Networks of `benchmarks.speed_networks` with random weights, of which only time is measured."""

_TIME_ALONE_SIZE = Size(640, 480)


def networks() -> list[Method]:
    """All networks that this machine can run, the shipped one first."""
    shipped_px = default_weights().preprocessing.width_px
    sizes = dict.fromkeys((shipped_px, *SIZES_PX))
    able = [each for each in ENGINES if not engine_problem(_engine_name(*each))]
    ours = [
        Method(
            _name(OURS, *each, size_px),
            OURS,
            *each,
            size_px,
            partial(_ours, *each, size_px),
            SHORTER,
            is_default=(size_px, *each) == (shipped_px, *ENGINES[0]),
        )
        for size_px in sizes
        for each in able
    ]
    ours.append(
        Method(
            _name(LONGER, *ENGINES[0], shipped_px),
            LONGER,
            *ENGINES[0],
            shipped_px,
            partial(_ours, *ENGINES[0], shipped_px, weights='ghost-vpr-2048'),
        )
    )
    others = [
        Method(
            _name(f'{FROZEN}, {pooling}', *each, OTHERS_PX),
            f'{FROZEN}, {pooling}',
            *each,
            OTHERS_PX,
            partial(_frozen, pooling, *each),
        )
        for pooling in POOLINGS
        for each in able
        if each[1] == 'float32'
    ]
    return [*ours, *others]


def untrained_networks() -> list[Method]:
    """Networks without available weights, of which only the time is measured."""
    return [
        Method(
            name,
            UNTRAINED,
            'openvino',
            'float32',
            _TIME_ALONE_SIZE.width_px,
            partial(_untrained, name),
            has_recall=False,
        )
        for name in TIME_ALONE
    ]


def _name(group: str, engine: str, precision: str, size_px: int) -> str:
    return f'{group}, {size_px} px, {engine}, {precision}'


def _engine_name(engine: str, precision: str) -> str:
    """Name of the engine in `benchmarks.speed`."""
    return engine + {'float32': '', 'half': '-bf16', 'int8': '-int8'}[precision]


def _ours(
    engine: str, precision: str, size_px: int, files: Files, weights: str = DEFAULT
) -> Describer:
    """A shipped network with inputs of this size.

    Raises:
        SourceError: training images for int8 are missing.
    """
    model = load_model(shipped_path(weights))
    model.preprocessing = replace(model.preprocessing, width_px=size_px, height_px=size_px)
    config = _config(engine, precision)
    # The hash includes the preprocessing, so it depends on the size.
    version = model.model_hash[:16]
    if engine == 'torch':
        return _run_by(TorchEngine(model, config), model.preprocessing, version)
    graph = files.folder / f'ours_{version}.onnx'
    if not graph.is_file():
        write_whole(graph, export_graph(model), durable=False)
    if precision == 'int8':
        graph = _int8(graph, model)
    return _run_by(_graph_engine(graph, model.preprocessing, config), model.preprocessing, version)


def _int8(graph: Path, model: VprModel) -> Path:
    """The int8 copy of a graph, as `ghost-vpr export --precision int8` makes it."""
    found = graph.with_suffix('.int8.onnx')
    if not found.is_file():
        frames = learning_frames(QuantisationConfig.calibration_images)
        data = quantised_graph(graph.read_bytes(), frames, model.preprocessing)
        write_whole(found, data, durable=False)
    return found


def _run_by(engine: Engine, size: PreprocessingConfig, version: str) -> Describer:
    return Describer(version, lambda image: engine.describe(pixel_batch(image, size))[0])


def _config(engine: str, precision: str) -> EngineConfig:
    return EngineConfig(engine=engine, inference_precision=precision, inference_threads=THREADS)


def _graph_engine(graph: Path, size: PreprocessingConfig, config: EngineConfig) -> Engine:
    if config.engine == 'openvino':
        return OpenVinoEngine(Graph.of_bytes(graph.read_bytes()), '', 0, size, config)
    return OnnxRuntimeEngine(graph.read_bytes(), '', 0, config)


def _frozen(pooling: str, engine: str, precision: str, files: Files) -> Describer:
    """A third-party network that was not trained for places, with a pooling.

    Raises:
        WeightsError: its package is not installed.
        SourceError: the training images are missing.
    """
    size = PreprocessingConfig(width_px=OTHERS_PX, height_px=OTHERS_PX)
    network, version = frozen_network(pooling, size, files)
    if engine == 'torch':
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return Describer(version, partial(_run_by_torch, network, size))
    graph = files.folder / f'{pooling}_{version}.onnx'.replace(' ', '_')
    if not graph.is_file():
        write_whole(graph, export_layers(network, size, ('descriptor',)), durable=False)
    return _run_by(_graph_engine(graph, size, _config(engine, precision)), size, version)


@torch.inference_mode()
def _run_by_torch(
    network: torch.nn.Module, size: PreprocessingConfig, image: NDArray[np.uint8]
) -> NDArray[np.float32]:
    found: NDArray[np.float32] = network(torch.from_numpy(pixel_batch(image, size)))[0].numpy()
    return found


def _untrained(name: str, files: Files) -> Describer:
    """A network of `benchmarks.speed_networks` with random weights."""
    size = PreprocessingConfig(**_TIME_ALONE_SIZE._asdict())
    graph = files.folder / f'{name}.onnx'
    if not graph.is_file():
        trunk = graph.with_suffix('.trunk.onnx')
        write_graphs(build_network(name, _TIME_ALONE_SIZE, 'whole'), graph, trunk)
        trunk.unlink()
    return _run_by(_graph_engine(graph, size, _config('openvino', 'float32')), size, name)
