"""What goes into a map comes out of it, now, after reopening, and beside another writer."""

import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, GeoPoint, Pose
from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.map.place_map import NewKeyframe, PlaceMap
from test.core.map_making import (
    DIM,
    HASH,
    PREPROCESSING,
    TOWN,
    WEIGHTS,
    filled_map,
    new_map,
    unit_rows,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'town.map'


def test_a_new_map_is_empty(path):
    with new_map(path) as place_map:
        assert len(place_map) == 0
        assert place_map.revision == 0
        assert place_map.map_frame == 'none'
        assert place_map.origin is None
        assert place_map.descriptors().shape == (0, DIM)
        assert place_map.keyframe_ids().shape == (0,)
        assert place_map.positions().shape == (0, 3)
        assert place_map.keyframes() == []
        assert place_map.sessions() == []


def test_the_model_travels_in_the_map(path):
    new_map(path).close()
    with PlaceMap.open(path) as place_map:
        assert place_map.model_hash == HASH
        assert place_map.model_name == 'tiny model'
        assert place_map.descriptor_dim == DIM
        assert place_map.preprocessing == PREPROCESSING
        assert place_map.model_bytes() == WEIGHTS


def test_descriptors_come_back_bit_for_bit(path):
    descriptors = filled_map(path)
    with PlaceMap.open(path) as place_map:
        np.testing.assert_array_equal(place_map.descriptors(), descriptors)
        assert place_map.descriptors().dtype == np.float32


def test_large_descriptors_are_read_over_several_chunks(path):
    descriptors = filled_map(path, count=9, dim=1_000_000)
    with PlaceMap.open(path) as place_map:
        np.testing.assert_array_equal(place_map.descriptors(), descriptors)


def test_views_and_names_belong_to_their_keyframe(path):
    filled_map(path)
    with PlaceMap.open(path) as place_map:
        keyframe_id = int(place_map.keyframe_ids()[7])
        assert place_map.keyframe(keyframe_id).name == '7.jpg'
        assert place_map.keyframe(keyframe_id).stamp_ns == 700
        assert place_map.view(keyframe_id) == b'\xff\xd8' + bytes([7]) * 3000


def test_a_full_pose_comes_back(path):
    quaternion = np.array([0.0, 0.0, 0.6, 0.8])
    covariance = np.diag([1.0, 2.0, 3.0, 0.1, 0.2, 0.3])
    pose = Pose(np.array([1.0, -2.0, 0.5]), quaternion, covariance)
    with new_map(path) as place_map:
        session = place_map.add_session()
        keyframe_id = place_map.add(session, 5, unit_rows(1)[0], pose=pose)
    with PlaceMap.open(path) as place_map:
        keyframe = place_map.keyframe(keyframe_id)
        np.testing.assert_array_equal(keyframe.pose.position_m, pose.position_m)
        np.testing.assert_array_equal(keyframe.pose.quaternion_xyzw, quaternion)
        np.testing.assert_array_equal(keyframe.pose.covariance, covariance)
        assert keyframe.geo is None
        assert place_map.map_frame == 'local'


def test_a_keyframe_without_position_is_unknown_not_zero(path):
    with new_map(path) as place_map:
        session = place_map.add_session()
        bare = place_map.add(session, UNKNOWN_STAMP_NS, unit_rows(1)[0])
        place_map.add(session, 1, unit_rows(1)[0], pose=Pose(np.array([1.0, 2.0, 3.0])))
        assert place_map.keyframe(bare).pose is None
        assert place_map.view(bare) is None
        np.testing.assert_array_equal(place_map.positions(), [[np.nan] * 3, [1.0, 2.0, 3.0]])


def test_the_first_geotag_is_the_origin(path):
    filled_map(path)
    with PlaceMap.open(path) as place_map:
        assert place_map.origin == TOWN
        assert place_map.map_frame == 'enu'
        positions = place_map.positions()
        # 1e-5 degrees of latitude are 1.1127 m at 52 degrees north.
        np.testing.assert_allclose(positions[:, 1], 1.1127 * np.arange(20), atol=2e-3)
        np.testing.assert_allclose(positions[:, [0, 2]], 0.0, atol=1e-3)
        assert place_map.keyframes()[3].geo.latitude_deg == TOWN.latitude_deg + 3e-5


def test_the_origin_stays_when_a_map_grows(path):
    filled_map(path)
    with PlaceMap.open(path, writable=True) as place_map:
        session = place_map.add_session('second walk')
        far = GeoPoint(TOWN.latitude_deg, TOWN.longitude_deg + 0.01, 10.0)
        place_map.add(session, 0, unit_rows(1)[0], geo=far)
        assert place_map.origin == TOWN
        assert place_map.positions()[-1, 0] == pytest.approx(683.6, abs=0.1)


def test_the_revision_grows_with_each_keyframe_and_survives(path):
    filled_map(path, count=3)
    with PlaceMap.open(path, writable=True) as place_map:
        assert place_map.revision == 3
        place_map.add('walk', 0, unit_rows(1)[0])
        assert place_map.revision == 4
    assert PlaceMap.open(path).revision == 4


def test_ids_are_never_used_twice(path):
    filled_map(path, count=3)
    with PlaceMap.open(path, writable=True) as place_map:
        assert place_map.add('walk', 0, unit_rows(1)[0]) == 4
        assert place_map.keyframe_ids().tolist() == [1, 2, 3, 4]


def test_sessions_tell_count_and_stamps(path):
    with new_map(path) as place_map:
        first, second = place_map.add_session(), place_map.add_session()
        for stamp_ns in (30, UNKNOWN_STAMP_NS, 10):
            place_map.add(first, stamp_ns, unit_rows(1)[0])
        infos = place_map.sessions()
    assert [(i.name, i.count) for i in infos] == [(first, 3), (second, 0)]
    assert (infos[0].first_stamp_ns, infos[0].last_stamp_ns) == (10, 30)
    assert infos[1].first_stamp_ns == UNKNOWN_STAMP_NS


def test_a_made_session_name_avoids_a_given_one(path):
    with new_map(path) as place_map:
        place_map.add_session('session-2')
        assert place_map.add_session() == 'session-3'


@pytest.mark.parametrize(('name', 'word'), [('walk', "'walk'"), (' ', 'not empty')])
def test_a_taken_or_empty_session_name_is_refused(path, name, word):
    with new_map(path) as place_map:
        place_map.add_session('walk')
        with pytest.raises(MapError, match=word):
            place_map.add_session(name)


@pytest.mark.parametrize(
    ('descriptor', 'word'),
    [
        (np.full(DIM, np.nan, np.float32), 'norm nan'),
        (np.full(DIM, np.inf, np.float32), 'norm inf'),
        (np.zeros(DIM, np.float32), 'norm 0'),
        (2 * unit_rows(1)[0], 'norm 2'),
        (unit_rows(1, DIM + 1)[0], r'shape \(8,\), found \(9,\)'),
        (unit_rows(1), r'found \(1, 8\)'),
    ],
)
def test_a_bad_descriptor_is_refused_and_nothing_is_stored(path, descriptor, word):
    with new_map(path) as place_map:
        session = place_map.add_session()
        with pytest.raises(MapError, match=word):
            place_map.add(session, 0, descriptor)
        assert len(place_map) == place_map.revision == 0
    assert PlaceMap.open(path).keyframes() == []


def test_an_unknown_session_is_refused_with_the_known_ones(path):
    with new_map(path) as place_map:
        place_map.add_session('walk')
        with pytest.raises(MapError, match=r"no session 'run' \(it has: walk\)"):
            place_map.add('run', 0, unit_rows(1)[0])


def test_an_unknown_keyframe_is_an_error(path):
    filled_map(path, count=2)
    with PlaceMap.open(path) as place_map:
        for ask in (place_map.keyframe, place_map.view):
            with pytest.raises(MapError, match='no keyframe 3; it holds 2'):
                ask(3)


def test_keyframes_are_added_at_once_in_one_frame(path):
    rows = unit_rows(3)
    with new_map(path) as place_map:
        session = place_map.add_session()
        added = [
            NewKeyframe(7, rows[0], geo=TOWN),
            NewKeyframe(8, rows[1], name='b.jpg', view_jpeg=b'\xff\xd8'),
            NewKeyframe(9, rows[2], geo=TOWN),
        ]
        assert place_map.add_all(session, added) == [1, 2, 3]
        assert place_map.add_all(session, []) == []
        assert (place_map.revision, place_map.origin) == (3, TOWN)
    with PlaceMap.open(path) as place_map:
        assert place_map.check() == ([], [], 'ok')
        assert [k.stamp_ns for k in place_map.keyframes()] == [7, 8, 9]
        np.testing.assert_array_equal(place_map.descriptors(), rows)
        assert place_map.view(2) == b'\xff\xd8'
        assert place_map.positions()[2] == pytest.approx(np.zeros(3))


def test_one_bad_keyframe_among_many_stores_none(path):
    with new_map(path) as place_map:
        session = place_map.add_session()
        good, other_frame = unit_rows(1)[0], Pose(np.ones(3))
        added = [NewKeyframe(1, good, geo=TOWN), NewKeyframe(2, good, pose=other_frame)]
        with pytest.raises(MapError, match='cannot join a geotagged map'):
            place_map.add_all(session, added)
        assert len(place_map) == place_map.revision == 0
        assert place_map.map_frame == 'none'


def test_an_interrupted_add_leaves_no_half_keyframe(path, monkeypatch):
    with new_map(path) as place_map:
        session = place_map.add_session()
        place_map.add(session, 0, unit_rows(1)[0])
        with monkeypatch.context() as patch:
            patch.setattr(PlaceMap, '_advance', _interrupt)
            with pytest.raises(KeyboardInterrupt):
                place_map.add(session, 1, unit_rows(1)[0])
        assert len(place_map) == 1
        place_map.add(session, 2, unit_rows(1)[0])
    with PlaceMap.open(path) as place_map:
        assert [k.stamp_ns for k in place_map.keyframes()] == [0, 2]


def _interrupt(*_):
    raise KeyboardInterrupt


def test_a_file_name_that_is_no_utf8_is_stored_readably(path):
    with new_map(path) as place_map:
        session = place_map.add_session()
        keyframe_id = place_map.add(session, 0, unit_rows(1)[0], name='a\udcff.jpg')
        assert place_map.keyframe(keyframe_id).name == 'a?.jpg'


def test_a_read_only_map_refuses_changes(path):
    filled_map(path, count=1)
    with PlaceMap.open(path) as place_map:
        with pytest.raises(MapError, match='read-only'):
            place_map.add('walk', 0, unit_rows(1)[0])
        with pytest.raises(MapError, match='read-only'):
            place_map.add_session()
        place_map.commit()


def test_a_reader_keeps_its_rows_while_another_writes(path):
    descriptors = filled_map(path, count=4)
    with PlaceMap.open(path) as reader:
        with PlaceMap.open(path, writable=True) as writer:
            writer.add('walk', 9, unit_rows(1, seed=5)[0])
            writer.commit()
            assert len(reader) == 4
            np.testing.assert_array_equal(reader.descriptors(), descriptors)
            assert len(reader.keyframe_ids()) == len(reader.positions()) == 4
            assert reader.sessions()[0].count == 4
            with pytest.raises(MapError, match='no keyframe 5'):
                reader.keyframe(5)
        assert reader.keyframe(2).name == '1.jpg'
    assert len(PlaceMap.open(path)) == 5


def test_a_second_writer_is_refused_when_it_opens(path):
    with new_map(path) as place_map:
        place_map.add(place_map.add_session(), 0, unit_rows(1)[0])
        for _ in range(2):
            with pytest.raises(MapError, match='being written by another process'):
                PlaceMap.open(path, writable=True)
            place_map.commit()
    PlaceMap.open(path, writable=True).close()


def test_closing_twice_is_harmless(path):
    place_map = new_map(path)
    place_map.close()
    place_map.close()
    assert path.exists()
