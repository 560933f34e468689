"""A calibration lives in the map's file: kept, replaced, taken away, refused."""

import contextlib
import sqlite3

import pytest

from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.map.place_map import PlaceMap
from test.core.calibrations import calibration
from test.core.map_making import HASH, filled_map, made_old, new_map, unit_rows


@pytest.fixture
def path(tmp_path):
    filled_map(tmp_path / 'town.map')
    return tmp_path / 'town.map'


def calibrate(path, **changes) -> None:
    with PlaceMap.open(path, writable=True) as place_map:
        place_map.set_calibration(calibration(**changes))


def stored(path):
    with PlaceMap.open(path) as place_map:
        return place_map.calibration


def execute(path, statement) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def test_a_map_without_one_has_none_and_no_table_for_it(path):
    assert stored(path) is None
    with contextlib.closing(sqlite3.connect(path)) as connection:
        names = connection.execute('SELECT name FROM sqlite_master').fetchall()
    assert ('calibration',) not in names


def test_it_is_there_when_the_map_is_opened_again(path):
    calibrate(path)
    assert stored(path) == calibration()


def test_a_second_one_replaces_the_first(path):
    calibrate(path)
    calibrate(path, slope=7.0)
    assert stored(path).slope == 7.0


def test_it_can_be_taken_away(path):
    calibrate(path)
    with PlaceMap.open(path, writable=True) as place_map:
        place_map.set_calibration(None)
        assert place_map.calibration is None
    assert stored(path) is None


def test_further_keyframes_keep_it(path):
    calibrate(path)
    with PlaceMap.open(path, writable=True) as place_map:
        place_map.add(place_map.add_session('later'), 1, unit_rows(1)[0])
        assert place_map.calibration == calibration()
    assert stored(path) == calibration()


def test_one_of_other_weights_is_refused(path):
    with pytest.raises(MapError, match=f'its model {HASH[:12]}, found one for cdcdcdcdcdcd'):
        calibrate(path, model_hash='cd' * 32)
    assert stored(path) is None


def test_one_of_other_weights_in_the_file_is_refused(path):
    calibrate(path)
    made_old(path)
    execute(path, f"UPDATE model SET hash = '{'cd' * 32}'")
    with pytest.raises(MapError, match='calibrate this map on a drive of its own'):
        PlaceMap.open(path)


def test_an_unreadable_one_names_the_map(path):
    calibrate(path)
    made_old(path)
    execute(path, "UPDATE calibration SET content = '{'")
    with pytest.raises(MapError, match=r'town\.map: the calibration is unreadable'):
        PlaceMap.open(path)


def test_a_read_only_map_takes_none(path):
    with PlaceMap.open(path) as place_map, pytest.raises(MapError, match='read-only'):
        place_map.set_calibration(calibration())


def test_it_is_on_the_disk_at_once(tmp_path):
    with new_map(tmp_path / 'new.map', commit_interval_s=60.0) as place_map:
        place_map.set_calibration(calibration())
        assert stored(tmp_path / 'new.map') == calibration()
