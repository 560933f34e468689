"""Geodesy against hand numbers, geodesic distances (pyproj.Geod) and the published UTM grid."""

import math

import numpy as np
import pytest
from pyproj import Geod
from pyproj.aoi import AreaOfInterest
from pyproj.database import query_utm_crs_info

from ghost_vpr_ros.core.datatypes import GeoPoint
from ghost_vpr_ros.core.geodesy import (
    LocalFrame,
    check_geo,
    east_north,
    geo_to_utm,
    horizontal_distance_m,
    known_geo,
    position_of_fix,
    utm_to_geo,
    utm_zone,
)
from ghost_vpr_ros.core.poses import (
    heading_to_quaternion,
    heading_to_yaw,
    quaternion_to_yaw,
    yaw_to_heading,
    yaw_to_quaternion,
)

CAMBRIDGE = GeoPoint(52.2053, 0.1218, 20.0)
ORIGINS = [
    CAMBRIDGE,
    GeoPoint(0.0, 0.0, 0.0),
    GeoPoint(-33.9, 151.2, 60.0),
    GeoPoint(40.0, 180.0, 0.0),
    GeoPoint(89.9999, -12.0, 3.0),
    GeoPoint(-90.0, 0.0, 2800.0),
]
GEOD = Geod(ellps='WGS84')


def test_origin_is_zero():
    assert np.abs(LocalFrame(CAMBRIDGE).point_to_enu(CAMBRIDGE)).max() < 1e-6


def test_small_steps_equal_the_radii_of_curvature():
    # Textbook: M = a(1-e2)/(1-e2 sin2)^1.5 along the meridian, N cos(lat) along the parallel.
    a, e2 = 6378137.0, 0.00669437999014
    sine = math.sin(math.radians(CAMBRIDGE.latitude_deg))
    meridian = a * (1 - e2) / (1 - e2 * sine**2) ** 1.5
    parallel = a / math.sqrt(1 - e2 * sine**2) * math.sqrt(1 - sine**2)
    step = 1e-3
    geo = [
        [CAMBRIDGE.latitude_deg + step, CAMBRIDGE.longitude_deg, 20.0],
        [CAMBRIDGE.latitude_deg, CAMBRIDGE.longitude_deg + step, 20.0],
        [CAMBRIDGE.latitude_deg, CAMBRIDGE.longitude_deg, 27.5],
    ]
    enu = LocalFrame(CAMBRIDGE).to_enu(geo)
    altitude = CAMBRIDGE.altitude_m
    assert enu[0, 1] == pytest.approx(math.radians(step) * (meridian + altitude), abs=2e-3)
    east = math.radians(step) * parallel * (1 + altitude / a)
    assert enu[1, 0] == pytest.approx(east, abs=2e-3)
    np.testing.assert_allclose(enu[2], [0, 0, 7.5], atol=1e-6)


@pytest.mark.parametrize('origin', [ORIGINS[0], ORIGINS[2], ORIGINS[3], ORIGINS[4]])
@pytest.mark.parametrize('azimuth_deg', [0.0, 45.0, 120.0, 270.0])
def test_distance_and_bearing_agree_with_the_geodesic(origin, azimuth_deg):
    frame = LocalFrame(GeoPoint(origin.latitude_deg, origin.longitude_deg, 0.0))
    lon, lat, _ = GEOD.fwd(origin.longitude_deg, origin.latitude_deg, azimuth_deg, 1000.0)
    enu = frame.to_enu([[lat, lon, 0.0]])[0]
    assert np.linalg.norm(enu) == pytest.approx(1000.0, abs=2e-3)
    bearing = math.degrees(math.atan2(enu[0], enu[1]))
    assert math.remainder(bearing - azimuth_deg, 360.0) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize('origin', ORIGINS)
def test_round_trip_within_a_millimetre_at_10_km(origin):
    frame = LocalFrame(origin)
    enu = np.random.default_rng(0).uniform(-10e3, 10e3, (200, 3))
    enu[:, 2] /= 100.0
    again = frame.to_enu(frame.to_geo(enu))
    assert np.abs(again - enu).max() < 1e-3


def test_single_points_agree_with_arrays():
    frame = LocalFrame(CAMBRIDGE)
    point = frame.point_to_geo([100.0, -50.0, 3.0])
    np.testing.assert_allclose(frame.point_to_enu(point), [100.0, -50.0, 3.0], atol=1e-6)
    assert isinstance(point.latitude_deg, float)


def test_an_origin_of_numpy_numbers_is_the_same_place():
    origin = GeoPoint(np.float64(52.2), np.float64(0.1), np.float64(30.0))
    np.testing.assert_allclose(LocalFrame(origin).point_to_enu(origin), 0.0, atol=1e-6)


def test_points_across_the_antimeridian_are_near():
    enu = LocalFrame(GeoPoint(0.0, 179.9999)).to_enu([[0.0, -179.9999, 0.0]])[0]
    np.testing.assert_allclose(enu, [22.264, 0.0, 0.0], atol=1e-2)


