"""OpenVINO as the engine, on the CPU."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.engine.base import GraphEngine, closed, thread_count
from ghost_vpr_ros.core.engine.compiled_files import compiled_files
from ghost_vpr_ros.core.engine.graph_cache import Graph
from ghost_vpr_ros.core.errors import DeviceError
from ghost_vpr_ros.core.home import home_for_others
from ghost_vpr_ros.core.whole_file import write_whole

_OUTPUTS = ('descriptor', 'feature_map')

_KEPT = 'network.blob'
_CONVERTER = 'openvino.tools.ovc'


class OpenVinoEngine(GraphEngine):
    """A graph compiled for single images and, on first use, for batches."""

    def __init__(
        self,
        graph: Graph,
        model_hash: str,
        descriptor_dim: int,
        preprocessing: PreprocessingConfig,
        config: EngineConfig,
    ) -> None:
        """Compile the graph, or load what was compiled of it before.

        Raises:
            DeviceError: OpenVINO is missing, or the device is not the CPU.
        """
        openvino = check_openvino(config)
        self._graph = graph
        self._input = [preprocessing.height_px, preprocessing.width_px, 3]
        self._options: dict[str, Any] = {
            'PERFORMANCE_HINT': 'LATENCY',
            'NUM_STREAMS': 1,
            'INFERENCE_NUM_THREADS': thread_count(config),
            'INFERENCE_PRECISION_HINT': 'bf16' if config.inference_precision == 'half' else 'f32',
        }
        self._core = shared_core()
        self._made_of = (
            graph.digest,
            openvino.__version__,
            str(self._core.get_property('CPU', 'FULL_DEVICE_NAME')),
            str(sorted(self._options.items())),
        )
        self._requests = {1: self._compiled(1)}
        version = openvino.__version__.partition('-')[0]
        self.name = f'openvino {version} on cpu, {config.inference_precision}'
        self.descriptor_dim = descriptor_dim
        self.model_hash = model_hash

    def _run(
        self, outputs: tuple[str, ...], pixels: NDArray[np.uint8]
    ) -> list[NDArray[np.float32]]:
        if not self._requests:
            raise closed(self.name)
        batch = 1 if len(pixels) == 1 else -1
        if batch not in self._requests:
            self._requests[batch] = self._compiled(batch)
        request = self._requests[batch]
        request.infer({0: pixels}, share_inputs=True)
        tensors = (request.get_output_tensor(_OUTPUTS.index(name)) for name in outputs)
        # Copies: the request's own memory is written again by the next image.
        return [np.array(tensor.data, np.float32) for tensor in tensors]

    def _compiled(self, batch: int) -> Any:
        """A request for this batch size; -1: any. A known one is a tenth faster."""
        with compiled_files('openvino', *self._made_of, str(batch)) as folder:
            compiled = self._loaded(folder)
            if compiled is None:
                compiled = self._compile(batch)
                _keep(compiled, folder)
        return compiled.create_infer_request()

    def _loaded(self, folder: Path | None) -> Any:
        """The network that was compiled before; None without one that can be used.

        Beside the time this saves the graph: in memory it is twice as large as what runs.
        """
        kept = None if folder is None else folder / _KEPT
        if kept is None or not kept.is_file():
            return None
        with contextlib.suppress(RuntimeError, OSError):
            return self._core.import_model(kept.read_bytes(), 'CPU', self._options)
        return None

    def _compile(self, batch: int) -> Any:
        model = self._core.read_model(self._graph.read())
        model.reshape([batch, *self._input])
        return self._core.compile_model(model, 'CPU', self._options)

    def close(self) -> None:
        """Free the network."""
        self._requests.clear()
        self._graph = Graph.of_bytes(b'')


def _keep(compiled: Any, folder: Path | None) -> None:
    """Put a compiled network where the next start finds it, if it can be written."""
    if folder is not None:
        with contextlib.suppress(RuntimeError, OSError):
            write_whole(folder / _KEPT, compiled.export_model().getvalue(), durable=True)


@cache
def shared_core() -> Any:
    """The one `openvino.Core` of this process, which lives as long as the process.

    The CPU plugin gives its thread a stack for signals, and takes it away when its core is freed.
    Of two cores, the first freed first, the second puts back the stack that is gone, and the next
    signal ends the process: Ctrl-C, or the end of a child (seen with OpenVINO 2026.4 and AMX).
    """
    return _openvino().Core()


def check_openvino(config: EngineConfig) -> Any:
    """The module of OpenVINO.

    Raises:
        DeviceError: it is missing, or the device is not the CPU.
    """
    if config.device != 'cpu':
        raise DeviceError(
            f'engine openvino: expected device cpu, found {config.device!r}; use engine '
            'torch, onnxruntime or tensorrt for CUDA'
        )
    try:
        return _openvino()
    except ImportError as error:
        raise DeviceError(
            'engine openvino: OpenVINO is not installed; pip install openvino, or choose another '
            'engine'
        ) from error


def _openvino() -> Any:
    with home_for_others(), _without_converter():
        import openvino
    module: Any = openvino
    if not hasattr(module, 'convert_model'):
        module.convert_model = _convert_model
    return module


@contextlib.contextmanager
def _without_converter() -> Iterator[None]:
    """OpenVINO is imported without its converter of foreign models, and that one's telemetry.

    They are half of the import, and nothing that runs a network uses them.
    """
    if 'openvino' in sys.modules:
        yield
        return
    sys.modules[_CONVERTER] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[_CONVERTER]


def _convert_model(*arguments: Any, **options: Any) -> Any:
    """OpenVINO's own, for programs that use this package and convert models as well."""
    from openvino.tools.ovc import convert_model

    return convert_model(*arguments, **options)
