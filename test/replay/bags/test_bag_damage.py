"""Damaged bags: one sentence with a remedy, never a traceback, never silently shorter."""

from pathlib import Path

import numpy as np
import pytest

from ghost_vpr_ros.core.errors import BagError, GhostVprError, ImageError
from ghost_vpr_ros.replay.bags import messages as build
from ghost_vpr_ros.replay.sources.image_sources import open_source
from test.replay.small_bags import START_NS, image, write_records

SECOND = 10**9
all_formats = pytest.mark.parametrize('storage', ['mcap', 'sqlite3', 'ros1'])


def frames_of(path: Path):
    return open_source(path).frames


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_the_storage_file_alone_and_a_folder_without_metadata_are_read(tmp_path, storage) -> None:
    path = write_records(tmp_path / 'bag', [image(0), image(1)], storage)
    (path / 'metadata.yaml').unlink()
    (storage_file,) = path.iterdir()
    assert len(frames_of(path)) == 2
    assert len(frames_of(storage_file)) == 2


def test_several_files_without_metadata_ask_for_a_reindex(tmp_path: Path) -> None:
    path = write_records(tmp_path / 'bag', [image(0)])
    (path / 'metadata.yaml').unlink()
    (path / 'bag_1.mcap').write_bytes((path / 'bag.mcap').read_bytes())
    with pytest.raises(
        BagError, match=r'2 bag files without metadata\.yaml; run `ros2 bag reindex'
    ):
        frames_of(path)


@pytest.mark.parametrize('name', ['a.bag', 'a.mcap', 'a.db3'])
@pytest.mark.parametrize(
    ('content', 'text'), [(b'', 'empty file'), (b'hello, I am text', 'not a .* bag')]
)
def test_files_that_are_no_bags_are_refused(tmp_path, name, content, text) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BagError, match=text) as error:
        frames_of(tmp_path / name)
    assert name in str(error.value)


def storage_file_of(path: Path) -> Path:
    return path if path.is_file() else next(f for f in path.iterdir() if f.suffix != '.yaml')


@all_formats
@pytest.mark.parametrize('share', [0.02, 0.2, 0.5, 0.8, 0.95, 0.999])
def test_truncated_bag_is_one_sentence_with_a_remedy(tmp_path, storage: str, share: float) -> None:
    records = [image(number) for number in range(40)]
    path = write_records(tmp_path / 'bag', records, storage)
    file = storage_file_of(path)
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(BagError, match=r'truncated.*(intact|bytes are there).*try `') as error:
        [frame.load() for frame in frames_of(path)]
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('storage', ['mcap', 'ros1'])
def test_truncated_bag_states_how_far_it_is_whole(tmp_path: Path, storage: str) -> None:
    raw = [('/cam', START_NS + n * SECOND, build.raw_image(START_NS + n * SECOND,
            np.full((480, 640, 3), n, np.uint8))) for n in range(10)]  # fmt: skip
    path = write_records(tmp_path / 'bag', raw, storage)
    file = storage_file_of(path)
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * 0.75)])
    with pytest.raises(BagError, match=r'intact for the first [4-7]\.000 s'):
        frames_of(path)


@all_formats
@pytest.mark.parametrize('seed', range(12))
def test_damaged_bytes_never_end_in_a_traceback(tmp_path: Path, storage: str, seed: int) -> None:
    path = write_records(tmp_path / 'bag', [image(number) for number in range(20)], storage)
    file = storage_file_of(path)
    data = bytearray(file.read_bytes())
    rng = np.random.default_rng(seed)
    start = int(rng.integers(20, len(data) - 200))
    data[start : start + 200] = rng.bytes(200)
    file.write_bytes(data)
    try:
        loaded = [frame.load() for frame in frames_of(path)]
    except GhostVprError as error:
        loaded = [str(error)]
        assert '\n' not in str(error)
    assert loaded


def test_metadata_that_promises_more_images_is_refused(tmp_path: Path) -> None:
    path = write_records(tmp_path / 'bag', [image(0), image(1)])
    metadata = path / 'metadata.yaml'
    metadata.write_text(metadata.read_text().replace('message_count: 2', 'message_count: 3'))
    with pytest.raises(BagError, match='expected 3 messages on /cam/compressed, found 2'):
        frames_of(path)


@pytest.mark.parametrize('paths', ['[null]', '[[a.mcap]]', '7', '{}', '[' * 3000 + ']' * 3000])
def test_metadata_with_values_of_other_types_is_refused(tmp_path: Path, paths: str) -> None:
    path = write_records(tmp_path / 'bag', [image(0)])
    metadata = path / 'metadata.yaml'
    text = metadata.read_text()
    start, end = (text.index(f'{key}:') for key in ('relative_file_paths', 'duration'))
    metadata.write_text(f'{text[:start]}relative_file_paths: {paths}\n  {text[end:]}')
    with pytest.raises(BagError, match=r'ros2 bag reindex|found none'):
        frames_of(path)


def test_broken_image_message_is_named_when_it_is_loaded(tmp_path: Path) -> None:
    broken = image(1)
    broken[2].data = broken[2].data[:30]
    frames = frames_of(write_records(tmp_path / 'bag', [image(0), broken]))
    assert frames[0].load().shape == (24, 32, 3)
    with pytest.raises(ImageError, match=r'/cam/compressed\[1\]'):
        frames[1].load()
