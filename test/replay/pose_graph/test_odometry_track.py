"""Odometry at the images, and the reasons for which its links are unreliable."""

from pathlib import Path

import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.errors import BagError
from ghost_vpr_ros.replay.bags import messages as build
from ghost_vpr_ros.replay.pose_graph.odometry_track import (
    OdometryConfig,
    OdometryTrack,
    make_odometry,
    odometry_topic_of,
    read_odometry,
    remembered_odometry,
)
from test.replay.small_bags import START_NS, Record, planar, write_records

S = 10**9
MAX_SPEED_M_S = 15.0


def odometry_at(stamped: list, seconds: list[float]) -> OdometryTrack:
    stamps = [round(s * S) for s in seconds]
    messages = [(round(s * S), pose) for s, pose in stamped]
    return make_odometry(messages, stamps, OdometryConfig(), MAX_SPEED_M_S, 1.0, 'test')


def faults(track: OdometryTrack) -> dict[tuple[int, int], str]:
    return {(first, second): fault for first, second, fault in track.links() if fault}


def forward(count: int, start: float = 0.0) -> list[tuple[float, Pose]]:
    """One message in half a second, at 2 m/s."""
    return [(start + 0.5 * k, planar(2 * (start + 0.5 * k), 0.0)) for k in range(count)]


def test_poses_are_interpolated_at_the_images() -> None:
    track = odometry_at(forward(5), [0.25, 1.0, 1.9])
    assert track.odom_T_body[:, 0, 3] == pytest.approx([0.5, 2.0, 3.8])
    assert [link[:2] for link in track.links()] == [(0, 1), (1, 2)]
    assert faults(track) == {}


def test_a_jump_breaks_only_the_link_across_it() -> None:
    moved = [(s, planar(pose.position_m[0] + 100 * (s >= 2), 0.0)) for s, pose in forward(8)]
    assert faults(odometry_at(moved, [0, 1, 1.5, 2, 3])) == {(2, 3): 'jump of 101.00 m in 0.500 s'}


def test_a_sudden_turn_breaks_the_link() -> None:
    spun = [(0.0, planar(0, 0)), (0.1, planar(0.1, 0, 3.0)), (0.2, planar(0.2, 0, 3.0))]
    assert list(faults(odometry_at(spun, [0, 0.1, 0.2]))) == [(0, 1)]


def test_odometry_that_stops_leaves_later_images_without_a_pose() -> None:
    track = odometry_at(forward(3), [0, 1, 2, 3])
    assert track.known.tolist() == [0, 1]


def test_a_long_silence_breaks_the_link_although_both_ends_are_known() -> None:
    track = odometry_at([*forward(3), *forward(3, start=30.0)], [0, 1, 30, 31])
    assert faults(track) == {(1, 2): 'gap of 29.0 s'}


def test_time_that_runs_back_breaks_the_links_that_it_touches() -> None:
    stamped = [*forward(5), *forward(3, start=1.0), *forward(4, start=2.5)]
    assert faults(odometry_at(stamped, [0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0])) == {
        (2, 3): 'time runs back by 1.000 s',
        (3, 4): 'time runs back by 1.000 s',
    }


def test_one_stamp_with_two_poses_is_a_jump_and_with_one_pose_is_none() -> None:
    twice = [*forward(3), *forward(3)[2:], *forward(3, start=1.5)]
    assert faults(odometry_at(twice, [0, 0.9, 1.2])) == {}
    twice[3] = (1.0, planar(9.0, 0.0))
    assert list(faults(odometry_at(twice, [0, 0.9, 1.2]))) == [(1, 2)]


def test_images_of_one_stamp_have_one_pose() -> None:
    track = odometry_at(forward(3), [0.5, 0.5, 1.0])
    assert np.array_equal(track.odom_T_body[0], track.odom_T_body[1])
    assert faults(track) == {}


def odometry_record(second: float, x: float, topic: str = '/odom') -> Record:
    stamp_ns = START_NS + round(second * S)
    return topic, stamp_ns, build.odometry(stamp_ns, planar(x, 0.0))


def test_odometry_is_read_from_a_bag(tmp_path: Path) -> None:
    bag = write_records(tmp_path / 'bag', [odometry_record(k, 3.0 * k) for k in range(4)])
    assert odometry_topic_of(bag, '') == '/odom'
    stamps = [START_NS + S // 2, START_NS + 2 * S]
    track = read_odometry(bag, '/odom', stamps, OdometryConfig(), MAX_SPEED_M_S, 1.0)
    assert track.odom_T_body[:, 0, 3] == pytest.approx([1.5, 6.0])
    assert track.source == 'topic /odom'


def test_topics_to_choose_from_are_named(tmp_path: Path) -> None:
    records = [odometry_record(0, 0.0, '/wheel'), odometry_record(0, 0.0, '/visual')]
    bag = write_records(tmp_path / 'bag', records)
    with pytest.raises(BagError, match='--odometry-topic /wheel'):
        odometry_topic_of(bag, '')
    with pytest.raises(BagError, match='no odometry on /odom'):
        odometry_topic_of(bag, '/odom')
    assert odometry_topic_of(bag, 'visual') == '/visual'


def test_odometry_without_a_finite_pose_is_refused(tmp_path: Path) -> None:
    bag = write_records(tmp_path / 'bag', [odometry_record(0, float('nan'))])
    with pytest.raises(BagError, match='finite position'):
        read_odometry(bag, '/odom', [START_NS], OdometryConfig(), MAX_SPEED_M_S, 1.0)


def test_odometry_of_several_frames_is_told(tmp_path: Path) -> None:
    records = [odometry_record(0.1 * number, float(number)) for number in range(3)]
    records[1][2].header.frame_id = 'map'
    _, notes = remembered_odometry(write_records(tmp_path / 'bag', records), '/odom')
    assert notes[0].startswith('the odometry on /odom is in 2 frames (odom: 2, map: 1)')
