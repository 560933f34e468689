"""What is searched: keyframes on demand, a disc on the map, growth, and the files beside it."""

import dataclasses

import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import Keyframe, Pose
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.map.reader import MapReader
from ghost_vpr_ros.core.poses import yaw_to_quaternion
from ghost_vpr_ros.core.recognition import keyframe_table
from ghost_vpr_ros.core.recognition.known_places import KnownPlaces
from ghost_vpr_ros.core.recognition.odometry import PositionPrior
from ghost_vpr_ros.core.search.cache import columns_path
from test.core.map_making import new_map, unit_rows

DIM, ROWS, RADIUS_M = 16, 400, 6.0
KINDS = pytest.mark.parametrize('kind', ['exact', 'approximate'])


def pose_of(row: int) -> Pose | None:
    """On a street, 2 m apart; every tenth keyframe has no place, every seventh no heading."""
    if row % 10 == 9:
        return None
    quaternion = None if row % 7 == 6 else yaw_to_quaternion(0.005 * row)
    return Pose(np.array([2.0 * row, 0.5 * (row % 3), 1.0]), quaternion)


def positions() -> np.ndarray:
    unknown = np.full(3, np.nan)
    poses = [pose_of(row) for row in range(ROWS)]
    return np.array([unknown if pose is None else pose.position_m for pose in poses])


@pytest.fixture
def path(tmp_path):
    with new_map(tmp_path / 'street.map', dim=DIM) as place_map:
        for session in ('one', 'two'):
            place_map.add_session(session)
        for row, descriptor in enumerate(unit_rows(ROWS, DIM)):
            session = 'one' if row < 150 else 'two'
            place_map.add(session, row, descriptor, name=f'{row}.jpg', pose=pose_of(row))
    return tmp_path / 'street.map'


def opened(place_map: PlaceMap, kind: str = 'exact') -> KnownPlaces:
    return KnownPlaces(place_map, kind)


def plain(keyframe: Keyframe) -> str:
    return repr(dataclasses.asdict(keyframe))


def test_keyframes_on_demand_are_those_of_the_map(path, monkeypatch):
    monkeypatch.setattr(keyframe_table, '_MOST_REMEMBERED', 50)
    with PlaceMap.open(path) as place_map:
        places, eager = opened(place_map), place_map.keyframes()
        rng = np.random.default_rng(1)
        for _ in range(30):
            rows = rng.integers(ROWS, size=rng.integers(1, 40))
            found = places.rows.keyframes(rows)
            assert [plain(k) for k in found] == [plain(eager[row]) for row in rows]


@KINDS
def test_the_columns_are_those_of_the_keyframes(path, kind):
    with PlaceMap.open(path) as place_map:
        for _ in range(2):  # From the map, and for a large one from the file beside it.
            places = opened(place_map, kind)
            np.testing.assert_array_equal(places.rows.positions, positions())
            yaws = [
                np.nan if pose is None or pose.quaternion_xyzw is None else 0.005 * row
                for row, pose in ((row, pose_of(row)) for row in range(ROWS))
            ]
            np.testing.assert_allclose(places.rows.yaws, yaws, atol=1e-12)
            assert np.flatnonzero(np.diff(places.rows.sessions)).tolist() == [149]
            assert len(places.located) == np.isfinite(positions()[:, 0]).sum()


def test_only_a_large_map_leaves_files_beside_it(path):
    with PlaceMap.open(path) as place_map:
        opened(place_map)
        assert [p.name for p in path.parent.iterdir()] == ['street.map']
        opened(place_map, 'approximate')
    names = sorted(p.name for p in path.parent.iterdir())
    assert names == ['street.map', 'street.map.faiss', 'street.map.places']


def test_the_columns_of_a_large_map_are_read_once(path, monkeypatch):
    with PlaceMap.open(path) as place_map:
        opened(place_map, 'approximate')
        monkeypatch.setattr(MapReader, 'columns', None)
        assert len(opened(place_map, 'approximate')) == ROWS


def test_a_position_that_became_known_makes_the_file_stale(path):
    with PlaceMap.open(path, writable=True) as place_map:
        opened(place_map, 'approximate')
        place_map.locate(10, Pose(np.array([1.0, 2.0, 3.0])))
    with PlaceMap.open(path) as place_map:
        assert opened(place_map, 'approximate').rows.positions[9].tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize('position', [3, 400, -20])
