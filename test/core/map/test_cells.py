"""Cells in a map file: one byte a number, found again after a reopening, never damaged ones."""

import sqlite3

import numpy as np
import pytest

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.map.cells import StoredCells
from ghost_vpr_ros.core.map.place_map import PlaceMap

SHAPE = (64, 20, 20)


def cells(seed: int = 0) -> StoredCells:
    numbers = np.random.default_rng(seed).standard_normal(SHAPE).astype(np.float32)
    return StoredCells(numbers, 640, 480)


def columns(found: StoredCells) -> np.ndarray:
    """(N, C) of unit norm."""
    rows = found.feature_map.reshape(len(found.feature_map), -1).T
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def place_map(tmp_path):
    """Two keyframes, the second one with cells."""
    path = tmp_path / 'walk.map'
    with PlaceMap.create(path, 'ab' * 32, 2, PreprocessingConfig(), b'') as made:
        made.add_session('walk')
        for number in range(2):
            made.add('walk', number, [1.0, 0.0], cells=cells() if number else None)
    return path


def test_a_number_takes_one_byte_and_its_direction_stays():
    content = cells().packed()
    assert len(content) == 10 + 64 * 20 * 20
    found = StoredCells.unpacked(content)
    assert (found.width_px, found.height_px, found.feature_map.shape) == (640, 480, SHAPE)
    assert (columns(found) * columns(cells())).sum(axis=1).min() > 0.9999


def test_a_cell_of_zeros_stays_zero():
    empty = StoredCells(np.zeros((2, 3, 4), np.float32), 8, 8)
    assert not StoredCells.unpacked(empty.packed()).feature_map.any()


@pytest.mark.parametrize('length', [0, 9, 100])
def test_content_that_is_cut_is_refused(length):
    with pytest.raises(ValueError, match=r'head|reshape'):
        StoredCells.unpacked(cells().packed()[:length])


def test_a_map_gives_back_the_cells_of_the_keyframes_that_have_some(place_map):
    with PlaceMap.open(place_map) as opened:
        assert opened.cells(1) is None
        found = opened.cells(2)
    np.testing.assert_array_equal(
        found.feature_map, StoredCells.unpacked(cells().packed()).feature_map
    )


def test_a_map_without_cells_has_no_table_and_no_cells(tmp_path):
    path = tmp_path / 'old.map'
    with PlaceMap.create(path, 'ab' * 32, 2, PreprocessingConfig(), b'') as made:
        made.add_session('walk')
        made.add('walk', 0, [1.0, 0.0])
        assert made.cells(1) is None
    with sqlite3.connect(path) as connection:
        names = [row[0] for row in connection.execute('SELECT name FROM sqlite_master')]
    assert 'cells' not in names


def test_damaged_cells_are_not_used(place_map):
    with sqlite3.connect(place_map) as connection:
        (content,) = connection.execute('SELECT content FROM cells').fetchone()
        changed = content[:50] + bytes([content[50] ^ 1]) + content[51:]
        connection.execute('UPDATE cells SET content = ?', (changed,))
    connection.close()
    with PlaceMap.open(place_map) as opened:
        assert opened.cells(2) is None
