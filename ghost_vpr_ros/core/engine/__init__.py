"""Engines that run the network: pixels in, descriptors out."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ghost_vpr_ros.core.config.engine import ENGINES, EngineConfig
from ghost_vpr_ros.core.engine.base import Engine, GraphEngine, device_index, leaves_a_core
from ghost_vpr_ros.core.engine.graph_cache import graph_of, graph_path, stored_graph
from ghost_vpr_ros.core.errors import DeviceError
from ghost_vpr_ros.core.model.weights_file import StoredModel

if TYPE_CHECKING:
    from ghost_vpr_ros.core.model.vpr_model import VprModel

__all__ = [
    'ENGINES',
    'Engine',
    'chosen_engine',
    'create_engine',
    'leaves_a_core',
    'prepare_engine',
]

_OTHER_ENGINES = (
    'use engine openvino or onnxruntime with device cpu, or another machine that has PyTorch'
)
_BY_SPEED_ON_CPU = ('openvino', 'onnxruntime')
"""Fastest first, see docs/lab/benchmarks.md; PyTorch comes after them."""


def create_engine(model: VprModel | StoredModel, config: EngineConfig | None = None) -> Engine:
    """An engine that is ready to run a network.

    Args:
        model: a weights file, or a network in memory.
        config: which engine, on what, in which precision; the defaults where not given.

    Raises:
        DeviceError: this machine lacks the engine or the device, or they cannot be combined.
        WeightsError: the weights are not those of the architecture.
    """
    config = config or EngineConfig()
    name = chosen_engine(model, config)
    if name == 'torch':
        _check_torch(config)
        from ghost_vpr_ros.core.engine.torch_engine import TorchEngine
        from ghost_vpr_ros.core.model.weights import load_network

        network = load_network(model) if isinstance(model, StoredModel) else model
        return TorchEngine(network, config)
    engine = _graph_engine(name, model, config)
    if isinstance(model, StoredModel) and model.graph:
        engine.takes_batches = model.description.takes_batches
        engine.has_feature_map = False
    return engine


def _graph_engine(name: str, model: VprModel | StoredModel, config: EngineConfig) -> GraphEngine:
    if name == 'openvino':
        from ghost_vpr_ros.core.engine.openvino_engine import OpenVinoEngine

        graph = stored_graph(model, config.inference_precision)
        return OpenVinoEngine(
            graph, model.model_hash, model.descriptor_dim, model.preprocessing, config
        )
    from ghost_vpr_ros.core.engine.onnxruntime_engine import OnnxRuntimeEngine

    whole = graph_of(model, config.inference_precision)
    return OnnxRuntimeEngine(whole, model.model_hash, model.descriptor_dim, config)


def chosen_engine(model: VprModel | StoredModel, config: EngineConfig) -> str:
    """The engine that `auto` means here, or the one that was named.

    A network in memory may change with the next step of a training: it is run by PyTorch unless
    its graph is known already.

    Raises:
        DeviceError: the device's name is none, or nothing here runs the graph of another network
            or inputs of any size.
    """
    if model.preprocessing.varies:
        return _of_any_size(model, config)
    if config.engine != 'auto':
        return config.engine
    is_graph = isinstance(model, StoredModel) and bool(model.graph)
    if device_index(config.device) >= 0:
        return 'onnxruntime' if is_graph else 'torch'
    needs_graph = config.inference_precision == 'int8' or isinstance(model, StoredModel)
    path = graph_path(model.model_hash)
    if needs_graph or (path is not None and path.is_file()):
        for name in _BY_SPEED_ON_CPU:
            if _is_installed(name):
                return name
    if is_graph:
        raise DeviceError(
            f'{model.name}: expected OpenVINO or ONNX Runtime to run the graph of this network, '
            'found neither; install one with pip install openvino'
        )
    return 'torch'


def _of_any_size(model: VprModel | StoredModel, config: EngineConfig) -> str:
    """PyTorch: graphs are made for one size of input.

    Raises:
        DeviceError: another engine is requested, or there is nothing but a graph.
    """
    is_graph = isinstance(model, StoredModel) and bool(model.graph)
    if is_graph or config.engine not in ('auto', 'torch'):
        found = 'a graph of one size' if is_graph else f'engine {config.engine}'
        raise DeviceError(
            f'{model.name}: expected PyTorch to run inputs of any size, found {found}; use engine '
            'torch, or fit stretch or pad'
        )
    return 'torch'


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _check_torch(config: EngineConfig) -> None:
    """Refuse PyTorch where it is not installed, with what can be used instead.

    Raises:
        DeviceError: it is not there.
    """
    if 'torch' in sys.modules or _is_installed('torch'):
        return
    if config.engine == 'auto' and device_index(config.device) < 0:
        raise DeviceError(
            'expected OpenVINO, ONNX Runtime or PyTorch to run the network, found none of them; '
            'install the first, which is the fastest here, with pip install openvino'
        )
    wanted = 'engine torch' if config.engine == 'torch' else f'device {config.device}'
    raise DeviceError(f'{wanted} needs PyTorch, which is not installed; {_OTHER_ENGINES}')


def prepare_engine(model: VprModel | StoredModel, config: EngineConfig) -> None:
    """Do now what may fail or take long, so that `create_engine` is quick; keeps no memory.

    Raises:
        DeviceError, WeightsError: as `create_engine`.
    """
    name = chosen_engine(model, config)
    if name == 'torch':
        create_engine(model, config).close()
        return
    if name == 'openvino':
        from ghost_vpr_ros.core.engine.openvino_engine import check_openvino

        check_openvino(config)
    else:
        from ghost_vpr_ros.core.engine.onnxruntime_engine import check_onnxruntime

        check_onnxruntime(config)
    stored_graph(model, config.inference_precision)
