"""Maps of the scale benchmark: written at once, read again, left as they were."""

import numpy as np
import pytest

from benchmarks import map_scale
from benchmarks.index_kinds import JudgedQueries
from benchmarks.map_scale import Prepared
from ghost_vpr_ros.core.map.place_map import PlaceMap
from test.core.map_making import unit_rows

ROWS, DIM = 40, 16


@pytest.fixture
def prepared(tmp_path):
    rows = unit_rows(ROWS, DIM)
    judged = JudgedQueries.of(rows, unit_rows(5, DIM, seed=2))
    return Prepared.of(tmp_path / 'large.map', rows, judged, {'likeness': {'a': [0.5]}})


def test_a_map_written_at_once_is_whole(prepared, monkeypatch):
    with PlaceMap.open(prepared.path) as place_map:
        assert place_map.warnings == []
        assert place_map.check() == ([], [], 'ok')
        assert [each.count for each in place_map.sessions()] == [ROWS]
        np.testing.assert_array_equal(place_map.descriptors(), unit_rows(ROWS, DIM))
        expected = [map_scale.position_of(row) for row in range(ROWS)]
        np.testing.assert_array_equal(place_map.positions(), expected)


def test_what_was_prepared_is_read_again(prepared):
    found = Prepared.read(prepared.path)
    assert found is not None
    assert found.facts == prepared.facts
    assert found.facts['rows'] == ROWS
    np.testing.assert_array_equal(found.judged.best, prepared.judged.best)
    assert Prepared.read(prepared.path.with_name('other.map')) is None


def test_measuring_leaves_the_map_as_it_was(prepared, monkeypatch):
    monkeypatch.setattr(map_scale, '_TIMED', 3)
    monkeypatch.setattr(map_scale, '_ADDED', 2)
    with PlaceMap.open(prepared.path) as place_map:
        before = place_map.fingerprint
    found = map_scale.measured(prepared)
    assert found['rows'] == ROWS
    assert found['search']['recall'] == 1.0
    with PlaceMap.open(prepared.path) as place_map:
        assert place_map.fingerprint == before
        assert len(place_map) == ROWS
        assert place_map.warnings == []
