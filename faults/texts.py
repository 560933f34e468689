"""Texts and headers that nobody should write: manifests, settings, calibrations, EXIF blocks.

Hypothesis makes them from the shape of right ones; whatever is read is refused with a sentence or
taken. Runs in a process with limited memory.
"""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from faults.tally import Tally, outcome_of
from ghost_vpr_ros.core.probability.calibration import Calibration
from ghost_vpr_ros.replay.sources.exif_gps import exif_frame
from ghost_vpr_ros.replay.sources.image_sources import open_source
from test.core.calibrations import calibration

MEMORY_BYTES = 8 * 2**30
"""Of addresses, most of which the libraries only reserve."""

_numbers = st.one_of(
    st.floats().map(repr),
    st.integers().map(str),
    st.sampled_from(['1e999999', '9' * 400, '1e6000000', '-0', '', 'nan', '0x10', '1_000']),
)
_cells = st.one_of(_numbers, st.text(max_size=20), st.just('"'), st.just('a' * 140_000))
_columns = st.sampled_from(
    ['image', 'stamp_ns', 'latitude', 'longitude', 'altitude', 'x', 'y', 'z', 'heading_deg', 'qw']
)
_tables = st.lists(st.lists(st.one_of(_columns, _cells), max_size=6), max_size=5)
_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10)),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=8), inside),
    max_leaves=10,
)
_names = st.sampled_from([*vars(calibration()), 'schema', 'other'])


def _manifest(folder: Path, table: list[list[str]]) -> str:
    path = folder / 'manifest.csv'
    lines = [','.join(row) for row in table]
    path.write_text('\n'.join(['image,latitude,longitude', *lines]), 'utf-8', 'surrogatepass')
    open_source(path)
    return 'unharmed'


def _calibration(folder: Path, changes: dict[str, object]) -> str:
    del folder
    text = json.dumps({**json.loads(calibration().to_json()), **changes})
    found = Calibration.from_json(text)
    return 'unharmed' if 0.0 < found.slope < float('inf') else 'silent'


def _settings(folder: Path, values: object) -> str:
    from training.experiment import read_experiment

    path = folder / 'config.yaml'
    path.write_text(yaml.safe_dump(values, allow_unicode=True), 'utf-8')
    read_experiment(path)
    return 'unharmed'


def _exif(folder: Path, block: bytes) -> str:
    from PIL import Image

    path = folder / 'photo.jpg'
    data = io.BytesIO()
    Image.new('RGB', (8, 8)).save(data, 'jpeg', exif=b'Exif\0\0MM\0*\0\0\0\b' + block[:60_000])
    path.write_bytes(data.getvalue())
    exif_frame(path, 'photo.jpg')
    return 'unharmed'


KINDS: dict[str, tuple[Callable[[Path, object], str], st.SearchStrategy[object]]] = {
    'manifest': (_manifest, _tables),
    'calibration': (_calibration, st.dictionaries(_names, _values, max_size=3)),
    'settings (YAML)': (_settings, _values),
    'EXIF': (_exif, st.binary(max_size=400)),
}


def fuzz(kind: str, number: int, count: int) -> Tally:
    """So many texts of one kind, read under a limit of memory."""
    tally = Tally(f'fuzzed: {kind}')
    command = [sys.executable, '-m', 'faults.texts', kind, f'{number}', f'{count}']
    child = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    for line in child.stdout.splitlines():
        if line.startswith('{'):
            found = json.loads(line)
            tally.add(found['outcome'], found['detail'])
    if child.returncode:
        tally.add('crashed', f'the process ended with status {child.returncode}')
    return tally


def _work(kind: str, number: int, count: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    read, strategy = KINDS[kind]
    with tempfile.TemporaryDirectory(prefix='faults_') as folder:

        @seed(number)
        @settings(
            max_examples=count,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def each(value: object) -> None:
            outcome, detail = outcome_of(lambda: read(Path(folder), value))
            print(
                json.dumps({'outcome': outcome, 'detail': f'{value!r:.200} {detail}'}), flush=True
            )

        each()


if __name__ == '__main__':
    _work(sys.argv[1], *map(int, sys.argv[2:]))
