"""Failing disks: a call of a writer or reader returns EIO, EACCES, EROFS or ENOSPC.

A preloaded C library makes one call fail, or all calls from then on. Needs a C compiler (`cc`);
without one there are no cases.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from faults.tally import Tally, outcome_of, print_case

SOURCE = Path(__file__).with_suffix('.c')
ERRORS = (errno.EIO, errno.EACCES, errno.EROFS, errno.ENOSPC)
_MOST_CALLS = 40
_LEFTOVERS = ('.unfinished', '-journal')


def fail_writer(name: str, seed: int, count: int) -> Tally:
    """Failures of one writer: expects an error message, and intact earlier content."""
    return _in_process(Tally(f'disk fails: {name}'), 'write', name, seed, count)


def fail_reader(name: str, seed: int, count: int) -> Tally:
    """Failures while reading one kind of file: expects an error message or right answers."""
    return _in_process(Tally(f'disk fails: reading a {name}'), 'read', name, seed, count)


def _in_process(tally: Tally, what: str, name: str, seed: int, count: int) -> Tally:
    compiler = shutil.which('cc') or shutil.which('gcc')
    if compiler is None or sys.platform != 'linux':
        return tally
    with tempfile.TemporaryDirectory(prefix='faults_') as folder:
        library = Path(folder) / 'io_errors.so'
        subprocess.run(
            [compiler, '-O1', '-shared', '-fPIC', '-o', library, SOURCE, '-ldl'], check=True
        )
        tally.add_children(
            ['faults.io_errors', what, name, f'{library}', f'{seed}'],
            count,
            {**os.environ, 'LD_PRELOAD': str(library)},
        )
    return tally


class _Disk:
    """The preloaded library."""

    def __init__(self, library: str) -> None:
        self._library = ctypes.CDLL(library)

    def arm(self, folder: Path, rng: np.random.Generator, *, reads: bool) -> str:
        """Make a random later call fail; returns a description."""
        code = int(rng.choice(np.array(ERRORS)))
        after, sticky = int(rng.integers(_MOST_CALLS)), int(rng.integers(2))
        self._library.fault_arm(str(folder).encode(), code, after, sticky, int(reads))
        return f'{errno.errorcode[code]} after {after} calls{", permanently" * sticky}'

    def disarm(self) -> int:
        """Stop failing; returns the number of failed calls."""
        return int(self._library.fault_disarm())


def _write(disk: _Disk, name: str, folder: Path, rng: np.random.Generator) -> tuple[str, str]:
    from faults.writers import WRITERS

    writer = WRITERS[name]
    writer.prepare(folder)
    before = {path.name for path in folder.iterdir()}
    words = disk.arm(folder, rng, reads=False)

    def case() -> str:
        writer.write(folder)
        return 'unharmed'

    outcome, remark = outcome_of(case)
    disk.disarm()
    if outcome in ('refused', 'unharmed'):
        kept, why = outcome_of(lambda: writer.check(folder))
        if kept != 'unharmed':
            return 'lost', f'{words}: {kept} {why} after {remark!r}'
    left = [
        path.name
        for path in folder.iterdir()
        if path.name.endswith(_LEFTOVERS) and path.name not in before
    ]
    # On a disk that keeps failing, leftovers cannot be removed.
    if left and outcome == 'refused' and 'permanently' not in words:
        return 'lost', f'{words}: leaves {left}'
    return outcome, f'{words}: {remark}'


def _read(disk: _Disk, name: str, folder: Path, rng: np.random.Generator) -> tuple[str, str]:
    from faults.corruptions import compared
    from faults.file_kinds import KINDS

    kind = KINDS[name]
    path = kind.make(folder)
    expected = kind.read(path)
    words = disk.arm(folder, rng, reads=True)

    def case() -> str:
        found = kind.read(path)
        return compared(expected.items, found.items, found.num_damaged)

    outcome, remark = outcome_of(case)
    disk.disarm()
    return outcome, f'{words}: {remark}'


def _work(what: str, name: str, library: str, seed: int, first: int, last: int) -> None:
    disk = _Disk(library)
    act = _write if what == 'write' else _read
    for number in range(first, last):
        with tempfile.TemporaryDirectory(prefix='faults_') as folder:
            rng = np.random.default_rng([seed, number])
            outcome, detail = act(disk, name, Path(folder).resolve(), rng)
        print_case(outcome, f'case {number}: {detail}')


if __name__ == '__main__':
    _work(*sys.argv[1:4], *map(int, sys.argv[4:]))  # type: ignore[arg-type]
