"""Frames lost and latency of the node: images of one process, answers of another, over Fast DDS.

Publishes 640x480 images at a fixed rate and reports, for raw and JPEG images, each without and
with the shipped Fast DDS profile, how many frames were published, received, processed and lost,
the latency from an image's stamp to its answer, and what the node takes of CPU and memory.

    python benchmarks/node_latency.py --map town.vprmap --images town/images --out latency.json
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from ghost_vpr_ros.core.image import read_image
from ghost_vpr_ros.ros.image_publisher import list_images

ROOT = Path(__file__).parents[1]
PROFILE = ROOT / 'config' / 'fastdds_large_images.xml'
PROFILE_VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
SIZE_PX = (640, 480)
NUM_IMAGES = 60
START_S = 120.0


@dataclass(frozen=True)
class Variant:
    """How images travel."""

    name: str
    transport: str
    with_profile: bool


VARIANTS = (
    Variant('raw, default transport', 'raw', False),
    Variant('raw, shipped profile', 'raw', True),
    Variant('JPEG, default transport', 'compressed', False),
    Variant('JPEG, shipped profile', 'compressed', True),
)


class Process:
    """An executable of this package; `output` is a file that collects what it prints."""

    def __init__(
        self,
        module: str,
        output: Path,
        parameters: dict[str, Any],
        environment: dict[str, str],
    ) -> None:
        """Start it."""
        given = [part for item in parameters.items() for part in ('-p', '{}:={}'.format(*item))]
        command = [sys.executable, '-u', '-m', f'ghost_vpr_ros.ros.{module}', '--ros-args', *given]
        self.output = output
        with output.open('w') as file:
            self._process = subprocess.Popen(
                command, stdout=file, stderr=subprocess.STDOUT, cwd=ROOT, env=environment
            )
        self.usage = psutil.Process(self._process.pid)

    def wait_for(self, words: str) -> None:
        """Return when the words were printed."""
        deadline = time.monotonic() + START_S
        while words not in self.output.read_text():
            if not self.is_running() or time.monotonic() > deadline:
                raise RuntimeError(f'no {words!r}:\n{self.output.read_text()}')
            time.sleep(0.1)

    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Ctrl-C."""
        if self.is_running():
            self._process.send_signal(signal.SIGINT)
            self._process.wait()


class Watcher(Node):
    """Keeps the node's latest `/diagnostics` and samples what its process takes."""

    def __init__(self) -> None:
        super().__init__('latency_benchmark')
        self.counts: dict[str, str] = {}
        self.create_subscription(DiagnosticArray, '/diagnostics', self._keep, 10)

    def _keep(self, message: DiagnosticArray) -> None:
        self.counts = {item.key: item.value for item in message.status[0].values}

    def watch(self, node: Process, publisher: Process) -> dict[str, float]:
        """CPU seconds, time and memory of the node until the publisher has ended."""
        started, cpu_before = time.monotonic(), cpu_seconds(node)
        peak_bytes = 0
        while publisher.is_running():
            rclpy.spin_once(self, timeout_sec=0.2)
            peak_bytes = max(peak_bytes, node.usage.memory_info().rss)
        seconds = time.monotonic() - started
        cpu_percent = 100.0 * (cpu_seconds(node) - cpu_before) / seconds
        return {'node_cpu_percent': cpu_percent, 'node_memory_mib': peak_bytes / 2**20}

    def settle(self, seconds: float) -> None:
        """Listen on, so that the last counts arrive."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            rclpy.spin_once(self, timeout_sec=0.2)


def cpu_seconds(process: Process) -> float:
    """CPU time of a process so far, all its threads."""
    times = process.usage.cpu_times()
    return float(times.user + times.system)


def measure(
    variant: Variant, images: Path, options: argparse.Namespace, folder: Path
) -> dict[str, Any]:
    """One run; the row of the report."""
    environment = {k: v for k, v in os.environ.items() if k != PROFILE_VARIABLE}
    if variant.with_profile:
        environment[PROFILE_VARIABLE] = str(PROFILE)
    with ExitStack() as stack:
        watcher = Watcher()
        stack.callback(watcher.destroy_node)

        def start(module: str, **parameters: Any) -> Process:
            process = Process(module, folder / f'{module}.txt', parameters, environment)
            stack.callback(process.stop)
            return process

        node = start(
            'place_recognition_node',
            map=options.map,
            device=options.device,
            image_transport=variant.transport,
        )
        node.wait_for('answering images')
        start('answer_printer', json_out=folder / 'answers.jsonl')
        watcher.settle(5.0)
        publisher = start(
            'image_publisher',
            folder=images,
            rate_hz=options.rate,
            transport=variant.transport,
            repeat='true',
            count=options.count,
            wait_for_subscribers=1,
        )
        usage = watcher.watch(node, publisher)
        watcher.settle(3.0)
        found = row(variant, folder, watcher.counts, options)
        return {**found, **usage, 'load_average_1min': os.getloadavg()[0]}


def row(
    variant: Variant, folder: Path, counts: dict[str, str], options: argparse.Namespace
) -> dict[str, Any]:
    """Counts and latencies of one run."""
    lines = (folder / 'answers.jsonl').read_text().splitlines()
    answers = [json.loads(line) for line in lines]
    latency_ms = [float(answer['received_after_ms']) for answer in answers]
    received = int(counts['frames received'])
    # What DDS misses. The rest gave way to a newer frame, in the reader's queue of one or here.
    lost = int(counts['frames lost in transport'])
    return {
        'variant': variant.name,
        'published': options.count,
        'received': received,
        'processed': len(answers),
        'lost_in_transport': lost,
        'overtaken': options.count - lost - len(answers),
        'latency_p50_ms': float(np.percentile(latency_ms, 50)),
        'latency_p95_ms': float(np.percentile(latency_ms, 95)),
        'inference_p50_ms': float(counts['inference p50 [ms]']),
    }


def write_vga_images(source: Path, folder: Path) -> Path:
    """The first images of `source` in 640x480 as PNG; returns the folder."""
    folder.mkdir()
    for number, path in enumerate(list_images(str(source))[:NUM_IMAGES]):
        rgb = cv2.resize(read_image(path), SIZE_PX, interpolation=cv2.INTER_LINEAR)
        bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(folder / f'{number:03d}.png'), bgr)
    return folder


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--map', required=True, help='map file that answers')
    parser.add_argument('--images', required=True, type=Path, help='folder of images to publish')
    parser.add_argument('--count', type=int, default=600, help='images in each run')
    parser.add_argument('--rate', type=float, default=20.0, help='images per second')
    parser.add_argument('--device', default='cpu', help='device of the network')
    parser.add_argument('--out', type=Path, required=True, help='JSON file for the results')
    return parser.parse_args()


def main() -> None:
    """Measure all variants and write the report."""
    options = parse_arguments()
    rclpy.init(args=[])
    rows = []
    with tempfile.TemporaryDirectory() as name:
        images = write_vga_images(options.images, Path(name) / 'images')
        for variant in VARIANTS:
            rows.append(measure(variant, images, options, Path(name)))
            print(json.dumps(rows[-1]), flush=True)
    rclpy.try_shutdown()
    machine = {'cores': os.cpu_count(), 'threads': os.environ.get('OMP_NUM_THREADS', 'default')}
    setup = {'rate_hz': options.rate, 'size_px': SIZE_PX, 'map': str(options.map)}
    report = {'machine': machine, **setup, 'command': sys.argv, 'runs': rows}
    options.out.write_text(json.dumps(report, indent=2) + '\n')


if __name__ == '__main__':
    main()
