"""A fleet's shared map answers as the maps that were published to it, through a real database."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('pymilvus')
pytest.importorskip('milvus_lite')

from ghost_vpr_ros.core.datatypes import GeoPoint, Pose
from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.geodesy import LocalFrame
from ghost_vpr_ros.core.place_map import PlaceMap
from ghost_vpr_ros.core.place_search import search_of
from ghost_vpr_ros.core.publisher import Published, Publisher, model_record
from ghost_vpr_ros.core.search_index import SearchIndex
from ghost_vpr_ros.core.shared_address import SharedAddress, new_shared_address, shared_address
from ghost_vpr_ros.core.shared_map import SharedMap
from ghost_vpr_ros.core.shared_pieces import PART_BYTES, SharedPieces
from ghost_vpr_ros.core.shared_store import SharedStore
from test.core.calibrations import calibration
from test.core.map_making import DIM, HASH, TOWN, WEIGHTS, filled_map, new_map, unit_rows

TOLERANCE = 1e-6


@pytest.fixture
def fleet(tmp_path: Path) -> SharedAddress:
    return SharedAddress(str(tmp_path / 'fleet.db'))


@pytest.fixture
def robot(tmp_path: Path) -> Path:
    filled_map(tmp_path / 'robot.map', 60)
    return tmp_path / 'robot.map'


def publish(path: Path, address: SharedAddress, name: str = '', **options) -> Published:
    with (
        PlaceMap.open(path) as place_map,
        SharedStore.create(address, model_record(place_map), WEIGHTS, 'FLAT') as store,
    ):
        return Publisher(place_map, store, name or path.stem, **options).publish()


def extend(path: Path, session: str, seed: int, count: int = 5) -> None:
    with PlaceMap.open(path, writable=True) as place_map:
        place_map.add_session(session)
        for row, descriptor in enumerate(unit_rows(count, seed=seed)):
            place_map.add(session, 10_000 + row, descriptor, name=f'{seed}.jpg', geo=TOWN)


def test_rows_and_similarities_are_those_of_the_exact_index(robot, fleet):
    publish(robot, fleet)
    queries = unit_rows(7, seed=9)
    with PlaceMap.open(robot) as place_map, SharedMap.at(fleet) as shared:
        expected = SearchIndex.from_map(place_map).search(queries, 12)
        rows, similarities = search_of(shared).search(queries, 12)
    assert rows.tolist() == expected[0].tolist()
    assert np.allclose(similarities, expected[1], atol=TOLERANCE)
    assert (rows.dtype, similarities.dtype) == (np.int64, np.float32)


def test_a_server_at_an_address_answers_as_the_embedded_database(robot, tmp_path):
    from milvus_lite.adapter.grpc.server import start_server_in_thread

    server, database, port = start_server_in_thread(str(tmp_path / 'served.db'))
    try:
        address = shared_address(f'http://127.0.0.1:{port}/hangar')
        publish(robot, address)
        query = unit_rows(1, seed=9)
        with PlaceMap.open(robot) as place_map, SharedMap.at(address) as shared:
            expected = SearchIndex.from_map(place_map).search(query, 5)
            found = shared.search_index().search(query, 5)
    finally:
        server.stop(0).wait()
        database.close()
    assert found[0].tolist() == expected[0].tolist()


def test_keyframes_descriptors_views_and_model_come_back(robot, fleet):
    publish(robot, fleet)
    with PlaceMap.open(robot) as place_map, SharedMap.at(fleet) as shared:
        assert shared.map_frame == 'enu'
        assert shared.origin == place_map.origin
        assert np.allclose(shared.descriptors(), place_map.descriptors(), atol=TOLERANCE)
        assert np.array_equal(shared.positions(), place_map.positions())
        assert shared.keyframe_ids().tolist() == place_map.keyframe_ids().tolist()
        assert shared.view(7) == place_map.view(7)
        assert shared.model_bytes() == WEIGHTS
        assert shared.preprocessing == place_map.preprocessing
        assert shared.session_names == ['robot/walk']
        assert not shared.is_writable


def test_publishing_again_adds_nothing_and_a_grown_map_adds_the_rest(robot, fleet):
    assert publish(robot, fleet) == Published(added=60, updated=0, present=0)
    assert publish(robot, fleet) == Published(added=0, updated=0, present=60)
    extend(robot, 'second', seed=5)
    assert publish(robot, fleet) == Published(added=5, updated=0, present=60)
    with SharedMap.at(fleet) as shared:
        assert len(shared) == 65


def test_an_interrupted_publication_goes_on_where_it_stopped(robot, fleet, monkeypatch):
    from ghost_vpr_ros.core import publisher

    monkeypatch.setattr(publisher, 'chunk_rows', lambda _: 25)

    def stop_after_two(_: int, calls: list[int] = []) -> None:  # noqa: B006
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish(robot, fleet, progress=stop_after_two)
    assert publish(robot, fleet) == Published(added=10, updated=0, present=50)


def test_a_corrected_pose_replaces_the_one_before(tmp_path, fleet):
    path = tmp_path / 'local.map'
    with new_map(path) as place_map:
        session = place_map.add_session('walk')
        for descriptor in unit_rows(3):
            place_map.add(session, 1, descriptor, pose=Pose(np.zeros(3)))
    publish(path, fleet)
    with PlaceMap.open(path, writable=True) as place_map:
        place_map.locate(2, Pose(np.array([4.0, 5.0, 6.0]), np.array([0.0, 0.0, 0.6, 0.8])))
    assert publish(path, fleet) == Published(added=0, updated=1, present=2)
    with SharedMap.at(fleet) as shared:
        pose = shared.keyframe(2).pose
    assert pose.position_m.tolist() == [4.0, 5.0, 6.0]
    assert pose.quaternion_xyzw.tolist() == [0.0, 0.0, 0.6, 0.8]


def test_two_robots_share_one_frame_about_the_first_origin(robot, fleet, tmp_path):
    north = GeoPoint(TOWN.latitude_deg + 0.01, TOWN.longitude_deg, 10.0)
    other = tmp_path / 'other.map'
    descriptor = unit_rows(1, seed=3)[0]
    with new_map(other) as place_map:
        place_map.add(place_map.add_session('walk'), 1, descriptor, geo=north)
        assert place_map.positions()[0].tolist() == pytest.approx([0.0, 0.0, 0.0], abs=1e-6)
    publish(robot, fleet)
    publish(other, fleet)
    with SharedMap.at(fleet) as shared:
        rows, similarities = shared.search_index().search(descriptor[None], 1)
        found = shared.keyframes()[rows[0, 0]]
        assert len(shared) == 61
        assert shared.session_names == ['robot/walk', 'other/walk']
    assert similarities[0, 0] == pytest.approx(1.0, abs=TOLERANCE)
    assert (found.session, found.geo) == ('other/walk', north)
    assert found.pose.position_m == pytest.approx(LocalFrame(TOWN).point_to_enu(north), abs=1e-6)
    assert found.pose.position_m[1] == pytest.approx(1112.7, abs=1.0)


def test_copies_of_one_map_share_their_beginning_and_add_their_own_sessions(robot, fleet):
    copy = robot.with_name('copy.map')
    shutil.copy(robot, copy)
    extend(robot, 'session-2', seed=5)
    extend(copy, 'session-2', seed=6)
    publish(robot, fleet)
    assert publish(copy, fleet) == Published(added=5, updated=0, present=60)
    with SharedMap.at(fleet) as shared:
        assert shared.session_names == ['robot/walk', 'robot/session-2', 'copy/session-2']


def test_a_session_that_went_on_differently_in_a_copy_is_refused(robot, fleet):
    copy = robot.with_name('copy.map')
    shutil.copy(robot, copy)
    for path, seed in ((robot, 5), (copy, 6)):
        with PlaceMap.open(path, writable=True) as place_map:
            place_map.add('walk', 1, unit_rows(1, seed=seed)[0], geo=TOWN)
    publish(robot, fleet)
    with pytest.raises(MapError, match='went on differently'):
        publish(copy, fleet)


def test_another_map_of_the_same_name_is_refused(robot, fleet, tmp_path):
    (tmp_path / 'elsewhere').mkdir()
    other = tmp_path / 'elsewhere' / 'robot.map'
    filled_map(other, 3)
    publish(robot, fleet)
    with pytest.raises(MapError, match='another --name'):
        publish(other, fleet)
    assert publish(other, fleet, 'second robot').added == 3


def test_another_model_is_refused(robot, fleet, tmp_path):
    other = tmp_path / 'other.map'
    PlaceMap.create(other, 'cd' * 32, DIM, model_of(robot).preprocessing, WEIGHTS).close()
    publish(robot, fleet)
    with pytest.raises(MapError, match=f'built with model {HASH[:12]}'):
        publish(other, fleet)
    with pytest.raises(MapError, match=f'built with model {HASH[:12]}'):
        SharedMap.at(fleet, 'cd' * 32)


def model_of(path: Path):
    with PlaceMap.open(path) as place_map:
        return model_record(place_map)


def test_local_metres_of_two_maps_join_only_when_they_are_said_to_fit(fleet, tmp_path):
    for name in ('first.map', 'second.map'):
        with new_map(tmp_path / name) as place_map:
            session = place_map.add_session('walk')
            place_map.add(session, 1, unit_rows(1)[0], pose=Pose(np.zeros(3)))
    publish(tmp_path / 'first.map', fleet)
    with pytest.raises(MapError, match='--same-frame'):
        publish(tmp_path / 'second.map', fleet)
    assert publish(tmp_path / 'second.map', fleet, same_frame=True).added == 1


def test_geotagged_places_and_local_metres_do_not_mix(robot, fleet, tmp_path):
    with new_map(tmp_path / 'local.map') as place_map:
        place_map.add(place_map.add_session('x'), 1, unit_rows(1)[0], pose=Pose(np.zeros(3)))
    publish(robot, fleet)
    with pytest.raises(MapError, match='frame enu, local in frame local'):
        publish(tmp_path / 'local.map', fleet, same_frame=True)


def test_the_calibration_of_the_only_map_is_used_and_dropped_with_a_second(robot, fleet, tmp_path):
    learnt = calibration()
    with PlaceMap.open(robot, writable=True) as place_map:
        place_map.set_calibration(learnt)
    publish(robot, fleet)
    with SharedMap.at(fleet) as shared:
        assert shared.calibration == learnt
    filled_map(tmp_path / 'other.map', 3)
    publish(tmp_path / 'other.map', fleet)
    with SharedMap.at(fleet) as shared:
        assert shared.calibration is None


def test_places_published_since_are_passed_over_and_own_ones_join(robot, fleet):
    late = unit_rows(5, seed=5)
    publish(robot, fleet)
    extended = robot.with_name('later.map')
    shutil.copy(robot, extended)
    extend(extended, 'later', seed=5)
    with SharedMap.at(fleet) as shared:
        index, query = shared.search_index(), late[:1]
        expected = index.search(query, 5)
        with PlaceMap.open(extended) as place_map:
            Publisher(place_map, shared.store, 'later').publish()
        rows, similarities = index.search(query, 5)
        assert rows.tolist() == expected[0].tolist()
        assert np.allclose(similarities, expected[1], atol=TOLERANCE)
        assert index.add(late[0]) == 60
        index.add_all(late[1:3])
        assert len(index) == 63
        assert index.search(query, 2)[0].tolist() == [[60, expected[0][0, 0]]]


def test_a_search_checks_its_input_as_the_exact_index_does(robot, fleet):
    publish(robot, fleet)
    with SharedMap.at(fleet) as shared:
        index = shared.search_index()
        assert index.search(np.empty((0, DIM)), 3)[0].shape == (0, 3)
        assert index.search(unit_rows(1), 1000)[0].shape == (1, 60)
        with pytest.raises(ValueError, match='at least 1'):
            index.search(unit_rows(1), 0)
        with pytest.raises(MapError, match='shape'):
            index.search(unit_rows(1, dim=4), 1)


def test_a_piece_of_several_parts_is_seen_whole_or_not_at_all(fleet, monkeypatch):
    from ghost_vpr_ros.core.milvus_client import connect

    client = connect(fleet)
    pieces = SharedPieces(client, 'things')
    pieces.create()
    content = np.random.default_rng(0).bytes(2 * PART_BYTES + 17)
    pieces.put('model', 'a', content)
    pieces.put('model', 'empty', b'')
    assert pieces.get('model', 'a') == content
    assert pieces.get('model', 'empty') == b''
    assert pieces.get('model', 'b') is None
    upsert = client.upsert

    def die_at_the_first_part(name, rows):
        if rows[0]['part'] == 0:
            raise KeyboardInterrupt
        upsert(name, rows)

    monkeypatch.setattr(client, 'upsert', die_at_the_first_part)
    with pytest.raises(KeyboardInterrupt):
        pieces.put('model', 'b', content)
    assert pieces.get('model', 'b') is None
    client.close()


def test_two_robots_that_register_at_once_get_different_numbers(robot, fleet, monkeypatch):
    from ghost_vpr_ros.core import shared_sources
    from ghost_vpr_ros.core.shared_sources import SharedSource, read_sources, register

    publish(robot, fleet)
    with SharedStore.open(fleet) as store:
        rival = SharedSource(1, 'rival', 'u', 'rival', 'walk', 'none')
        answers = [read_sources(store.pieces)]
        monkeypatch.setattr(
            shared_sources,
            'read_sources',
            lambda pieces: answers.pop() if answers else read_sources(pieces),
        )
        store.pieces.put('source', rival.key, rival.to_json())
        mine = register(store.pieces, SharedSource(0, 'mine', 'v', 'mine', 'walk', 'none'))
        numbers = [source.number for source in read_sources(store.pieces)]
    assert mine.number >= 2
    assert len(set(numbers)) == 3


def test_addresses_are_told_from_map_files(tmp_path):
    (tmp_path / 'map.db').write_bytes(b'')
    (tmp_path / 'fleet.db').mkdir()
    assert shared_address(tmp_path / 'map.db') is None
    assert shared_address(tmp_path / 'fleet.db') == SharedAddress(str(tmp_path / 'fleet.db'))
    assert shared_address(tmp_path / 'fleet.db' / 'b').name == 'b'
    served = SharedAddress('http://host:19530', 'hangar')
    assert shared_address('http://host:19530/hangar') == served
    assert shared_address(Path('http://host:19530/hangar')) == served
    assert shared_address('http://host:19530').name == 'places'
    with pytest.raises(MapError, match='found a file'):
        new_shared_address(tmp_path / 'map.db')
    with pytest.raises(MapError, match=r'ends in \.db'):
        new_shared_address(tmp_path / 'fleet')
    with pytest.raises(MapError, match='letters, digits'):
        shared_address('http://host:19530/a-b')


def test_what_is_not_there_is_said_in_one_sentence(fleet, tmp_path):
    with pytest.raises(MapError, match='no server answers there'):
        SharedMap.at(SharedAddress('http://127.0.0.1:9'))
    with pytest.raises(MapError, match='no shared map of this name'):
        SharedMap.at(fleet)


@pytest.mark.parametrize('missing', ['pymilvus', 'milvus_lite'])
def test_a_missing_package_is_named_with_its_extra(fleet, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MapError, match=rf'needs {missing}; .*ghost_vpr_ros\[fleet\]'):
        SharedMap.at(fleet)
