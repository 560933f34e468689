"""Formats of stored descriptors: their size, their numbers, and what their similarities mean."""

import numpy as np
import pytest

from training.measure.storage_formats import FORMATS


def unit_rows(num: int, dim: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((num, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ('name', 'dim', 'expected'),
    [
        *(('float32', 512, 2048), ('float16', 512, 1024), ('int8', 512, 512)),
        *(('binary', 512, 64), ('binary', 12, 2), ('int8', 12, 12)),
    ],
)
def test_a_place_takes_as_many_bytes_as_are_stored(name, dim, expected):
    stored = FORMATS[name].encode(unit_rows(3, dim))
    assert FORMATS[name].bytes_per_place(dim) == expected
    assert stored.nbytes == 3 * expected


@pytest.mark.parametrize(
    ('name', 'tolerance'), [('float32', 0.0), ('float16', 5e-4), ('int8', 0.012)]
)
def test_similarities_survive_the_storage(name, tolerance):
    queries, database = unit_rows(5, 64), unit_rows(20, 64, seed=1)
    stored = FORMATS[name].stored(queries) @ FORMATS[name].stored(database).T
    np.testing.assert_allclose(stored, queries @ database.T, atol=tolerance + 1e-6)


def test_int8_is_a_127th_of_the_largest_number():
    row = np.array([[0.5, -0.25, 0.1, 0.0]], np.float32)
    assert FORMATS['int8'].encode(row).tolist() == [[127, -64, 25, 0]]


def test_binary_similarity_is_that_of_the_hamming_distance():
    queries, database = unit_rows(4, 12), unit_rows(6, 12, seed=1)
    binary = FORMATS['binary']
    differ = (queries[:, None] > 0) != (database[None] > 0)
    expected = 1.0 - 2.0 * differ.sum(axis=2) / 12
    np.testing.assert_allclose(
        binary.stored(queries) @ binary.stored(database).T, expected, atol=1e-6
    )


@pytest.mark.parametrize('name', FORMATS)
def test_what_comes_back_has_unit_norm(name):
    stored = FORMATS[name].stored(unit_rows(7, 33))
    assert stored.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(stored, axis=1), 1.0, atol=1e-5)


def test_a_descriptor_of_zeros_does_no_harm():
    for each in FORMATS.values():
        assert np.isfinite(each.stored(np.zeros((1, 8), np.float32))).all()
