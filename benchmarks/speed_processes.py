"""The processes of the speed benchmark: started, run in turn, ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


class WorkerError(Exception):
    """A worker has ended before its time; the message is its last words."""


class Worker:
    """A process of `benchmarks.speed_worker`.

    Attributes:
        job: that it runs.
        ready: its message when it was ready.
        round_ms: milliseconds of the repetitions, a list for each round.
        memory: its memory report at the end.
    """

    def __init__(self, job: dict[str, Any]) -> None:
        """Start it and wait until it is ready.

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
        """One block of repetitions."""
        assert self._process.stdin is not None
        self._process.stdin.write(f'{repetitions} {seconds}\n')
        self._process.stdin.flush()
        self.round_ms.append(self._answer())

    def end(self) -> None:
        """Request its memory report and end it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self.memory = self._answer()
        self._process.wait()

    def kill(self) -> None:
        """End it at once."""
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
