"""Processes of this package, and a node that monitors one of them, for the node's benchmarks."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from benchmarks.machine import ROOT

START_S = 120.0
STOP_S = 15.0
"""A process that takes longer to stop is killed; Fast DDS needs part of a second."""


class Process:
    """An executable of this package; `output` is the file of its stdout and stderr."""

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
        self.started_s = time.time()
        with output.open('w') as file:
            self._process = subprocess.Popen(
                command, stdout=file, stderr=subprocess.STDOUT, cwd=ROOT, env=environment
            )
        self.usage = psutil.Process(self._process.pid)

    def wait_for(self, words: str) -> None:
        """Wait until the words are printed."""
        self.wait_until(lambda: words in self.output.read_text(), f'no {words!r}')

    def wait_until(self, condition: Any, complaint: str) -> None:
        """Wait until the condition holds.

        Raises:
            RuntimeError: the process has ended, or the wait timed out.
        """
        deadline = time.monotonic() + START_S
        while not condition():
            if not self.is_running() or time.monotonic() > deadline:
                raise RuntimeError(f'{complaint}:\n{self.output.read_text()}')
            time.sleep(0.05)

    def is_running(self) -> bool:
        """Whether it is running."""
        return self._process.poll() is None

    def cpu_seconds(self) -> float:
        """CPU time so far, of all threads."""
        times = self.usage.cpu_times()
        return float(times.user + times.system)

    def stop(self) -> None:
        """Send SIGINT; kill the process if that does not end it."""
        if not self.is_running():
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Watcher(Node):
    """Records the node's latest `/diagnostics` and samples the resources of its process."""

    def __init__(self) -> None:
        super().__init__('latency_benchmark')
        self.counts: dict[str, str] = {}
        self.create_subscription(DiagnosticArray, '/diagnostics', self._keep, 10)

    def _keep(self, message: DiagnosticArray) -> None:
        self.counts = {item.key: item.value for item in message.status[0].values}

    def watch(
        self, node: Process, publisher: Process, published: Path, longest_s: float
    ) -> dict[str, float]:
        """CPU, in percent of one core, and memory of the node while images are published.

        Args:
            node: to sample.
            publisher: of the images; stopped after `longest_s`.
            published: the publisher's file, with a line for each image.
            longest_s: time limit from the first image on.
        """
        publisher.wait_until(lambda: self._has_heard(published), 'no image is published')
        started, cpu_before = time.monotonic(), node.cpu_seconds()
        peak_bytes = 0
        while publisher.is_running() and time.monotonic() - started < longest_s:
            self._listen()
            peak_bytes = max(peak_bytes, node.usage.memory_info().rss)
        seconds = time.monotonic() - started
        cpu_percent = 100.0 * (node.cpu_seconds() - cpu_before) / seconds
        publisher.stop()
        return {'node_cpu_percent': cpu_percent, 'node_memory_mib': peak_bytes / 2**20}

    def _has_heard(self, published: Path) -> bool:
        """Listen briefly; returns whether the first image was published."""
        self._listen()
        return published.exists() and published.stat().st_size > 0

    def _listen(self) -> None:
        rclpy.spin_once(self, timeout_sec=0.1)

    def settle(self, seconds: float) -> None:
        """Listen for some time, to receive the last counts."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._listen()
