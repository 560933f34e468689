"""Bits that change in a map: left out and counted, or refused, and never an answer."""

import os
import shutil
import sqlite3

import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.map import schema
from ghost_vpr_ros.core.map.checksums import damaged_rows
from ghost_vpr_ros.core.map.place_map import PlaceMap
from test.core.calibrations import calibration
from test.core.map_making import HASH, filled_map, made_old, unit_rows

COUNT = 12


@pytest.fixture
def path(tmp_path):
    filled_map(tmp_path / 'town.map', count=COUNT)
    return tmp_path / 'town.map'


def change(path, *statements):
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def answers(place_map):
    """The content of a map: damage may remove some, but never change any."""
    keyframes = [
        (k.keyframe_id, k.session, k.stamp_ns, k.name, repr(k.pose), repr(k.geo), view)
        for k in place_map.keyframes()
        for view in [place_map.view(k.keyframe_id)]
    ]
    ids = place_map.keyframe_ids().tolist()
    descriptors = dict(zip(ids, map(bytes, place_map.descriptors()), strict=True))
    whole = (repr(place_map.origin), place_map.map_frame, repr(place_map.calibration))
    return {each[0]: each for each in keyframes}, descriptors, whole


@pytest.mark.parametrize(
    'statement',
    [
        'UPDATE keyframes SET x_m = x_m + 1e-9 WHERE keyframe_id = 3',
        'UPDATE keyframes SET latitude_deg = 10 WHERE keyframe_id = 3',
        'UPDATE keyframes SET stamp_ns = stamp_ns + 1 WHERE keyframe_id = 3',
        "UPDATE keyframes SET name = 'other' WHERE keyframe_id = 3",
        'UPDATE descriptors SET descriptor ='
        ' (SELECT descriptor FROM descriptors WHERE keyframe_id = 4) WHERE keyframe_id = 3',
        'UPDATE row_checksums SET descriptor = descriptor + 1 WHERE keyframe_id = 3',
        'DELETE FROM row_checksums WHERE keyframe_id = 3',
    ],
)
@pytest.mark.parametrize('writable', [False, True])
def test_a_changed_keyframe_is_left_out_and_counted(path, statement, writable):
    with PlaceMap.open(path) as whole:
        expected = answers(whole)
    change(path, statement)
    with PlaceMap.open(path, writable=writable) as place_map:
        assert place_map.damaged_keyframes == 1
        assert f'1 of {COUNT} keyframes' in place_map.warnings[0]
        assert len(place_map) == COUNT - 1
        keyframes, descriptors, frame = answers(place_map)
        rows = np.arange(COUNT - 1)
        assert [k.keyframe_id for k in place_map.keyframes_at(rows)] == list(keyframes)
        np.testing.assert_array_equal(place_map.descriptors_at(rows), place_map.descriptors())
        assert len(place_map.columns().positions) == COUNT - 1
        assert place_map.sessions()[0].count == COUNT - 1
        with pytest.raises(MapError, match='no keyframe 3'):
            place_map.keyframe(3)
    assert keyframes == {n: k for n, k in expected[0].items() if n != 3}
    assert descriptors == {n: d for n, d in expected[1].items() if n != 3}
    assert frame == expected[2]


def test_a_map_with_damage_goes_on(path):
    change(path, 'UPDATE keyframes SET x_m = 5 WHERE keyframe_id = 3')
    new = unit_rows(1, seed=7)[0]
    with PlaceMap.open(path, writable=True) as place_map:
        assert place_map.add('walk', 1, new, view_jpeg=b'view') == COUNT + 1
        place_map.locate(COUNT + 1, Pose(np.array([1.0, -0.0, 3.0])))
        assert len(place_map) == COUNT
    with PlaceMap.open(path) as place_map:
        assert (len(place_map), place_map.damaged_keyframes) == (COUNT, 1)
        np.testing.assert_array_equal(place_map.descriptors()[-1], new)
        assert place_map.view(COUNT + 1) == b'view'


@pytest.mark.parametrize(
    ('statement', 'word'),
    [
        ('UPDATE map SET origin_latitude_deg = 52.2054', 'map'),
        ("UPDATE map SET revision_token = 'x'", 'map'),
        ("UPDATE model SET name = 'other'", 'model'),
        ("UPDATE sessions SET name = 'other'", 'sessions'),
        ("UPDATE calibration SET content = replace(content, '0.995', '0.996')", 'calibration'),
        ('UPDATE table_checksums SET checksum = 1', 'not as it was written'),
        ('DROP TABLE row_checksums', 'damaged'),
        ('PRAGMA user_version = 1', 'schema version'),
    ],
)
def test_a_changed_small_table_is_refused(path, statement, word):
    with PlaceMap.open(path, writable=True) as place_map:
        place_map.set_calibration(calibration(model_hash=HASH))
    change(path, statement)
    with pytest.raises(MapError, match=word):
        PlaceMap.open(path)


