"""Latency and lost frames of the node: publisher, node and listener over Fast DDS.

    python -m benchmarks.node_latency --out node.json
    python -m benchmarks.node_latency --map town.map --images town/drive_1/images --out node.json

Publishes 640x480 images, JPEG and raw, each with and without the shipped Fast DDS profile, at
several rates. Reports the latency from an image's stamp to its hypothesis, frames lost in
transport or superseded by a newer one, CPU and memory of the node, and the time from the start of
the node to its first hypothesis. Without `--map` the map is built from the sample town.
`python -m benchmarks.report` writes the page.

A run takes its seconds and about half a minute more, for start, discovery, and one pass over all
images. Runs that would begin after `--budget-s` are left out and listed; raw images come last.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rclpy

from benchmarks.command_line import new_parser, new_report, write_report
from benchmarks.machine import ROOT, load_average
from benchmarks.node_inputs import (
    NUM_IMAGES,
    SIZE_PX,
    add_inputs,
    make_inputs,
    parse_with_inputs,
    repeated_images,
)
from benchmarks.node_processes import Process, Watcher
from benchmarks.recall_over_time.other_work import OTHERS, measure_and_report
from ghost_vpr_ros.core.config.engine import EngineConfig

PROFILE = ROOT / 'config' / 'fastdds_large_images.xml'
PROFILE_VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
RATES_HZ = (10.0, 30.0)
START_RATE_HZ = 10.0
WARM_UP_RATE_HZ = 10.0
"""Rate of one pass over all images before each run: on a real drive, places stay in view for
seconds, so the features of nearly all candidates are cached."""
LAST_COUNTS_S = 3.0
"""Wait for the last diagnostics, which are published every second."""

SLOW_PUBLISHER = 1.2
"""A publisher that cannot keep its rate is stopped after this factor times its seconds: raw images
over the default transport are fragmented, and a busy machine sends fewer than requested."""


@dataclass(frozen=True)
class Variant:
    """Transport of the images.

    Attributes:
        name: in the report.
        transport: `compressed` or `raw`.
        with_profile: whether Fast DDS uses the shipped profile.
        view_s: how long each view is shown, seconds; 0: every image is a different view.
    """

    name: str
    transport: str
    with_profile: bool
    view_s: float = 0.0

    def environment(self) -> dict[str, str]:
        """The environment of all processes of a run."""
        found = {k: v for k, v in os.environ.items() if k != PROFILE_VARIABLE}
        return {**found, PROFILE_VARIABLE: str(PROFILE)} if self.with_profile else found


VARIANTS = (
    Variant('JPEG, shipped profile', 'compressed', True),
    Variant('JPEG, shipped profile, a view each second', 'compressed', True, view_s=1.0),
    Variant('JPEG, default transport', 'compressed', False),
    Variant('raw, shipped profile', 'raw', True),
    Variant('raw, default transport', 'raw', False),
)
"""In the order of the runs."""

Start = Callable[..., Process]


def starter(variant: Variant, folder: Path, stack: ExitStack) -> Start:
    """A function that starts an executable with parameters; the stack stops it at its end."""

    def start(module: str, **parameters: Any) -> Process:
        output = folder / f'{module}.txt'
        process = Process(module, output, parameters, variant.environment())
        stack.callback(process.stop)
        return process

    return start


def start_node(start: Start, variant: Variant, options: argparse.Namespace) -> Process:
    """The node that is measured."""
    return start(
        'place_recognition_node',
        map=options.map,
        engine=options.engine,
        device=options.device,
        image_transport=variant.transport,
        **dict(options.parameters),
    )


def measure_rate(
    variant: Variant, rate_hz: float, images: Path, options: argparse.Namespace, folder: Path
) -> dict[str, Any]:
    """One run at a steady rate; a row of the report."""
    shown = images
    if variant.view_s:
        shown = repeated_images(images, round(variant.view_s * rate_hz), folder)
    with ExitStack() as stack:
        watcher = Watcher()
        stack.callback(watcher.destroy_node)
        start = starter(variant, folder, stack)
        node = start_node(start, variant, options)
        node.wait_for('answering images')
        engine = engine_of(node.output.read_text())
        start('tools.answer_printer', json_out=folder / 'answers.jsonl')

        def publish(source: Path, rate_hz: float, seconds: float) -> tuple[int, dict[str, float]]:
            lines = folder / 'published.jsonl'
            lines.unlink(missing_ok=True)
            count = max(1, round(rate_hz * seconds))
            repeated: dict[str, Any] = {'source': source, 'repeat': 'true', 'count': count}
            way: dict[str, Any] = {'rate_hz': rate_hz, 'transport': variant.transport}
            publisher = start(
                'tools.image_publisher', **repeated, **way, json_out=lines, wait_for_subscribers=1
            )
            usage = watcher.watch(node, publisher, lines, SLOW_PUBLISHER * seconds)
            watcher.settle(LAST_COUNTS_S)
            return len(read_lines(lines)), usage

        publish(images, WARM_UP_RATE_HZ, NUM_IMAGES / WARM_UP_RATE_HZ)
        answered = folder / 'answers.jsonl'
        before, num_before = dict(watcher.counts), len(read_lines(answered))
        published, usage = publish(shown, rate_hz, options.seconds)
        found = figures(
            read_lines(answered)[num_before:], since(before, watcher.counts), published
        )
    run = {'variant': variant.name, 'rate_hz': rate_hz, 'engine': engine}
    return {**run, **found, **usage, 'load': load_average()}


def engine_of(printed: str) -> str:
    """The engine in the node's log."""
    found = re.search(r'answering images on \S+ \((.*)\)', printed)
    return found.group(1) if found else 'unknown'


