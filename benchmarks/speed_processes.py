"""The processes of the speed benchmark, asked in turn, and the graphs that they load."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch

from benchmarks.speed_networks import TimedNetwork

ROOT = Path(__file__).parents[1]
_OPSET = 17


class WorkerError(Exception):
    """A worker has ended before its time; the message is its last words."""


class Worker:
    """A process of `benchmarks.speed_worker`.

    Attributes:
        job: what it runs.
        ready: what it said when it was ready.
        round_ms: milliseconds of the repetitions, a list for each round.
        memory: what it said about its memory at the end.
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
        """Ask for its memory and let it go."""
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


def write_graph(network: TimedNetwork, path: Path) -> Path:
    """The ONNX file of a network for one image at a time: `pixels` in, `descriptor` out."""
    size = network.size
    example = torch.zeros((1, size.height_px, size.width_px, 3), dtype=torch.uint8)
    logger = logging.getLogger('torch.onnx')
    with warnings.catch_warnings(), torch.no_grad(), contextlib.ExitStack() as stack:
        stack.callback(logger.setLevel, logger.level)
        logger.setLevel(logging.ERROR)
        # The tracing exporter warns of itself and of constants, which they are for one size.
        warnings.simplefilter('ignore')
        torch.onnx.export(
            network,
            (example,),
            str(path),
            input_names=['pixels'],
            output_names=['descriptor'],
            opset_version=_OPSET,
            dynamo=False,
        )
    return path