def test_a_changed_or_a_lost_view_is_left_out_and_counted(path):
    change(
        path,
        "UPDATE views SET jpeg = x'ffd8' WHERE keyframe_id = 3",
        'DELETE FROM views WHERE keyframe_id = 5',
    )
    with PlaceMap.open(path) as place_map:
        assert len(place_map) == COUNT
        assert place_map.view(3) is None
        assert place_map.view(4)
        assert place_map.view(5) is None
        assert place_map.damaged_views == 2
        found = damaged_rows(place_map._connection, with_views=True)
        assert found == ([], [3, 5])


def test_a_map_of_the_first_schema_is_read_and_its_writer_upgrades_it(path):
    with PlaceMap.open(path) as whole:
        expected = answers(whole)
    made_old(path)
    before = path.read_bytes()
    with PlaceMap.open(path) as place_map:
        assert answers(place_map) == expected
    assert path.read_bytes() == before
    with PlaceMap.open(path, writable=True):
        pass
    with PlaceMap.open(path) as place_map:
        assert answers(place_map) == expected
        assert damaged_rows(place_map._connection, with_views=True) == ([], [])
    change(path, 'UPDATE keyframes SET x_m = 5 WHERE keyframe_id = 3')
    with PlaceMap.open(path) as place_map:
        assert place_map.damaged_keyframes == 1


def test_rows_of_a_very_large_map_are_checked_when_they_are_read(path, monkeypatch):
    monkeypatch.setattr(schema, '_MOST_READ', COUNT - 1)
    with PlaceMap.open(path) as place_map:
        place_map.columns()
        assert len(np.concatenate(list(place_map.descriptor_blocks()))) == COUNT
    change(
        path,
        'UPDATE keyframes SET x_m = 5 WHERE keyframe_id = 3',
        'UPDATE descriptors SET descriptor = (SELECT descriptor FROM descriptors LIMIT 1)'
        ' WHERE keyframe_id = 6',
    )
    with PlaceMap.open(path) as place_map:
        place_map.keyframes_at(np.array([0, 4, 8]))
        place_map.descriptors_at(np.array([8, 1, 0, 4]))
        for read in (
            place_map.columns,
            lambda: place_map.keyframes_at(np.array([7, 2])),
            lambda: place_map.descriptors_at(np.array([0, 5])),
            lambda: list(place_map.descriptor_blocks()),
        ):
            with pytest.raises(MapError, match='not as it was written'):
                read()


def test_every_flipped_bit_is_refused_counted_or_without_effect(path):
    with PlaceMap.open(path) as whole:
        expected = answers(whole)
    content = path.read_bytes()
    rng = np.random.default_rng(4)
    outcomes = []
    for place in rng.integers(8 * len(content), size=150).tolist():
        changed = bytearray(content)
        changed[place // 8] ^= 1 << place % 8
        path.write_bytes(changed)
        try:
            with PlaceMap.open(path) as place_map:
                keyframes, descriptors, frame = answers(place_map)
        except MapError:
            outcomes.append('refused')
            continue
        assert frame == expected[2]
        lost_views = 0
        for number, keyframe in keyframes.items():
            assert keyframe[:-1] == expected[0][number][:-1]
            assert descriptors[number] == expected[1][number]
            lost_views += keyframe[-1] is None
            assert keyframe[-1] in (expected[0][number][-1], None)
        assert COUNT - len(keyframes) == place_map.damaged_keyframes
        assert lost_views == place_map.damaged_views
        outcomes.append('counted' if lost_views or place_map.damaged_keyframes else 'unharmed')
    assert {'refused', 'counted'} <= set(outcomes)


def test_a_map_copied_without_its_last_changes_reports_it(path, tmp_path):
    copy = tmp_path / 'copy.map'
    with PlaceMap.open(path, writable=True) as place_map:
        place_map.add('walk', 1, unit_rows(1, seed=7)[0])
        place_map.commit()
        shutil.copy(path, copy)
    for _ in range(2):
        with PlaceMap.open(copy) as place_map:
            assert len(place_map) == COUNT
            assert 'copy.map-wal' in place_map.warnings[0]
    with PlaceMap.open(path) as place_map:
        assert (len(place_map), place_map.warnings) == (COUNT + 1, [])
    with PlaceMap.open(copy, writable=True) as place_map:
        assert place_map.is_unclosed
    with PlaceMap.open(copy) as place_map:
        assert not place_map.warnings


@pytest.mark.parametrize('damage', ['zeros', 'noise', 'flip'])
def test_last_changes_that_cannot_be_read_are_reported(path, tmp_path, damage):
    copy = tmp_path / 'copy.map'
    wal = tmp_path / 'copy.map-wal'
    with PlaceMap.open(path, writable=True) as place_map:
        place_map.add('walk', 1, unit_rows(1, seed=7)[0])
        place_map.commit()
        shutil.copy(path, copy)
        shutil.copy(f'{path}-wal', wal)
    data = bytearray(wal.read_bytes())
    data[40] ^= 1
    wal.write_bytes({'zeros': bytes(len(data)), 'noise': os.urandom(len(data))}.get(damage, data))
    with PlaceMap.open(copy) as place_map:
        assert len(place_map) == COUNT
        assert 'copy.map-wal, or that file is damaged' in place_map.warnings[0]
