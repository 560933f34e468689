"""Run one network with one engine in a separate process, so that its memory can be measured.

    python -m benchmarks.speed_worker JOB      (JSON; started by benchmarks.speed)

Writes JSON lines: one when it is ready; for each input line `REPETITIONS SECONDS` the time of each
repetition; and at the end its peak memory. Engines other than PyTorch run without PyTorch.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.config.model import PreprocessingConfig

WARM_UP = 3
LEAST_REPETITIONS = 2
_KIB = 1024

Pixels = NDArray[np.uint8]
Runner = Callable[[Pixels], NDArray[np.float32]]


def make_image(width_px: int, height_px: int, rng: np.random.Generator) -> Pixels:
    """RGB uint8 (1, h, w, 3): random blocks of 8 x 8 pixels."""
    blocks = rng.integers(0, 256, (height_px // 8 + 1, width_px // 8 + 1, 3), np.uint8)
    image = blocks.repeat(8, axis=0).repeat(8, axis=1)[:height_px, :width_px]
    return np.ascontiguousarray(image[np.newaxis])


def torch_runner(job: dict[str, Any]) -> Runner:
    """PyTorch, channels last, without gradients; compiled for the engine `torch-compile`."""
    import torch

    from benchmarks.speed_networks import Size, build_network

    torch.set_num_threads(job['threads'])
    network: Any = build_network(job['network'], Size.parse(job['asked_size']), job['part'])
    network = network.to(memory_format=torch.channels_last)
    if job['engine'] == 'torch-compile':
        network = torch.compile(network)

    def run(pixels: Pixels) -> NDArray[np.float32]:
        with torch.inference_mode():
            found: NDArray[np.float32] = network(torch.from_numpy(pixels)).numpy()
        return found

    return run


def onnxruntime_runner(job: dict[str, Any]) -> Runner:
    """The package's engine on ONNX Runtime."""
    from ghost_vpr_ros.core.engine.onnxruntime_engine import OnnxRuntimeEngine

    config = EngineConfig(engine='onnxruntime', inference_threads=job['threads'])
    return OnnxRuntimeEngine(Path(job['graph']).read_bytes(), '', 0, config).describe


def openvino_runner(job: dict[str, Any]) -> Runner:
    """The package's engine on OpenVINO."""
    from ghost_vpr_ros.core.engine.graph_cache import Graph
    from ghost_vpr_ros.core.engine.openvino_engine import OpenVinoEngine

    precision = 'half' if job['engine'] == 'openvino-bf16' else 'float32'
    config = EngineConfig(
        engine='openvino', inference_threads=job['threads'], inference_precision=precision
    )
    size = PreprocessingConfig(width_px=job['width_px'], height_px=job['height_px'])
    graph = Graph.of_bytes(Path(job['graph']).read_bytes())
    return OpenVinoEngine(graph, '', 0, size, config).describe


RUNNERS = {
    'torch': torch_runner,
    'torch-compile': torch_runner,
    'onnxruntime': onnxruntime_runner,
    'openvino': openvino_runner,
    'openvino-bf16': openvino_runner,
    'openvino-int8': openvino_runner,
}


def timed(run: Runner, pixels: Pixels, repetitions: int, seconds: float) -> list[float]:
    """Milliseconds of each repetition; stops early after `seconds`."""
    run(pixels)  # Warm the caches after a pause.
    found: list[float] = []
    began = time.perf_counter()
    while len(found) < repetitions:
        started = time.perf_counter()
        run(pixels)
        ended = time.perf_counter()
        found.append(1e3 * (ended - started))
        if len(found) >= LEAST_REPETITIONS and ended - began > seconds:
            break
    return found


def peak_memory_mib() -> float:
    """Peak resident memory of this process.

    `getrusage` is not used, since its peak is inherited from the parent process.
    """
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith('VmHWM:'):
            return int(line.split()[1]) / _KIB
    raise RuntimeError('no VmHWM in /proc/self/status')


def main() -> None:
    """Serve the job until stdin ends."""
    answers = os.fdopen(os.dup(1), 'w', buffering=1)
    os.dup2(2, 1)  # Keep output of libraries out of the answers.
    job = json.loads(sys.argv[1])
    pixels = make_image(job['width_px'], job['height_px'], np.random.default_rng(0))
    started = time.perf_counter()
    run = RUNNERS[job['engine']](job)
    first = run(pixels)
    start_s = time.perf_counter() - started
    for _ in range(WARM_UP):
        run(pixels)
    descriptor = first[0].ravel().tolist() if job['part'] == 'whole' else []
    answers.write(json.dumps({'start_s': start_s, 'descriptor': descriptor}) + '\n')
    for line in sys.stdin:
        repetitions, seconds = line.split()
        answers.write(json.dumps(timed(run, pixels, int(repetitions), float(seconds))) + '\n')
    answers.write(json.dumps({'peak_mib': peak_memory_mib()}))


if __name__ == '__main__':
    main()
