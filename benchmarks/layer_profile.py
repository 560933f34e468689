"""Time of an engine by kind of layer, compared with the limits of the machine.

    python -m benchmarks.layer_profile --out layers.json

Uses OpenVINO's counters of every layer, one thread and one image at a time; the networks take
turns. The limits are measured in the same rounds: multiply-accumulates per second of a large
matrix product, and bytes per second of a copy larger than the caches. A layer far from both limits
has little work per byte, or a shape that does not suit the engine's kernels.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.command_line import new_parser, new_report, words_of, write_report
from benchmarks.machine import load_average, restart_with
from benchmarks.recall_over_time.other_work import OTHERS, measure_and_report
from benchmarks.speed_graphs import write_graphs
from benchmarks.speed_networks import OUR_NETWORK, SHIPPED, Size, build_network
from benchmarks.speed_worker import make_image
from ghost_vpr_ros.core.engine.openvino_engine import shared_core

MODULE = 'benchmarks.layer_profile'
NETWORKS = (SHIPPED, OUR_NETWORK, 'MobileNetV3-NetVLAD')
PRECISIONS = ('f32', 'bf16')
SIZE = Size(640, 480)
FLOAT_BYTES = 4
PRODUCT_ROWS = 1024
COPY_BYTES = 2**28
WARM_UP = 3


class Work(NamedTuple):
    """The work of a layer.

    Attributes:
        kind: of layer.
        macs: multiply-accumulates per image.
        moved_bytes: inputs, weights and outputs, each once, as float32.
    """

    kind: str
    macs: int
    moved_bytes: int


class Profiled:
    """A network with timing of its layers."""

    def __init__(self, name: str, precision: str, graph: Path) -> None:
        """Compile the graph for one thread."""
        network = build_network(name, SIZE, 'whole')
        self.name, self.precision = name, precision
        self.image = make_image(*network.size, np.random.default_rng(0))
        core = shared_core()
        model = core.read_model(graph)
        model.reshape(list(self.image.shape))
        self._work = {op.get_friendly_name(): work_of(op) for op in model.get_ops()}
        options = {
            'PERFORMANCE_HINT': 'LATENCY',
            'NUM_STREAMS': 1,
            'INFERENCE_NUM_THREADS': 1,
            'INFERENCE_PRECISION_HINT': precision,
            'PERF_COUNT': True,
        }
        self._request = core.compile_model(model, 'CPU', options).create_infer_request()
        for _ in range(WARM_UP):
            self._request.infer({0: self.image})

    def run(self) -> tuple[float, dict[str, float]]:
        """Milliseconds of one image, and of each layer."""
        started = time.perf_counter()
        self._request.infer({0: self.image})
        whole_ms = (time.perf_counter() - started) * 1000.0
        found = {
            layer.node_name: layer.real_time.total_seconds() * 1000.0
            for layer in self._request.profiling_info
        }
        return whole_ms, {name: ms for name, ms in found.items() if ms > 0.0}

    def work(self, layer: str) -> Work:
        """The work of a layer; layers that the engine inserted only move data."""
        return self._work.get(layer, Work('copies and reorders', 0, 0))


def work_of(op: Any) -> Work:
    """Kind and work of a layer of the graph, before fusion by the engine."""
    kind = op.get_type_name()
    shapes = [tuple(each.get_shape()) for each in (*op.inputs(), *op.outputs())]
    moved = FLOAT_BYTES * sum(int(np.prod(shape)) for shape in shapes)
    if kind not in ('Convolution', 'GroupConvolution', 'MatMul'):
        return Work('sums, activations, norms', 0, moved)
    weights, result = shapes[1], shapes[-1]
    if kind == 'MatMul':
        return Work('matrix products', int(np.prod(result)) * shapes[0][-1], moved)
    # Per output: the weights that it depends on.
    group = 2 if kind == 'GroupConvolution' else 1
    macs = int(np.prod(result)) * int(np.prod(weights[group:]))
    if kind == 'GroupConvolution':
        return Work('depthwise convolutions', macs, moved)
    is_pointwise = weights[2:] == (1, 1)
    return Work('1x1 convolutions' if is_pointwise else 'other convolutions', macs, moved)


def product_rate(matrix: NDArray[np.float32]) -> float:
    """Multiply-accumulates per second of a float32 matrix product."""
    started = time.perf_counter()
    matrix @ matrix
    return float(len(matrix)) ** 3 / (time.perf_counter() - started)


def copy_rate(source: NDArray[np.uint8], target: NDArray[np.uint8]) -> float:
    """Bytes per second read and written by a copy."""
    started = time.perf_counter()
    np.copyto(target, source)
    return 2.0 * source.nbytes / (time.perf_counter() - started)


def measure(rounds: int, names: Sequence[str], folder: Path) -> dict[str, Any]:
    """Medians of the networks, and the largest rates of product and copy, over the rounds."""
    networks = []
    for number, name in enumerate(names):
        graph = folder / f'{number}.onnx'
        write_graphs(build_network(name, SIZE, 'whole'), graph, folder / 'trunk.onnx')
        networks += [Profiled(name, precision, graph) for precision in PRECISIONS]
    matrix = np.ones((PRODUCT_ROWS, PRODUCT_ROWS), np.float32)
    source, target = np.ones(COPY_BYTES, np.uint8), np.zeros(COPY_BYTES, np.uint8)
    runs: dict[int, list[tuple[float, dict[str, float]]]] = defaultdict(list)
    macs_s, bytes_s = [], []
    for _ in range(rounds):
        macs_s.append(product_rate(matrix))
        bytes_s.append(copy_rate(source, target))
        for number, network in enumerate(networks):
            runs[number].append(network.run())
    return {
        'macs_s': max(macs_s),
        'bytes_s': max(bytes_s),
        'rows': [row(network, runs[number]) for number, network in enumerate(networks)],
        'load': load_average(),
    }


def row(network: Profiled, runs: Sequence[tuple[float, dict[str, float]]]) -> dict[str, Any]:
    """One network: its time, and that of each kind of layer."""
    layers = {
        layer: float(np.median([found.get(layer, 0.0) for _, found in runs]))
        for layer in dict.fromkeys(name for _, found in runs for name in found)
    }
    return {
        'network': network.name,
        'precision': network.precision,
        'size': '{}x{}'.format(*network.image.shape[2:0:-1]),
        'whole_ms': float(np.median([whole_ms for whole_ms, _ in runs])),
        'kinds': kinds(layers, {layer: network.work(layer) for layer in layers}),
    }


def kinds(layers: dict[str, float], work: dict[str, Work]) -> dict[str, dict[str, float]]:
    """Layers, milliseconds, MACs and bytes of each kind; the slowest kind first."""
    found: dict[str, dict[str, float]] = {}
    for layer, ms in layers.items():
        kind = found.setdefault(
            work[layer].kind, {'layers': 0, 'ms': 0.0, 'macs': 0, 'moved_bytes': 0}
        )
        kind['layers'] += 1
        kind['ms'] += ms
        kind['macs'] += work[layer].macs
        kind['moved_bytes'] += work[layer].moved_bytes
    return dict(sorted(found.items(), key=lambda item: -item[1]['ms']))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the report."""
    parser = new_parser(__doc__)
    parser.add_argument('--rounds', type=int, default=30, help='images for each network')
    parser.add_argument('--quick', action='store_true', help='one network, two rounds')
    parser.add_argument('--out', type=Path, required=True, help='JSON file for the results')
    options = parser.parse_args(arguments)
    # One thread for numpy's product as well.
    restart_with({'OMP_NUM_THREADS': '1'}, MODULE, words_of(arguments))
    others = measure_and_report()
    names = NETWORKS[1:2] if options.quick else NETWORKS
    with tempfile.TemporaryDirectory() as folder:
        found = measure(2 if options.quick else options.rounds, names, Path(folder))
    write_report(options.out, new_report('layers', {OTHERS: others, **found}, MODULE, arguments))


if __name__ == '__main__':
    main()
