"""Time of networks from an image to its descriptor: ours and others, in one run.

    python -m benchmarks.speed --out speed.json
    python -m benchmarks.speed --out quick.json --quick

For each engine every network runs in a separate process. The processes take turns, a block of
repetitions each, round after round, so that other load affects all equally; the trunks alone are
timed in the same rounds, to show the cost of the head. One image at a time, from its bytes to the
descriptor. `python -m benchmarks.report` writes the page.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from benchmarks.command_line import new_parser, new_report, write_report
from benchmarks.machine import cores, load_average
from benchmarks.recall_over_time.other_work import OTHERS, measure_and_report
from benchmarks.speed_graphs import int8_path, write_graphs, write_int8_graph
from benchmarks.speed_networks import NETWORKS, OUR_NETWORK, Size, build_network
from benchmarks.speed_processes import Worker, WorkerError
from benchmarks.speed_worker import RUNNERS
from ghost_vpr_ros.core.engine.openvino_engine import shared_core
from ghost_vpr_ros.core.model.complexity import count_macs, count_parameters

PARTS = ('whole', 'trunk')
BLOCK_S = 2.0
PAUSE_S = 0.1
"""Pause before each block, until the threads of the previous process stop spinning."""

QUICK_NETWORKS = (OUR_NETWORK, 'MobileNetV3-NetVLAD')


def engine_problem(engine: str) -> str:
    """Why this machine cannot run an engine; empty if it can."""
    try:
        if engine == 'torch-compile' and not any(map(shutil.which, ('c++', 'g++', 'clang++'))):
            return 'no C++ compiler'
        if not engine.startswith('torch'):
            import onnx  # noqa: F401
        if engine == 'onnxruntime' or is_int8(engine):
            import onnxruntime  # noqa: F401
        if engine.startswith('openvino'):
            able = shared_core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES')
            if engine == 'openvino-bf16' and 'BF16' not in able:
                return 'this CPU does not compute in bfloat16'
    except ImportError as error:
        return f'not installed: {error.name}'
    return ''


def describe(name: str, size: Size, folder: Path, engines: Sequence[str]) -> dict[str, Any]:
    """Input size, parameters and MACs of a network; writes its graphs."""
    network = build_network(name, size, 'whole')
    paths = [graph_path(folder, name, part) for part in PARTS]
    if any(not engine.startswith('torch') for engine in engines):
        write_graphs(network, *paths)
    if any(is_int8(engine) for engine in engines):
        for path in paths:
            write_int8_graph(path, network)
    return {
        'network': name,
        'width_px': network.size.width_px,
        'height_px': network.size.height_px,
        'parameters': count_parameters(network),
        'trunk_parameters': count_parameters(network.trunk),
        'macs': _macs(nn.Sequential(network.trunk, network.head), network.size),
        'trunk_macs': _macs(network.trunk, network.size),
    }


def is_int8(engine: str) -> bool:
    """Whether an engine runs the int8 graph."""
    return engine.endswith('-int8')


def _macs(layers: nn.Module, size: Size) -> int:
    return count_macs(layers, size.height_px, size.width_px)


def graph_path(folder: Path, name: str, part: str) -> Path:
    """The file of a network's graph."""
    return folder / f'{list(NETWORKS).index(name)}_{part}.onnx'


def measure_engine(
    engine: str, networks: Sequence[dict[str, Any]], options: argparse.Namespace, folder: Path
) -> list[dict[str, Any]]:
    """One row for each network with this engine."""
    problem = engine_problem(engine)
    if problem:
        return [
            {'network': known['network'], 'engine': engine, 'skipped': problem}
            for known in networks
        ]
    with contextlib.ExitStack() as stack:
        workers, failed = _started(engine, networks, options, folder, stack)
        for number in range(options.rounds):
            for worker in workers if number % 2 == 0 else reversed(workers):
                time.sleep(PAUSE_S)
                worker.run_round(options.repetitions, BLOCK_S)
        for worker in workers:
            worker.end()
        return [*(_rows(engine, workers) if workers else ()), *failed]


def _started(
    engine: str,
    networks: Sequence[dict[str, Any]],
    options: argparse.Namespace,
    folder: Path,
    stack: contextlib.ExitStack,
) -> tuple[list[Worker], list[dict[str, Any]]]:
    """The workers that are ready, and a row for each network that cannot run."""
    workers, failed = [], []
    for known in networks:
        try:
            for part in PARTS:
                workers.append(Worker(_job(engine, known, part, options, folder)))
                stack.callback(workers[-1].kill)
        except WorkerError as error:
            workers = [w for w in workers if w.job['network'] != known['network']]
            failed.append({'network': known['network'], 'engine': engine, 'skipped': str(error)})
    return workers, failed


