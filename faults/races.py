"""Concurrent writers and readers of files, maps and caches.

Readers must see the complete output of one writer; a second writer of a map is refused.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from faults.tally import Tally, outcome_of, print_case
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.search.index import SearchIndex
from ghost_vpr_ros.core.whole_file import sealed, unsealed, write_whole
from test.core.map_making import filled_map, new_map, unit_rows

SECONDS = 20.0
_WRITERS = 3
_FILE_BYTES = 200_000
_ROWS = 30


def race(name: str, seconds: float = SECONDS) -> Tally:
    """Run one kind of race for some seconds; each access of each process is a case."""
    tally = Tally(f'race: {name}')
    with tempfile.TemporaryDirectory(prefix='faults_') as folder:
        RACES[name].prepare(Path(folder))
        command = [sys.executable, '-m', 'faults.races', name, folder, f'{seconds}']
        children = [
            subprocess.Popen([*command, f'{part}'], stdout=subprocess.PIPE, text=True)
            for part in range(1 + _WRITERS)
        ]
        for part, child in enumerate(children):
            tally.add_lines(child.communicate()[0].splitlines())
            if child.returncode:
                tally.add('crashed', f'part {part} ended with status {child.returncode}')
    return tally


@dataclass(frozen=True)
class _Race:
    """Preparation, and the accesses of the reader (part 0) and of the writers."""

    prepare: Callable[[Path], object]
    read: Callable[[Path, int], str]
    write: Callable[[Path, int], str]


def _write_file(folder: Path, number: int) -> str:
    content = bytes([number % 256]) * _FILE_BYTES
    write_whole(folder / 'file', sealed(content), durable=False)
    return 'unharmed'


def _read_file(folder: Path, number: int) -> str:
    del number
    content = unsealed((folder / 'file').read_bytes())
    return 'unharmed' if content is not None and len(set(content)) == 1 else 'silent'


def _add_to_map(folder: Path, number: int) -> str:
    """One writer holds the map; the others are refused."""
    with PlaceMap.open(folder / 'town.map', writable=True) as place_map:
        row = unit_rows(1, seed=len(place_map))[0]
        place_map.add('walk', number, row, view_jpeg=bytes(5_000))
    return 'unharmed'


def _read_map(folder: Path, number: int) -> str:
    """Read the map with its cached search index, which others rewrite."""
    del number
    with PlaceMap.open(folder / 'town.map') as place_map:
        rows = place_map.descriptors()
        expected = [unit_rows(1, seed=row)[0] for row in range(_ROWS, len(rows))]
        index = SearchIndex.from_map(place_map, cache=True)
        found = index.search(rows, 1)[0][:, 0]
        is_right = np.array_equal(rows[_ROWS:], np.array(expected).reshape(-1, rows.shape[1]))
        is_found = found.tolist() == list(range(len(found)))
        return 'unharmed' if is_right and is_found else 'silent'


def _create_map(folder: Path, number: int) -> str:
    """All writers try to create the same file; one succeeds."""
    with new_map(folder / f'{int(time.time())}.map') as place_map:
        place_map.add(place_map.add_session('walk'), number, unit_rows(1)[0])
    return 'unharmed'


def _read_new_maps(folder: Path, number: int) -> str:
    del number
    for path in sorted(folder.glob('[0-9]*.map')):
        with PlaceMap.open(path) as place_map:
            if len(place_map) > 1:
                return 'silent'
    return 'unharmed'


RACES = {
    'one file': _Race(lambda folder: _write_file(folder, 0), _read_file, _write_file),
    'one map': _Race(
        lambda folder: filled_map(folder / 'town.map', _ROWS), _read_map, _add_to_map
    ),
    'one new map': _Race(lambda folder: None, _read_new_maps, _create_map),
}


def _acts(name: str, folder: Path, seconds: float, part: int) -> Iterator[tuple[str, str]]:
    act = RACES[name].read if part == 0 else RACES[name].write
    deadline, number = time.monotonic() + seconds, part
    while time.monotonic() < deadline:
        outcome, detail = outcome_of(partial(act, folder, number))
        # Readers must never be refused.
        yield ('lost' if outcome == 'refused' and part == 0 else outcome), detail
        number += _WRITERS


if __name__ == '__main__':
    _name, _folder, _seconds, _part = sys.argv[1:]
    for _outcome, _detail in _acts(_name, Path(_folder), float(_seconds), int(_part)):
        print_case(_outcome, _detail)