def test_a_damaged_file_is_written_again(path, position):
    with PlaceMap.open(path) as place_map:
        opened(place_map, 'approximate')
        file = columns_path(place_map)
        whole = file.read_bytes()
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        file.write_bytes(damaged)
        places = opened(place_map, 'approximate')
        np.testing.assert_array_equal(places.rows.positions, positions())
        assert file.read_bytes() != bytes(damaged)


@KINDS
def test_a_keyframe_that_is_added_is_found_with_its_place(path, kind):
    new = unit_rows(1, DIM, seed=8)[0]
    with PlaceMap.open(path, writable=True) as place_map:
        places = opened(place_map, kind)
        keyframe_id = place_map.add('two', 0, new, pose=Pose(np.array([7.0, 8.0, 9.0])))
        places.add(place_map.keyframe(keyframe_id), new)
        found = places.search(new[None], 1, RADIUS_M)
        assert found.rows[0] == ROWS
        assert places.rows.positions[ROWS].tolist() == [7.0, 8.0, 9.0]
        assert places.located.rows_within(np.array([7.0, 8.0]), 0.1).tolist() == [ROWS]
        assert places.rows.keyframes([ROWS])[0].keyframe_id == keyframe_id


def test_a_place_that_becomes_known_is_taken_over(path):
    with PlaceMap.open(path, writable=True) as place_map:
        places = opened(place_map)
        assert places.rows.keyframes([19])[0].pose is None
        place_map.locate(20, Pose(np.array([1000.0, 0.0, 0.0]), yaw_to_quaternion(0.5)))
        places.locate(place_map.keyframe(20))
        assert places.rows.keyframes([19])[0].pose.position_m[0] == 1000.0
        assert places.rows.yaws[19] == pytest.approx(0.5)
        assert places.located.rows_within(np.array([1000.0, 0.0]), 1.0).tolist() == [19]


@KINDS
@pytest.mark.parametrize('radius_m', [0.5, 15.0, 200.0])
def test_a_prior_finds_what_comparing_all_rows_in_its_disc_finds(path, kind, radius_m):
    where = np.array([300.0, 0.0])
    descriptors, query = unit_rows(ROWS, DIM), unit_rows(1, DIM, seed=3)
    away_m = np.hypot(*(positions()[:, :2] - where).T)
    inside = np.flatnonzero(away_m <= radius_m)
    similarity = descriptors @ query[0]
    far = away_m > radius_m + RADIUS_M
    with PlaceMap.open(path) as place_map:
        places = opened(place_map, kind)
        found = places.search(query, 5, RADIUS_M, prior=PositionPrior(where, radius_m))
    assert found.rows.tolist() == inside[np.argsort(-similarity[inside])].tolist()
    np.testing.assert_allclose(found.similarities, similarity[found.rows], atol=1e-6)
    # The map has fewer rows than the sample of look-alikes: all of them are in it.
    assert found.elsewhere == pytest.approx(similarity[far].max(), abs=1e-6)


@KINDS
def test_a_prior_and_hidden_rows_leave_out_both(path, kind):
    hidden = np.arange(ROWS) < 152
    with PlaceMap.open(path) as place_map:
        found = opened(place_map, kind).search(
            unit_rows(1, DIM, seed=3), 5, RADIUS_M, hidden,
            prior=PositionPrior(np.array([300.0, 0.0]), 8.5),
        )  # fmt: skip
    assert sorted(found.rows) == [152, 153, 154]


@KINDS
def test_a_prior_where_nothing_is_finds_nothing(path, kind):
    with PlaceMap.open(path) as place_map:
        found = opened(place_map, kind).search(
            unit_rows(1, DIM), 5, RADIUS_M, prior=PositionPrior(np.array([0.0, 900.0]), 8.0)
        )
    assert len(found.rows) == len(found.similarities) == 0


@KINDS
def test_hidden_rows_of_any_map_do_not_answer(path, kind):
    query = unit_rows(1, DIM, seed=3)
    hidden = np.arange(ROWS) % 2 == 0
    similarity = np.where(hidden, -2.0, unit_rows(ROWS, DIM) @ query[0])
    with PlaceMap.open(path) as place_map:
        found = opened(place_map, kind).search(query, 5, RADIUS_M, hidden)
    assert found.rows[:5].tolist() == np.argsort(-similarity)[:5].tolist()
