"""Frames of a map: who decides, what may be mixed, what is refused."""

import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import GeoPoint, Pose
from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.map.frame import MapFrame, check_position
from ghost_vpr_ros.core.map.place_map import PlaceMap
from test.core.map_making import TOWN, filled_map, new_map, unit_rows

HERE = Pose(np.array([3.0, 4.0, 0.0]))
NORTH_EAST = Pose(np.full(3, np.nan), np.array([0.0, 0.0, np.sin(np.pi / 8), np.cos(np.pi / 8)]))


@pytest.mark.parametrize(
    ('pose', 'geo', 'kind'),
    [
        (None, None, 'none'),
        (None, TOWN, 'enu'),
        (NORTH_EAST, TOWN, 'enu'),
        (HERE, None, 'local'),
        (HERE, TOWN, 'local'),
    ],
)
def test_the_first_position_decides(pose, geo, kind):
    assert MapFrame().for_keyframe(pose, geo).kind == kind


def test_a_local_pose_cannot_join_a_geotagged_map(tmp_path):
    filled_map(tmp_path / 'town.map', count=1)
    with PlaceMap.open(tmp_path / 'town.map', writable=True) as place_map:
        with pytest.raises(MapError, match='frame enu'):
            place_map.add('walk', 0, unit_rows(1)[0], pose=HERE)
        assert len(place_map) == 1


def test_a_geotag_alone_cannot_join_a_local_map(tmp_path):
    with new_map(tmp_path / 'town.map') as place_map:
        session = place_map.add_session()
        place_map.add(session, 0, unit_rows(1)[0], pose=HERE)
        with pytest.raises(MapError, match='frame local'):
            place_map.add(session, 0, unit_rows(1)[0], geo=TOWN)


def test_both_may_join_either():
    assert MapFrame('local').place(HERE, TOWN) is HERE
    near = GeoPoint(TOWN.latitude_deg, TOWN.longitude_deg, TOWN.altitude_m + 2.0)
    placed = MapFrame('enu', TOWN).place(HERE, near)
    np.testing.assert_allclose(placed.position_m, [0.0, 0.0, 2.0], atol=1e-6)
    assert placed.quaternion_xyzw is None


def test_a_compass_heading_joins_its_geotag():
    placed = MapFrame('enu', TOWN).place(NORTH_EAST, TOWN)
    np.testing.assert_allclose(placed.position_m, 0.0, atol=1e-6)
    np.testing.assert_array_equal(placed.quaternion_xyzw, NORTH_EAST.quaternion_xyzw)


def test_a_keyframe_without_position_fits_everywhere():
    for frame in (MapFrame(), MapFrame('local'), MapFrame('enu', TOWN)):
        assert frame.for_keyframe(None, None) is frame
        assert frame.place(None, None) is None


@pytest.mark.parametrize(
    ('pose', 'geo', 'word'),
    [
        (None, GeoPoint(95.0, 0.0), 'latitude 95'),
        (None, GeoPoint(0.0, float('nan')), 'longitude nan'),
        (Pose(np.array([np.inf, 0, 0])), None, 'finite position'),
        (Pose(np.zeros(2)), None, r'position \(3,\)'),
        (NORTH_EAST, None, 'needs latitude and longitude'),
        (Pose(np.zeros(3), np.array([0, 0, 0, 2.0])), None, 'unit quaternion'),
        (Pose(np.zeros(3), np.full(4, np.nan)), None, 'unit quaternion'),
        (Pose(np.zeros(3), None, np.full((6, 6), np.nan)), None, 'covariance'),
        (Pose(np.zeros(3), None, np.zeros((3, 3))), None, r'covariance, found \(3, 3\)'),
    ],
)
def test_impossible_positions_are_refused(pose, geo, word):
    with pytest.raises(MapError, match=word):
        check_position(pose, geo)


@pytest.mark.parametrize(
    ('there', 'km'), [(GeoPoint(-33.9, 151.2), '12,'), (GeoPoint(40.4, -3.7), '1,')]
)
def test_a_keyframe_on_another_part_of_the_earth_is_refused(tmp_path, there, km):
    with new_map(tmp_path / 'town.map') as place_map:
        session = place_map.add_session('walk')
        place_map.add(session, 1, unit_rows(1)[0], geo=TOWN)
        with pytest.raises(MapError, match=f'lies {km}.* km from the first one.*for each region'):
            place_map.add(session, 2, unit_rows(1)[0], geo=there)
        place_map.add(session, 3, unit_rows(1)[0], geo=GeoPoint(48.8, 2.3))
        assert len(place_map) == 2
