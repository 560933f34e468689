"""The worker processes of the speed benchmark."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import Any

from benchmarks.machine import ROOT


class WorkerError(Exception):
    """A worker has ended early; the message is the last line of its output."""


class Worker:
    """A process of `benchmarks.speed_worker`.

    Attributes:
        job: of the worker.
        ready: its message when it was ready.
        round_ms: milliseconds of the repetitions, a list for each round.
        memory: its final memory report.
    """

    def __init__(self, job: dict[str, Any]) -> None:
        """Start the worker and wait until it is ready.

        Raises:
            WorkerError: it cannot run this job.
        """
        self.job = job
        self.round_ms: list[list[float]] = []
        self.memory: dict[str, float] = {}
        self._errors = tempfile.TemporaryFile('w+')  # noqa: SIM115
        threads = str(job['threads'])
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'benchmarks.speed_worker', json.dumps(job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=ROOT,
            env={**os.environ, 'OMP_NUM_THREADS': threads, 'MKL_NUM_THREADS': threads},
        )
        self.ready: dict[str, Any] = self._answer()

    def run_round(self, repetitions: int, seconds: float) -> None:
        """Run one block of repetitions."""
        assert self._process.stdin is not None
        self._process.stdin.write(f'{repetitions} {seconds}\n')
        self._process.stdin.flush()
        self.round_ms.append(self._answer())

    def end(self) -> None:
        """Read the memory report and end the worker."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self.memory = self._answer()
        self._process.wait()

    def kill(self) -> None:
        """Kill the worker."""
        self._process.kill()
        self._process.wait()
        self._errors.close()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._errors.seek(0)
            words = self._errors.read().strip().splitlines() or ['no message']
            raise WorkerError(words[-1])
        return json.loads(line)
