"""Interpolation against numbers worked by hand."""

import math

import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.replay.bags.position_track import (
    interpolate,
    longest_leap,
    make_track,
    make_tracks,
    slerp,
    without_spikes,
)
from test.replay.small_bags import planar


def test_linear_position_and_spherical_heading() -> None:
    middle = interpolate(planar(0.0, 0.0, 0.0), planar(10.0, 4.0, math.pi / 2), 0.25)
    assert middle.position_m.tolist() == [2.5, 1.0, 0.0]
    assert middle.quaternion_xyzw == pytest.approx(planar(0, 0, math.pi / 8).quaternion_xyzw)


def test_slerp_takes_the_shorter_arc_for_either_sign() -> None:
    start, end = planar(0, 0, 3.0).quaternion_xyzw, planar(0, 0, -3.0).quaternion_xyzw
    middle = slerp(start, end, 0.5)
    assert abs(np.dot(middle, planar(0, 0, math.pi).quaternion_xyzw)) == pytest.approx(1.0)
    assert abs(np.dot(slerp(start, -end, 0.5), middle)) == pytest.approx(1.0)


@pytest.mark.parametrize('angle', [0.0, 1e-9, 1e-3, 0.06, 2.0])
def test_slerp_has_constant_speed_at_every_angle(angle: float) -> None:
    found = slerp(planar(0, 0, 0.0).quaternion_xyzw, planar(0, 0, angle).quaternion_xyzw, 0.3)
    assert found == pytest.approx(planar(0, 0, 0.3 * angle).quaternion_xyzw, abs=1e-6)
    assert np.linalg.norm(found) == pytest.approx(1.0)


def test_unknown_heading_stays_unknown_and_covariance_is_mixed() -> None:
    known, unknown = planar(0.0, 0.0), Pose(np.zeros(3))
    assert interpolate(known, unknown, 0.5).quaternion_xyzw is None
    start, end = Pose(np.zeros(3), None, np.eye(6)), Pose(np.zeros(3), None, 3 * np.eye(6))
    assert np.array_equal(interpolate(start, end, 0.5).covariance, 2 * np.eye(6))


def test_poses_in_any_order_are_sorted_and_of_equal_stamps_the_last_counts() -> None:
    track = make_track([(20, planar(2, 0)), (10, planar(9, 0)), (10, planar(1, 0))], 1.0, 0.1)
    assert track.stamps_ns.tolist() == [10, 20]
    assert track.at(15).position_m[0] == 1.5


def test_large_stamps_lose_no_nanosecond() -> None:
    start_ns = 1_700_000_000_000_000_001
    track = make_track([(start_ns, planar(0, 0)), (start_ns + 4, planar(4, 0))], 1.0, 0.0)
    assert [track.at(start_ns + n).position_m[0] for n in range(5)] == [0, 1, 2, 3, 4]


def test_empty_track_knows_nothing() -> None:
    assert make_track([], 1.0, 1.0).at(5) is None


def test_a_clock_that_was_set_back_has_a_track_of_its_own() -> None:
    second = 10**9
    first = [(stamp * second, planar(stamp, 0)) for stamp in range(100, 110)]
    again = [(stamp * second, planar(500 + stamp, 0)) for stamp in range(100, 104)]
    late = [(int(102.5 * second), planar(602.5, 0))]
    tracks = make_tracks([*first, *again, *late], 2.0, 0.0, is_geo=False)
    found = [tracks.at(int(102.25 * second), jumps) for jumps in (0, 1, 2)]
    assert [pose.position_m[0] for pose in found if pose is not None] == [102.25, 602.25, 602.25]


def test_longitudes_are_unwrapped_in_each_track() -> None:
    second = 10**9
    degrees = [(100, 179.9), (101, -179.9), (100, -0.1), (101, 0.1)]
    stamped = [(stamp * second, Pose(np.array([52.0, lon, 0.0]))) for stamp, lon in degrees]
    tracks = make_tracks(stamped, 2.0, 0.0, is_geo=True)
    found = [tracks.at(int(100.5 * second), jumps) for jumps in (0, 1)]
    longitudes = [pose.position_m[1] for pose in found if pose is not None]
    assert longitudes == pytest.approx([180.0, 0.0])


def fixes(*degrees: float, step_s: float = 1.0) -> list[tuple[int, Pose]]:
    return [
        (round(number * step_s * 1e9), Pose(np.array([latitude, 8.0, 0.0])))
        for number, latitude in enumerate(degrees)
    ]


@pytest.mark.parametrize(
    ('degrees', 'kept'),
    [
        ((50.0, 50.0001, -50.0, 50.0002, 50.0003), 4),  # in the middle
        ((-50.0, 50.0, 50.0001, 50.0002), 3),  # at an end
        ((50.0, 50.0001, 50.0002, 0.0), 3),
        ((50.0, 50.0001, 51.0, 51.0001), 4),  # a bag of two drives
        ((50.0, 50.005, 50.0, 50.005), 4),  # noise of half a kilometre is no place's end
        ((50.0, -50.0), 2),  # nothing tells which one is wrong
    ],
)
def test_single_fixes_that_nobody_can_have_reached_are_left_out(degrees, kept) -> None:
    assert len(without_spikes(fixes(*degrees), is_geo=True)) == kept


def test_odometry_that_jumps_for_one_message_is_left_out() -> None:
    stamped = [(n * 10**8, planar(x, 0.0)) for n, x in enumerate((0.0, 1.0, 1e300, 3.0))]
    assert [pose.position_m[0] for _, pose in without_spikes(stamped, is_geo=False)] == [0, 1, 3]


def test_the_longest_step_that_nobody_can_have_made() -> None:
    starts_anew = [(n * 10**9, planar(x, 0.0)) for n, x in enumerate((0.0, 9.0, 5009.0, 5010.0))]
    assert longest_leap(starts_anew, is_geo=False) == (5000.0, 1.0)
    by_plane = [(0, planar(0.0, 0.0)), (3600 * 10**9, planar(500_000.0, 0.0))]
    assert longest_leap(by_plane, is_geo=False) == (0.0, 0.0)
    assert longest_leap(by_plane[:1], is_geo=False) == (0.0, 0.0)
