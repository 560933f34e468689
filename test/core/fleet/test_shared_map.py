"""A fleet's shared map answers as the map that was published, through a real database."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('pymilvus')
pytest.importorskip('milvus_lite')

from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.fleet.database import (
    SharedAddress,
    new_shared_address,
    shared_address,
)
from ghost_vpr_ros.core.fleet.pieces import PART_BYTES, SharedPieces
from ghost_vpr_ros.core.fleet.publisher import Publisher
from ghost_vpr_ros.core.fleet.shared_map import SharedMap
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.search.index import SearchIndex
from test.core.map_making import DIM, WEIGHTS, unit_rows
from test.core.sharing import extend, publish

TOLERANCE = 1e-6


def test_rows_and_similarities_are_those_of_the_exact_index(robot, fleet):
    publish(robot, fleet)
    queries = unit_rows(7, seed=9)
    with PlaceMap.open(robot) as place_map, SharedMap.at(fleet) as shared:
        expected = SearchIndex.from_map(place_map).search(queries, 12)
        rows, similarities = shared.search_index().search(queries, 12)
    assert rows.tolist() == expected[0].tolist()
    assert np.allclose(similarities, expected[1], atol=TOLERANCE)
    assert (rows.dtype, similarities.dtype) == (np.int64, np.float32)


def test_chosen_rows_are_compared_as_by_the_exact_index(robot, fleet):
    publish(robot, fleet)
    query, late = unit_rows(1, seed=9), unit_rows(2, seed=4)
    with PlaceMap.open(robot) as place_map, SharedMap.at(fleet) as shared:
        count = len(place_map)
        chosen = np.array([count + 1, 5, 0, count - 1, 3])
        exact, found = SearchIndex.from_map(place_map), shared.search_index()
        for index in (exact, found):
            index.add_all(late)
        expected = exact.search_among(query, chosen)
        rows, similarities = found.search_among(query, chosen)
        some = np.array([4, 1, 4])
        assert np.allclose(shared.descriptors_at(some), place_map.descriptors()[some])
    assert rows.tolist() == expected[0].tolist()
    assert np.allclose(similarities, expected[1], atol=TOLERANCE)


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
    from ghost_vpr_ros.core.fleet.database import connect

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
    with pytest.raises(MapError, match=rf'needs {missing}; .*pymilvus milvus-lite'):
        SharedMap.at(fleet)