def measure_start(
    variant: Variant, images: Path, options: argparse.Namespace, folder: Path
) -> float:
    """Seconds from the start of the node to its first hypothesis, while images are published."""
    with ExitStack() as stack:
        start = starter(variant, folder, stack)
        publisher = start(
            'tools.image_publisher',
            source=images,
            rate_hz=START_RATE_HZ,
            transport=variant.transport,
            repeat='true',
        )
        answers = folder / 'answers.jsonl'
        # With the file of an earlier run, the node would start before the printer.
        answers.unlink(missing_ok=True)
        printer = start('tools.answer_printer', json_out=answers, count=1)
        printer.wait_until(answers.exists, 'the printer does not start')
        node = start_node(start, variant, options)
        node.wait_until(lambda: not printer.is_running(), 'no answer of the node')
        assert publisher.is_running()
        first = read_lines(answers)[0]
    return int(first['stamp_ns']) / 1e9 + float(first['received_after_ms']) / 1e3 - node.started_s


def read_lines(file: Path) -> list[dict[str, Any]]:
    """The complete JSON lines of a tool; an incomplete last line is ignored."""
    text = file.read_text()
    return [json.loads(line) for line in text[: text.rfind('\n') + 1].splitlines()]


COUNTED = ('frames received', 'frames lost in transport')


def since(before: dict[str, str], after: dict[str, str]) -> dict[str, str]:
    """The node's diagnostics, with counts relative to `before`."""
    counted = {key: str(int(after[key]) - int(before[key])) for key in COUNTED}
    return {**after, **counted}


def figures(
    answers: Sequence[dict[str, Any]], counts: dict[str, str], published: int
) -> dict[str, float]:
    """Counts and latencies of one run.

    Frames missed by DDS are lost. Overtaken frames were replaced by a newer one, in the reader's
    queue of length 1 or in the node.
    """
    latency_ms = [float(answer['received_after_ms']) for answer in answers]
    lost = int(counts['frames lost in transport'])
    return {
        'published': published,
        'received': int(counts['frames received']),
        'answered': len(answers),
        'lost_in_transport': lost,
        'overtaken': published - lost - len(answers),
        'latency_p50_ms': float(np.percentile(latency_ms, 50)),
        'latency_p95_ms': float(np.percentile(latency_ms, 95)),
        'inference_p50_ms': float(counts['inference p50 [ms]']),
    }


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = new_parser(__doc__)
    add_inputs(parser)
    parser.add_argument('--rates', type=float, nargs='+', help='images per second')
    parser.add_argument('--seconds', type=float, default=15.0, help='of each run')
    parser.add_argument('--starts', type=int, default=3, help='starts of the node that are timed')
    parser.add_argument('--budget-s', type=float, default=480.0, help='start no run after this')
    parser.add_argument('--engine', default=EngineConfig.engine, help='engine of the node')
    parser.add_argument('--device', default=EngineConfig.device, help='device of the node')
    parser.add_argument('--out', type=Path, required=True, help='JSON file for the results')
    parser.add_argument('--quick', action='store_true', help='one variant and rate, 3 seconds')
    options = parse_with_inputs(parser, arguments)
    options.variants = VARIANTS[:1] if options.quick else VARIANTS
    if options.quick:
        options.seconds, options.starts = 3.0, 1
    options.rates = options.rates or (RATES_HZ[:1] if options.quick else RATES_HZ)
    return options


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All runs."""
    begun_s = time.monotonic()
    images = make_inputs(options, folder)
    variant = options.variants[0]
    starts_s = [measure_start(variant, images, options, folder) for _ in range(options.starts)]
    rows, left_out = [], []
    for each, rate_hz in itertools.product(options.variants, options.rates):
        if time.monotonic() - begun_s > options.budget_s:
            left_out.append(f'{each.name} at {rate_hz:g} Hz')
            continue
        rows.append(measure_rate(each, rate_hz, images, options, folder))
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    if left_out:
        print(f'left out for time: {", ".join(left_out)}', file=sys.stderr, flush=True)
    return {
        'rows': rows,
        'left_out': left_out,
        'start_variant': variant.name,
        'starts_s': starts_s,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all variants at all rates and write the report."""
    options = parse_arguments(arguments)
    others = measure_and_report()
    rclpy.init(args=[])
    with tempfile.TemporaryDirectory() as name:
        found = measure(options, Path(name))
    rclpy.try_shutdown()
    figures = {
        OTHERS: others,
        'threads': os.environ.get('OMP_NUM_THREADS', 'default'),
        'size': '{}x{}'.format(*SIZE_PX),
        'seconds': options.seconds,
        'num_images': NUM_IMAGES,
        'parameters': dict(options.parameters),
        **found,
    }
    write_report(options.out, new_report('node', figures, 'benchmarks.node_latency', arguments))


if __name__ == '__main__':
    main()
