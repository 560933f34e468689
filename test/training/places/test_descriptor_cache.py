"""The cache on disk: what is valid, what survives, and what it says when the disk is full."""

import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from ghost_vpr_ros.core.errors import OutputError
from training.places.descriptor_cache import DescriptorCache, cache_bytes

ROWS = np.array([4, 0, 2])
VALUES = np.arange(9, dtype=np.float32).reshape(3, 3) / 16  # exact in float16


def filled(path: Path, refresh: str = 'a') -> DescriptorCache:
    cache = DescriptorCache(path, 5, 3)
    cache.start_refresh(refresh)
    cache.fill(ROWS, VALUES)
    return cache


def test_rows_come_back_in_any_order(tmp_path: Path) -> None:
    read = filled(tmp_path).read(np.array([2, 4]))
    assert read.dtype == np.float32
    assert read.tolist() == VALUES[[2, 0]].tolist()


def test_half_precision_is_near_enough(tmp_path: Path) -> None:
    values = np.random.default_rng(0).uniform(-1, 1, (3, 3)).astype(np.float32)
    cache = DescriptorCache(tmp_path, 5, 3)
    cache.start_refresh('a')
    cache.fill(ROWS, values)
    assert np.abs(cache.read(ROWS) - values).max() <= 2**-11


def test_rows_that_were_not_filled_are_missing_and_not_read(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    assert cache.missing(np.array([3, 4, 1])).tolist() == [3, 1]
    with pytest.raises(ValueError, match='before they were filled'):
        cache.read(np.array([4, 3]))


def test_another_refresh_makes_every_row_stale(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    cache.start_refresh('b')
    assert cache.missing(ROWS).tolist() == ROWS.tolist()
    cache.start_refresh('a')
    assert len(cache.missing(ROWS)) == 0


def test_filling_needs_a_refresh(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='start_refresh'):
        DescriptorCache(tmp_path, 5, 3).fill(ROWS, VALUES)


def test_nothing_is_valid_before_a_refresh_is_named(tmp_path: Path) -> None:
    filled(tmp_path)
    assert len(DescriptorCache(tmp_path, 5, 3).missing(np.arange(5))) == 5


def test_a_killed_process_leaves_its_rows_valid_under_its_refresh(tmp_path: Path) -> None:
    code = (
        'import os, signal, sys; from pathlib import Path\n'
        'from test.training.places.test_descriptor_cache import filled\n'
        'filled(Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)'
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, '-c', code, str(tmp_path)], cwd=root, check=False)
    assert done.returncode == -9
    cache = DescriptorCache(tmp_path, 5, 3)
    cache.start_refresh('a')
    assert cache.missing(np.arange(5)).tolist() == [1, 3]
    assert cache.read(ROWS).tolist() == VALUES.tolist()


@pytest.mark.parametrize('damage', [None, b'', b'no array', bytes(500)])
@pytest.mark.parametrize('name', ['descriptors.npy', 'marks.npy'])
def test_damaged_or_lost_files_are_made_again(
    tmp_path: Path, name: str, damage: bytes | None
) -> None:
    filled(tmp_path)
    (tmp_path / name).unlink()
    if damage is not None:
        (tmp_path / name).write_bytes(damage)
    cache = DescriptorCache(tmp_path, 5, 3)
    cache.start_refresh('a')
    assert len(cache.missing(np.arange(5))) == 5


@pytest.mark.parametrize('name', ['descriptors.npy', 'marks.npy'])
def test_a_row_of_which_a_bit_has_changed_is_missing(tmp_path: Path, name: str) -> None:
    filled(tmp_path)
    data = bytearray((tmp_path / name).read_bytes())
    row_bytes = (len(data) - 128) // 5
    data[128 + 2 * row_bytes] ^= 1
    (tmp_path / name).write_bytes(data)
    cache = DescriptorCache(tmp_path, 5, 3)
    cache.start_refresh('a')
    assert cache.missing(ROWS).tolist() == [2]
    cache.fill(ROWS[2:], VALUES[2:])
    assert cache.read(ROWS).tolist() == VALUES.tolist()


@pytest.mark.parametrize(('size', 'dim'), [(6, 3), (5, 2)])
def test_a_cache_of_another_size_is_made_again(tmp_path: Path, size: int, dim: int) -> None:
    filled(tmp_path)
    cache = DescriptorCache(tmp_path, size, dim)
    cache.start_refresh('a')
    assert len(cache.missing(np.arange(size))) == size
    cache.fill(np.array([4]), np.ones((1, dim), np.float32))
    assert cache.read(np.array([4])).tolist() == [[1.0] * dim]


def test_the_files_take_what_is_stated(tmp_path: Path) -> None:
    filled(tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == cache_bytes(5, 3)
    assert cache_bytes(80_000, 512) == 80_000 * 512 * 2 + 80_000 * 8 + 256


def test_too_little_space_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple('usage', ['total', 'used', 'free'])
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: usage(1, 1, 1_000))
    with pytest.raises(OutputError, match='found 1e-06 GB; free some'):
        DescriptorCache(tmp_path, 100, 64)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_meanwhile_is_an_error_and_no_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, offset: int, size: int) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'posix_fallocate', full)
    with pytest.raises(OutputError, match='No space left on device'):
        DescriptorCache(tmp_path, 5, 3)


def test_a_file_instead_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    with pytest.raises(OutputError, match='cannot be written'):
        DescriptorCache(tmp_path / 'file', 5, 3)
