"""Robots publish their maps to one shared map: nothing twice, nothing that does not fit."""

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('pymilvus')
pytest.importorskip('milvus_lite')

from ghost_vpr_ros.core.datatypes import GeoPoint, Pose
from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.fleet.publisher import Published, model_record
from ghost_vpr_ros.core.fleet.shared_map import SharedMap
from ghost_vpr_ros.core.fleet.store import SharedStore
from ghost_vpr_ros.core.geodesy import LocalFrame
from ghost_vpr_ros.core.map.place_map import PlaceMap
from test.core.calibrations import calibration
from test.core.map_making import DIM, HASH, TOWN, WEIGHTS, filled_map, new_map, unit_rows
from test.core.sharing import extend, publish

TOLERANCE = 1e-6


def test_publishing_again_adds_nothing_and_a_grown_map_adds_the_rest(robot, fleet):
    assert publish(robot, fleet) == Published(added=60, updated=0, present=0)
    assert publish(robot, fleet) == Published(added=0, updated=0, present=60)
    extend(robot, 'second', seed=5)
    assert publish(robot, fleet) == Published(added=5, updated=0, present=60)
    with SharedMap.at(fleet) as shared:
        assert len(shared) == 65


def test_an_interrupted_publication_goes_on_where_it_stopped(robot, fleet, monkeypatch):
    from ghost_vpr_ros.core.fleet import publisher

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
    learned = calibration()
    with PlaceMap.open(robot, writable=True) as place_map:
        place_map.set_calibration(learned)
    publish(robot, fleet)
    with SharedMap.at(fleet) as shared:
        assert shared.calibration == learned
    filled_map(tmp_path / 'other.map', 3)
    publish(tmp_path / 'other.map', fleet)
    with SharedMap.at(fleet) as shared:
        assert shared.calibration is None


def test_two_robots_that_register_at_once_get_different_numbers(robot, fleet, monkeypatch):
    from ghost_vpr_ros.core.fleet import sources
    from ghost_vpr_ros.core.fleet.sources import SharedSource, read_sources, register

    publish(robot, fleet)
    with SharedStore.open(fleet) as store:
        rival = SharedSource(1, 'rival', 'u', 'rival', 'walk', 'none')
        answers = [read_sources(store.pieces)]
        monkeypatch.setattr(
            sources,
            'read_sources',
            lambda pieces: answers.pop() if answers else read_sources(pieces),
        )
        store.pieces.put('source', rival.key, rival.to_json())
        mine = register(store.pieces, SharedSource(0, 'mine', 'v', 'mine', 'walk', 'none'))
        numbers = [source.number for source in read_sources(store.pieces)]
    assert mine.number >= 2
    assert len(set(numbers)) == 3
