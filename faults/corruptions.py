"""Read files with flipped bits, overwritten blocks or missing ends, and compare with intact ones.

Files are read in a child process, so that a crash by a signal is counted.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

from faults.tally import Tally, outcome_of, print_case


def corrupted(content: bytes, rng: np.random.Generator) -> bytes:
    """The content with one fault of a random kind."""
    changed = bytearray(content)
    place = int(rng.integers(len(content)))
    size = int(rng.integers(1, 5000))
    match int(rng.integers(5)):
        case 0 | 1:
            changed[place] ^= 1 << int(rng.integers(8))
        case 2:
            changed[place : place + size] = bytes(len(changed[place : place + size]))
        case 3:
            block = rng.integers(0, 256, len(changed[place : place + size]), dtype=np.uint8)
            changed[place : place + size] = block.tobytes()
        case _:
            del changed[place:]
    return bytes(changed)


def corrupt(kind: str, seed: int, count: int) -> Tally:
    """Read `count` corruptions of a file of one kind."""
    tally = Tally(f'corrupted: {kind}')
    tally.add_children(['faults.corruptions', kind, f'{seed}'], count)
    return tally


def _work(kind_name: str, seed: int, first: int, last: int) -> None:
    from faults.file_kinds import KINDS

    kind = KINDS[kind_name]
    with tempfile.TemporaryDirectory(prefix='faults_') as folder:
        whole = Path(folder) / 'whole'
        whole.mkdir()
        path = kind.make(whole)
        expected = kind.read(path)
        content = path.read_bytes()
        for number in range(first, last):
            trial = Path(folder) / f'{number}'
            shutil.copytree(whole, trial)
            broken = trial / path.relative_to(whole)
            broken.write_bytes(corrupted(content, np.random.default_rng([seed, number])))

            def case(broken: Path = broken) -> str:
                found = kind.read(broken)
                return compared(expected.items, found.items, found.num_damaged)

            outcome, detail = outcome_of(case)
            print_case(outcome, f'case {number}: {detail}')
            shutil.rmtree(trial)


def compared(expected: dict[str, bytes], found: dict[str, bytes], num_damaged: int) -> str:
    """The outcome of reading a file: no answer may differ, and missing ones must be counted."""
    if any(expected.get(name) != value for name, value in found.items()):
        return 'silent'
    if len(found) == len(expected):
        return 'unharmed'
    return 'counted' if num_damaged else 'silent'


if __name__ == '__main__':
    _work(sys.argv[1], *map(int, sys.argv[2:]))