def test_opposite_meridians_meet_at_the_pole():
    enu = LocalFrame(GeoPoint(90.0, 0.0)).to_enu([[89.999, 0.0, 0.0], [89.999, 180.0, 0.0]])
    assert np.linalg.norm(enu[0] - enu[1]) == pytest.approx(2 * 111.694, abs=0.01)


def test_unknown_points_stay_unknown_and_spoil_no_others():
    frame = LocalFrame(CAMBRIDGE)
    enu = frame.to_enu([[np.nan, 0.0, 0.0], [52.2053, 0.1218, 20.0], [np.inf, 0.0, 0.0]])
    assert np.isnan(enu[0]).all()
    assert np.abs(enu[1]).max() < 1e-6
    assert np.isnan(enu[2]).all()


def test_no_points_give_no_rows():
    frame = LocalFrame(CAMBRIDGE)
    assert frame.to_enu(np.zeros((0, 3))).shape == (0, 3)
    assert frame.to_geo(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize(
    ('latitude', 'longitude', 'word'),
    [
        (95.0, 0.0, 'latitude 95'),
        (-90.1, 0.0, 'latitude -90.1'),
        (float('nan'), 0.0, 'latitude nan'),
        (0.0, 181.0, 'longitude 181'),
        (0.0, float('inf'), 'longitude inf'),
    ],
)
def test_impossible_positions_are_refused(latitude, longitude, word):
    with pytest.raises(ValueError, match=word):
        check_geo(latitude, longitude)
    with pytest.raises(ValueError, match=word):
        LocalFrame(GeoPoint(latitude, longitude))


def test_infinite_altitude_is_refused():
    with pytest.raises(ValueError, match='altitude'):
        check_geo(0.0, 0.0, float('nan'))


@pytest.mark.parametrize('latitude', [-90.0, 90.0])
@pytest.mark.parametrize('longitude', [-180.0, 180.0])
def test_the_limits_are_positions(latitude, longitude):
    check_geo(latitude, longitude)
    assert 1 <= utm_zone(latitude, longitude)[0] <= 60


@pytest.mark.parametrize(
    ('place', 'latitude', 'longitude', 'expected'),
    [
        ('Cambridge UK, east of Greenwich', 52.2053, 0.1218, (31, True)),
        ('Cambridge UK, west of Greenwich', 52.2053, -0.0005, (30, True)),
        ('Pittsburgh', 40.4406, -79.9959, (17, True)),
        ('Tokyo', 35.6762, 139.6503, (54, True)),
        ("Be'er Sheva", 31.2622, 34.8013, (36, True)),
        ('Sydney', -33.8688, 151.2093, (56, False)),
        ('Bergen', 60.3913, 5.3221, (32, True)),
        ('Longyearbyen', 78.2232, 15.6267, (33, True)),
    ],
)
def test_utm_zone_of_known_places(place, latitude, longitude, expected):
    assert utm_zone(latitude, longitude) == expected, place


@pytest.mark.parametrize(
    ('latitude', 'longitude'), [(40.44, -79.99), (35.7, 139.7), (-34.0, 18.4)]
)
def test_utm_zone_is_the_one_in_the_epsg_register(latitude, longitude):
    area = AreaOfInterest(longitude, latitude, longitude, latitude)
    names = {info.name for info in query_utm_crs_info('WGS 84', area)}
    zone, northern = utm_zone(latitude, longitude)
    assert f'WGS 84 / UTM zone {zone}{"N" if northern else "S"}' in names


def test_utm_central_meridian_on_the_equator():
    np.testing.assert_allclose(utm_to_geo(500e3, 0.0, 31), [[0.0, 3.0]], atol=1e-9)
    np.testing.assert_allclose(utm_to_geo(500e3, 10e6, 36, False), [[0.0, 33.0]], atol=1e-9)


def test_utm_northing_is_the_scaled_meridian_arc():
    _, _, arc = GEOD.inv(-81.0, 0.0, -81.0, 40.0)
    utm = geo_to_utm(40.0, -81.0, 17)
    np.testing.assert_allclose(utm, [[500e3, 0.9996 * arc]], atol=1e-3)


def test_utm_round_trip():
    latitude, longitude = np.array([40.4406, 40.5]), np.array([-79.9959, -80.2])
    utm = geo_to_utm(latitude, longitude, 17)
    back = utm_to_geo(utm[:, 0], utm[:, 1], 17)
    np.testing.assert_allclose(back, np.stack([latitude, longitude], axis=1), atol=1e-9)


@pytest.mark.parametrize('zone', [0, 61, -3])
def test_unknown_utm_zone_is_refused(zone):
    with pytest.raises(ValueError, match=f'UTM zone {zone}'):
        utm_to_geo(500e3, 0.0, zone)


@pytest.mark.parametrize(
    ('heading_deg', 'direction'),
    [(0.0, (0, 1)), (90.0, (1, 0)), (180.0, (0, -1)), (270.0, (-1, 0)), (-90.0, (-1, 0))],
)
def test_the_body_looks_along_its_heading(heading_deg, direction):
    x, y, z, w = heading_to_quaternion(heading_deg)
    forward = (1 - 2 * (y * y + z * z), 2 * (x * y + w * z))
    np.testing.assert_allclose(forward, direction, atol=1e-12)


@pytest.mark.parametrize('heading_deg', [0.0, 12.5, 90.0, 181.0, 270.0, 359.0])
def test_heading_round_trip(heading_deg):
    assert yaw_to_heading(heading_to_yaw(heading_deg)) == pytest.approx(heading_deg)
    yaw = quaternion_to_yaw(heading_to_quaternion(heading_deg))
    assert math.remainder(yaw - heading_to_yaw(heading_deg), math.tau) == pytest.approx(0.0)


def test_yaw_ignores_pitch():
    half = math.radians(20.0) / 2
    pitch_x, pitch_y, pitch_z, pitch_w = 0.0, math.sin(half), 0.0, math.cos(half)
    _, _, z, w = yaw_to_quaternion(0.7)
    # yaw * pitch, written out
    product = [w * pitch_x - z * pitch_y, w * pitch_y + z * pitch_x, w * pitch_z + z * pitch_w]
    assert quaternion_to_yaw([*product, w * pitch_w - z * pitch_z]) == pytest.approx(0.7)


def test_an_unknown_altitude_is_that_of_the_origin():
    frame = LocalFrame(GeoPoint(52.2, 0.12, 30.0))
    assert frame.point_to_enu(GeoPoint(52.2, 0.12))[2] == pytest.approx(0.0, abs=1e-9)
    assert LocalFrame(GeoPoint(52.2, 0.12)).point_to_enu(GeoPoint(52.2, 0.12, 7.0))[2] == (
        pytest.approx(7.0)
    )


def test_horizontal_distance_leaves_the_height_out():
    a, b = np.array([[0.0, 0.0, 5.0], [1.0, 1.0, 0.0]]), np.array([3.0, 4.0, 90.0])
    assert horizontal_distance_m(a, b) == pytest.approx([5.0, np.hypot(2.0, 3.0)])


@pytest.mark.parametrize('zero', [0.0, -0.0, 1e-7])
def test_zero_zero_is_not_known(zero: float) -> None:
    assert known_geo(zero, zero, 5.0) is None
    assert known_geo(0.0, 0.1) == GeoPoint(0.0, 0.1)
    with pytest.raises(ValueError, match='latitude 91'):
        known_geo(91.0, 0.0)


def test_near_distances_are_true_on_every_continent() -> None:
    """Against geodesics, for pairs in cities, over the antimeridian and at the pole."""
    rng = np.random.default_rng(0)
    cities = [(0, 100), (0, 80), (-33.86, 151.2), (52.2, 0.1), (89.99, 0), (-17, 179.9999)]
    first = np.array(cities)[rng.integers(0, len(cities), 60)] + rng.normal(0, 2e-4, (60, 2))
    first[:, 1] = (first[:, 1] + 180) % 360 - 180
    first[:, 0] = first[:, 0].clip(-90, 90)
    points = east_north(first)
    a, b = np.triu_indices(60, 1)
    latitude, longitude = first.T
    geodesic = Geod(ellps='WGS84')
    true_m = geodesic.inv(longitude[a], latitude[a], longitude[b], latitude[b])[2]
    found_m = np.linalg.norm(points[a] - points[b], axis=1)
    near = true_m < 1000
    assert found_m[near] == pytest.approx(true_m[near], abs=0.01)
    assert (found_m[~near] > 0.99 * true_m[~near]).all()


def test_one_city_is_laid_on_the_plane_of_its_first_position() -> None:
    degrees = np.array([[48.0, 11.0], [48.2, 11.3], [48.5, 11.9]])
    frame = LocalFrame(GeoPoint(48.0, 11.0))
    plane = frame.to_enu(np.column_stack([degrees, np.zeros(3)]))
    assert np.array_equal(east_north(degrees), plane[:, :2])
    assert east_north(np.zeros((0, 2))).shape == (0, 2)


@pytest.mark.parametrize(
    ('kind', 'variance_m2', 'is_taken'),
    [(0, 0.0, True), (0, 1e10, True), (2, 25.0, True), (3, 1e10, False), (1, 2e4, False)],
)
def test_a_fix_with_a_stated_error_of_streets_is_none(kind, variance_m2, is_taken) -> None:
    covariance = np.diag([variance_m2] * 3).ravel()
    found = position_of_fix(0, 52.2, 0.12, 5.0, kind, covariance)
    assert (found is not None) == is_taken
