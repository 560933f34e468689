"""Settings of what runs the network."""

from __future__ import annotations

from dataclasses import dataclass

from ghost_vpr_ros.core.config.settings import Config, setting

ENGINES = ('auto', 'openvino', 'onnxruntime', 'tensorrt', 'torch')
"""Names of the engines that can run the network; `auto` is the fastest one for the device."""


PRECISIONS = ('float32', 'half', 'int8')
"""What engines compute in; `half` is bfloat16 on a CPU and float16 on CUDA."""


@dataclass(frozen=True)
class EngineConfig(Config):
    """What runs the network."""

    engine: str = setting('auto', 'what runs the network', choices=ENGINES)
    device: str = setting('cpu', 'where it runs: cpu, cuda, cuda:1, ...')
    inference_precision: str = setting(
        'float32',
        'what it computes in; half: bfloat16 (cpu) or float16 (cuda); int8: a network that '
        '`ghost-vpr export --precision int8` made',
        choices=PRECISIONS,
    )
    inference_threads: int = setting(
        0, 'threads on a CPU; 0: OMP_NUM_THREADS, or one for each core', low=0, high=1024
    )


@dataclass(frozen=True)
class QuantisationConfig(Config):
    """How a network becomes int8."""

    calibration_images: int = setting(
        64, 'images that the range of every layer is measured on', low=1, high=100_000
    )
