"""Malformed texts and headers: tables, settings, EXIF blocks, messages, metadata.

Hypothesis generates them from valid ones; each must be accepted, or refused with an error message.
Runs in a process with limited memory.
"""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from faults.tally import Tally, outcome_of, print_case
from ghost_vpr_ros.core.image import encode_jpeg
from ghost_vpr_ros.core.probability.calibration import Calibration
from ghost_vpr_ros.replay.bags.images import rgb_of_message
from ghost_vpr_ros.replay.sources.exif_gps import photo_frame
from ghost_vpr_ros.replay.sources.image_sources import open_source
from test.core.calibrations import calibration
from test.replay.small_bags import fix, image, write_records

MEMORY_BYTES = 8 * 2**30
"""Limit of the address space, most of which libraries only reserve."""

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
_encodings = st.sampled_from(
    ['rgb8', 'bgr8', 'rgba8', 'mono8', 'mono16', 'rgb16', 'bayer_rggb8', 'bayer_gbrg16', 'yuv422']
    + ['yuyv', 'nv12', 'nv21', 'nv24', '8UC1', '8UC3', '16UC1', '32FC1', 'h264']
) | st.text(max_size=12)
_sizes = st.integers(0, 24) | st.sampled_from([2**16, 2**31, 2**32 - 1])
_padding = st.none() | st.integers(-2, 9)
"""Padding of the rows of a buffer that nearly fits its fields; None: any buffer."""

_raw_images = st.tuples(
    *(_encodings, _sizes, _sizes, _sizes, st.booleans(), st.binary(max_size=2000)),
    *(_padding, st.integers(1, 8)),
)
_formats = st.sampled_from(
    ['jpeg', 'png', 'rgb8; jpeg compressed bgr8', 'bayer_rggb8; png compressed ', 'tiff', '']
) | st.text(max_size=12)
_changes = st.lists(
    st.tuples(st.integers(0, 5_000), st.integers(0, 40), st.binary(max_size=40)), max_size=3
)
_compressed_images = st.tuples(_formats, st.sampled_from(['.jpg', '.png', '.webp', '']), _changes)
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
    photo_frame(path, 'photo.jpg')
    return 'unharmed'


def _raw_image(folder: Path, fields: tuple[Any, ...]) -> str:
    del folder
    *values, padding, pixel_bytes = fields
    names = ('encoding', 'height', 'width', 'step', 'is_bigendian', 'data')
    message: Any = SimpleNamespace(**dict(zip(names, values, strict=True)))
    if padding is not None:
        message.height, message.width = message.height % 25, message.width % 25
        message.step = max(0, message.width * pixel_bytes + padding)
        size = message.step * (message.height + message.height // 2)
        message.data = ((message.data or b'\0') * size)[:size]
    rgb = rgb_of_message(message, 'fuzzed')
    is_picture = rgb.shape == (message.height, message.width, 3) and rgb.dtype == np.uint8
    return 'unharmed' if is_picture else 'silent'


def _compressed_image(folder: Path, fields: tuple[str, str, list[tuple[int, int, bytes]]]) -> str:
    del folder
    image_format, suffix, changes = fields
    data = _changed(_picture_file(suffix), changes)
    rgb = rgb_of_message(SimpleNamespace(format=image_format, data=data), 'fuzzed')
    return 'unharmed' if rgb.ndim == 3 and rgb.dtype == np.uint8 else 'silent'


@cache
def _picture_file(suffix: str) -> bytes:
    rgb = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    if suffix in ('', '.jpg'):
        return encode_jpeg(rgb) if suffix else b''
    return bytes(cv2.imencode(suffix, rgb)[1].data)


def _changed(data: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    """The content with some byte ranges replaced."""
    for place, size, other in changes:
        place %= len(data) + 1
        data = data[:place] + other + data[place + size :]
    return data


def _metadata(folder: Path, changes: object) -> str:
    """Read a bag whose metadata have replaced parts, or values of wrong types."""
    bag = folder / 'bag'
    if not bag.exists():
        records = [image(n) for n in range(3)] + [fix(image(n)[1], 52.0, 0.1) for n in range(3)]
        write_records(bag, records)
        (folder / 'whole.yaml').write_bytes((bag / 'metadata.yaml').read_bytes())
    whole = (folder / 'whole.yaml').read_bytes()
    if isinstance(changes, list):
        text = _changed(whole, changes)
    else:
        content = yaml.safe_load(whole)
        assert isinstance(changes, dict)
        content['rosbag2_bagfile_information'] |= changes
        text = yaml.safe_dump(content, allow_unicode=True).encode('utf-8', 'surrogatepass')
    (bag / 'metadata.yaml').write_bytes(text)
    frames = open_source(bag).frames
    return 'unharmed' if len(frames) == 3 else 'silent'


_fields = st.sampled_from(
    ['version', 'storage_identifier', 'duration', 'starting_time', 'message_count']
    + ['topics_with_message_count', 'compression_format', 'relative_file_paths', 'files']
)

KINDS: dict[str, tuple[Callable[[Path, Any], str], st.SearchStrategy[Any]]] = {
    'manifest': (_manifest, _tables),
    'calibration': (_calibration, st.dictionaries(_names, _values, max_size=3)),
    'settings (YAML)': (_settings, _values),
    'EXIF': (_exif, st.binary(max_size=400)),
    'image message': (_raw_image, _raw_images),
    'compressed image': (_compressed_image, _compressed_images),
    'bag metadata': (_metadata, _changes | st.dictionaries(_fields, _values, max_size=3)),
}

MESSAGES = ('image message', 'compressed image')
"""Kinds that other programs send at camera rates."""


def fuzz(kind: str, number: int, count: int) -> Tally:
    """Read a number of texts of one kind under a memory limit."""
    tally = Tally(f'fuzzed: {kind}')
    command = [sys.executable, '-m', 'faults.texts', kind, f'{number}', f'{count}']
    # Image decoders print to stderr themselves.
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    tally.add_lines(child.stdout.splitlines())
    if child.returncode:
        tail = child.stderr.strip()[-200:]
        tally.add('crashed', f'the process ended with status {child.returncode}: {tail}')
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
            print_case(outcome, f'{value!r:.200} {detail}')

        each()


if __name__ == '__main__':
    _work(sys.argv[1], *map(int, sys.argv[2:]))
