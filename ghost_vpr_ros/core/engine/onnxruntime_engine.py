"""ONNX Runtime as the engine: on the CPU, on CUDA, or through TensorRT."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.engine.base import GraphEngine, closed, device_index, thread_count
from ghost_vpr_ros.core.engine.compiled_files import compiled_files
from ghost_vpr_ros.core.errors import DeviceError

_PROVIDERS = {
    'cpu': 'CPUExecutionProvider',
    'cuda': 'CUDAExecutionProvider',
    'tensorrt': 'TensorrtExecutionProvider',
}


class OnnxRuntimeEngine(GraphEngine):
    """One session on a graph."""

    def __init__(
        self, graph: bytes, model_hash: str, descriptor_dim: int, config: EngineConfig
    ) -> None:
        """Put the graph on its device.

        Raises:
            DeviceError: ONNX Runtime is missing, or cannot use the device in that precision.
        """
        ort = check_onnxruntime(config)
        options = ort.SessionOptions()
        options.intra_op_num_threads = thread_count(config)
        # Idle threads that spin take the core from the camera and the SLAM system.
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        options.log_severity_level = 3
        kind = _kind(config)
        with _compiled(kind, graph, ort.__version__, config) as folder:
            self._session = ort.InferenceSession(
                graph, options, providers=_providers(kind, config, folder)
            )
        where = config.device if config.engine != 'tensorrt' else f'TensorRT, {config.device}'
        self.name = f'onnxruntime {ort.__version__} on {where}, {config.inference_precision}'
        self.descriptor_dim = descriptor_dim
        self.model_hash = model_hash

    def _run(
        self, outputs: tuple[str, ...], pixels: NDArray[np.uint8]
    ) -> list[NDArray[np.float32]]:
        if self._session is None:
            raise closed(self.name)
        found: list[NDArray[np.float32]] = self._session.run(list(outputs), {'pixels': pixels})
        return found

    def value(self, name: str, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Any other output of the graph, by its name."""
        return self._run((name,), pixels)[0]

    def close(self) -> None:
        """Free the session."""
        self._session = None


def check_onnxruntime(config: EngineConfig) -> Any:
    """The module of ONNX Runtime.

    Raises:
        DeviceError: it is missing, or lacks what the configuration needs.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise DeviceError(
            'engine onnxruntime: ONNX Runtime is not installed; pip install onnxruntime '
            '(onnxruntime-gpu for CUDA and TensorRT), or choose another engine'
        ) from error
    _check_offered(onnxruntime, _kind(config), config)
    return onnxruntime


def _kind(config: EngineConfig) -> str:
    """Which provider the configuration means."""
    on_cuda = device_index(config.device) >= 0
    if config.engine == 'tensorrt':
        if not on_cuda:
            raise DeviceError(
                f'engine tensorrt: expected device cuda or cuda:N, found {config.device!r}'
            )
        return 'tensorrt'
    if config.inference_precision == 'half':
        raise DeviceError(
            'inference_precision half: ONNX Runtime has it through TensorRT only; use engine '
            'tensorrt, openvino or torch, or precision float32'
        )
    return 'cuda' if on_cuda else 'cpu'


def _check_offered(ort: Any, kind: str, config: EngineConfig) -> None:
    offered = ort.get_available_providers()
    if _PROVIDERS[kind] not in offered:
        raise DeviceError(
            f'engine {config.engine} on {config.device}: expected {_PROVIDERS[kind]} in ONNX '
            f'Runtime {ort.__version__}, found {", ".join(offered)}; install onnxruntime-gpu on a '
            'machine with CUDA, or use device cpu'
        )


def _compiled(
    kind: str, graph: bytes, version: str, config: EngineConfig
) -> AbstractContextManager[Path | None]:
    """The folder for what TensorRT builds in minutes; the others compile nothing."""
    if kind != 'tensorrt':
        return nullcontext()
    return compiled_files('tensorrt', graph, version, config.device, config.inference_precision)


def _providers(kind: str, config: EngineConfig, folder: Path | None) -> list[Any]:
    """The provider with its options, and what it may fall back on for single operators."""
    cuda = (_PROVIDERS['cuda'], {'device_id': max(0, device_index(config.device))})
    if kind == 'cpu':
        return [_PROVIDERS['cpu']]
    if kind == 'cuda':
        return [cuda, _PROVIDERS['cpu']]
    options: dict[str, Any] = {
        'device_id': max(0, device_index(config.device)),
        'trt_fp16_enable': config.inference_precision == 'half',
        'trt_int8_enable': config.inference_precision == 'int8',
    }
    if folder is not None:
        options |= {
            'trt_engine_cache_enable': True,
            'trt_engine_cache_path': str(folder),
            'trt_timing_cache_enable': True,
            'trt_timing_cache_path': str(folder),
        }
    return [(_PROVIDERS['tensorrt'], options), cuda, _PROVIDERS['cpu']]