def _job(
    engine: str, known: dict[str, Any], part: str, options: argparse.Namespace, folder: Path
) -> dict[str, Any]:
    graph = graph_path(folder, known['network'], part)
    return {
        'engine': engine,
        'network': known['network'],
        'part': part,
        'asked_size': str(options.size),
        'width_px': known['width_px'],
        'height_px': known['height_px'],
        'graph': str(int8_path(graph) if is_int8(engine) else graph),
        'threads': options.threads,
    }


def _rows(engine: str, workers: Sequence[Worker]) -> list[dict[str, Any]]:
    by_part = {(w.job['network'], w.job['part']): w for w in workers}
    names = list(dict.fromkeys(worker.job['network'] for worker in workers))
    reference = by_part[OUR_NETWORK if OUR_NETWORK in names else names[0], 'whole']
    rows = []
    for name in names:
        whole, trunk = by_part[name, 'whole'], by_part[name, 'trunk']
        rows.append(
            {
                'network': name,
                'engine': engine,
                **figures(whole.round_ms),
                'ratio': ratio(whole.round_ms, reference.round_ms),
                'ratio_to': reference.job['network'],
                'trunk_p50_ms': figures(trunk.round_ms)['p50_ms'],
                'start_s': whole.ready['start_s'],
                **whole.memory,
                'descriptor': whole.ready['descriptor'],
            }
        )
    return rows


def figures(round_ms: Sequence[Sequence[float]]) -> dict[str, float]:
    """Percentiles over all repetitions of all rounds."""
    all_ms = np.concatenate([np.asarray(each) for each in round_ms])
    p50_ms, p95_ms = np.percentile(all_ms, (50, 95))
    return {
        'p50_ms': float(p50_ms),
        'p95_ms': float(p95_ms),
        'least_ms': float(all_ms.min()),
        'repetitions': len(all_ms),
    }


def ratio(round_ms: Sequence[Sequence[float]], reference_ms: Sequence[Sequence[float]]) -> float:
    """Time relative to the reference: the median over rounds of the ratio of medians."""
    medians = [np.median(each) for each in round_ms]
    others = [np.median(each) for each in reference_ms]
    return float(np.median(np.divide(medians, others)))


def compare_descriptors(rows: list[dict[str, Any]]) -> None:
    """Replace each descriptor by its cosine to that of the network's first engine."""
    first: dict[str, np.ndarray] = {}
    for row in rows:
        if 'descriptor' in row:
            descriptor = np.asarray(row.pop('descriptor'))
            known = first.setdefault(row['network'], descriptor)
            row['descriptor_dim'] = len(descriptor)
            row['cosine'] = float(known @ descriptor)


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = new_parser(__doc__)
    parser.add_argument('--out', type=Path, required=True, help='JSON file for the results')
    parser.add_argument('--size', type=Size.parse, default=Size(640, 480), help='of the input')
    parser.add_argument('--networks', nargs='+', choices=NETWORKS, help='default: all')
    parser.add_argument('--engines', nargs='+', choices=RUNNERS, help='default: all but compile')
    parser.add_argument('--compile', action='store_true', help='include torch.compile')
    parser.add_argument('--rounds', type=int, default=15, help='blocks per network')
    parser.add_argument('--repetitions', type=int, default=10, help='per block')
    parser.add_argument('--threads', type=int, default=cores(), help='per engine')
    parser.add_argument('--quick', action='store_true', help='two networks, few repetitions')
    options = parser.parse_args(arguments)
    if options.quick:
        options.networks = options.networks or list(QUICK_NETWORKS)
        options.rounds, options.repetitions = 2, 2
    options.networks = options.networks or list(NETWORKS)
    options.engines = options.engines or [
        engine for engine in RUNNERS if options.compile or engine != 'torch-compile'
    ]
    return options


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """The figures of the report."""
    load_before, others = load_average(), measure_and_report()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        able = [engine for engine in options.engines if not engine_problem(engine)]
        networks = [describe(each, options.size, folder, able) for each in options.networks]
        for engine in options.engines:
            rows += measure_engine(engine, networks, options, folder)
            print(f'{engine}: done', file=sys.stderr, flush=True)
    compare_descriptors(rows)
    return {
        'threads': options.threads,
        'size': str(options.size),
        'rounds': options.rounds,
        'repetitions': options.repetitions,
        'load_average': [load_before, load_average()],
        OTHERS: others,
        'networks': networks,
        'rows': rows,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write."""
    options = parse_arguments(arguments)
    report = new_report('speed', measure(options), 'benchmarks.speed', arguments)
    write_report(options.out, report)


if __name__ == '__main__':
    main()
