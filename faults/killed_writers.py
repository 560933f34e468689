"""Writers that are killed at random, run out of disk space, or lose power.

Content reported as `durable` must be on disk afterwards.
"""

from __future__ import annotations

import itertools
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TextIO

import numpy as np

from faults.tally import Tally, outcome_of
from ghost_vpr_ros.core.errors import GhostVprError
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.whole_file import sealed, unsealed, write_whole
from test.core.map_making import filled_map, new_map, unit_rows

ROWS = 150


def write_map(folder: Path) -> None:
    """Add keyframes; prints the id of each one once it is durable."""
    path = folder / 'town.map'
    rows = unit_rows(ROWS)
    if path.exists():
        place_map = PlaceMap.open(path, writable=True)
    else:
        place_map = new_map(path, commit_interval_s=0.0)
        place_map.add_session('walk')
    for row in rows:
        number = place_map.add('walk', 1, row, view_jpeg=bytes(20_000))
        place_map.commit()
        print(number, flush=True)
    place_map.close()


def write_file(folder: Path) -> None:
    """Rewrite one file repeatedly, as caches, shards and checkpoints are written."""
    for number in range(ROWS):
        write_whole(folder / 'file', sealed(bytes([number % 256]) * 300_000), durable=True)
        print(number + 1, flush=True)


WRITERS: dict[str, Callable[[Path], None]] = {'map': write_map, 'file': write_file}


def check_map(folder: Path, durable: int) -> str:
    """Whether the durable keyframes are present and unchanged."""
    if not (folder / 'town.map').exists():
        return 'lost' if durable else 'unharmed'
    with PlaceMap.open(folder / 'town.map') as place_map:
        rows = place_map.descriptors()
        if len(rows) < durable or place_map.damaged_keyframes:
            return 'lost'
        same = np.array_equal(rows, np.resize(unit_rows(ROWS), rows.shape))
        return 'unharmed' if same else 'silent'


def check_file(folder: Path, durable: int) -> str:
    """Whether the file is the last durable one or the next."""
    path = folder / 'file'
    if not path.exists():
        return 'lost' if durable else 'unharmed'
    content = unsealed(path.read_bytes())
    if content is None:
        return 'silent'
    return 'unharmed' if content[0] in ((durable - 1) % 256, durable % 256) else 'lost'


CHECKS = {'map': check_map, 'file': check_file}


def kill(name: str, seed: int, count: int) -> Tally:
    """Kill a writer several times, and check its files."""
    tally, rng = Tally(f'killed: {name}'), random.Random(seed)
    for number in range(count):
        with tempfile.TemporaryDirectory(prefix='faults_') as folder:
            writer = _Process(name, Path(folder))
            ids = [int(writer.output.readline() or 0)]
            time.sleep(rng.uniform(0.0, 0.15))
            writer.kill()
            ids += [int(line) for line in writer.output.read().splitlines() if line.isdecimal()]
            writer.wait()
            _judge(tally, name, Path(folder), ids[-1], f'kill {number}')
    return tally


def fill_disk(name: str, seed: int, count: int) -> Tally:
    """Limit the file size at random: the writer must end with an error message."""
    tally, rng = Tally(f'disk full: {name}'), random.Random(seed)
    for _ in range(count):
        with tempfile.TemporaryDirectory(prefix='faults_') as folder:
            limit = rng.randrange(1_000, 600_000)
            writer = _Process(name, Path(folder), limit)
            lines = writer.output.read().splitlines()
            status = writer.wait()
            ids = [int(line) for line in lines if line.isdecimal()]
            if status not in (0, 1):
                tally.add('crashed', f'{limit} bytes: {lines[-1:]}')
                continue
            _judge(tally, name, Path(folder), ids[-1] if ids else 0, f'{limit} bytes')
    return tally


def cut_power(seed: int, count: int) -> Tally:
    """Combine a map, its -wal and its -shm from different points in time."""
    tally, rng = Tally('power cut: map, -wal, -shm'), random.Random(seed)
    with tempfile.TemporaryDirectory(prefix='faults_') as folder:
        path, moments = Path(folder) / 'town.map', []
        filled_map(path, 10)
        with PlaceMap.open(path, writable=True) as place_map:
            expected = {k.keyframe_id: ascii(k) for k in place_map.keyframes()}
            for row in unit_rows(40, seed=5):
                number = place_map.add('walk', 7, row, view_jpeg=bytes(9_000))
                place_map.commit()
                expected[number] = ascii(place_map.keyframe(number))
                moments.append([_content(path, end) for end in ('', '-wal', '-shm')])
        chosen = list(itertools.product(range(len(moments)), repeat=3))
        for number, (a, b, c) in enumerate(rng.sample(chosen, count)):
            trial = Path(folder) / f'{number}'
            trial.mkdir()
            parts = (moments[a][0], rng.choice([moments[b][1], b'', None]), moments[c][2])
            for end, content in zip(('', '-wal', '-shm'), parts, strict=True):
                if content is not None:
                    (trial / f'town.map{end}').write_bytes(content)
            tally.add(*outcome_of(partial(_as_written, trial, expected)))
            shutil.rmtree(trial)
    return tally


def _as_written(folder: Path, expected: dict[int, str]) -> str:
    with PlaceMap.open(folder / 'town.map') as place_map:
        found = {k.keyframe_id: ascii(k) for k in place_map.keyframes()}
        place_map.descriptors()
        if any(expected[number] != text for number, text in found.items()):
            return 'silent'
        return 'counted' if place_map.damaged_keyframes else 'unharmed'


def _content(path: Path, end: str) -> bytes | None:
    companion = path.with_name(path.name + end)
    return companion.read_bytes() if companion.exists() else None


def _judge(tally: Tally, name: str, folder: Path, durable: int, detail: str) -> None:
    outcome, words = outcome_of(lambda: CHECKS[name](folder, durable))
    # A map left by its own writer must not be refused.
    tally.add('lost' if outcome == 'refused' else outcome, f'{detail}: {words}')
    leftovers = [path for path in folder.iterdir() if path.name.startswith('.')]
    if len(leftovers) > 1:
        tally.add('lost', f'{detail}: {len(leftovers)} leftovers')


class _Process:
    """A writer in a child process, forked from this one so that it starts quickly.

    Attributes:
        output: text stream of its stdout.
    """

    def __init__(self, name: str, folder: Path, limit_bytes: int | None = None) -> None:
        """Start it, optionally with a limit on the file size."""
        sys.stdout.flush()
        read, write = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(read)
            os.dup2(write, 1)
            os._exit(_act(name, folder, limit_bytes))
        os.close(write)
        self.output: TextIO = os.fdopen(read)

    def kill(self) -> None:
        """Kill the process."""
        os.kill(self._pid, signal.SIGKILL)

    def wait(self) -> int:
        """Wait for the end; returns the exit status, negative for a signal."""
        self.output.close()
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


def _act(name: str, folder: Path, limit_bytes: int | None) -> int:
    """Run the writer in the child process; 1 after a known error, 2 after an unknown one."""
    try:
        # A new object, because the parent's buffer may not be empty.
        sys.stdout = open(1, 'w', closefd=False)  # noqa: SIM115
        if limit_bytes is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
        WRITERS[name](folder)
        return 0
    except (GhostVprError, OSError):
        return 1
    except BaseException as error:
        print(f'{type(error).__name__}: {error}', flush=True)
        return 2
