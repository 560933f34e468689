"""Bags become frames: order, positions, topic choice, and every kind of damage."""

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import GeoPoint, Pose
from ghost_vpr_ros.core.errors import BagError
from ghost_vpr_ros.replay.bags import messages as build
from ghost_vpr_ros.replay.bags.file import BagFile, Topic
from ghost_vpr_ros.replay.bags.topics import BagTopics
from ghost_vpr_ros.replay.sources.image_sources import open_source
from test.replay.small_bags import (
    START_NS,
    fix,
    image,
    picture,
    planar,
    pose_record,
    write_records,
)

SECOND = 10**9
all_formats = pytest.mark.parametrize('storage', ['mcap', 'sqlite3', 'ros1'])


def frames_of(path: Path, **topics):
    return open_source(path, topics=BagTopics(**topics)).frames


@all_formats
def test_images_come_back_in_order_of_their_header_stamps(tmp_path: Path, storage: str) -> None:
    late, early = image(0, START_NS + SECOND), image(1, START_NS)
    swapped = [('/cam/compressed', START_NS, late[2]), ('/cam/compressed', START_NS + 5, early[2])]
    source = open_source(write_records(tmp_path / 'bag', swapped, storage))
    assert source.kind == 'bag'
    assert [frame.stamp_ns for frame in source.frames] == [START_NS, START_NS + SECOND]
    for frame, number in zip(source.frames, (1, 0), strict=True):
        assert np.abs(frame.load().astype(int) - picture(number)).mean() < 4


@all_formats
def test_any_order_of_loading_gives_the_same_pixels(tmp_path: Path, storage: str) -> None:
    records = [image(number) for number in range(6)]
    frames = frames_of(write_records(tmp_path / 'bag', records, storage))
    forward = [frame.load() for frame in frames]
    for number in (5, 2, 3, 3, 0):
        assert np.array_equal(frames[number].load(), forward[number])


@all_formats
def test_threads_may_load_images_of_one_bag(tmp_path: Path, storage: str) -> None:
    records = [image(number) for number in range(30)]
    frames = frames_of(write_records(tmp_path / 'bag', records, storage))
    forward = [frame.load() for frame in frames]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda frame: frame.load(), frames * 4))
    assert all(np.array_equal(a, b) for a, b in zip(found, forward * 4, strict=True))


@all_formats
def test_images_with_equal_times_are_told_apart(tmp_path: Path, storage: str) -> None:
    records = [image(number, START_NS) for number in range(4)]
    frames = frames_of(write_records(tmp_path / 'bag', records, storage))
    assert len({frame.name for frame in frames}) == 4
    for number in (3, 1, 2, 0):
        assert np.abs(frames[number].load().astype(int) - picture(number)).mean() < 4


@all_formats
def test_fixes_are_interpolated_at_the_image(tmp_path: Path, storage: str) -> None:
    records = [
        fix(START_NS, 50.0, 8.0),
        image(0, START_NS + SECOND // 4),
        fix(START_NS + SECOND, 50.0004, 8.0008),
    ]
    (frame,) = frames_of(write_records(tmp_path / 'bag', records, storage))
    assert frame.pose is None
    assert frame.geo.latitude_deg == pytest.approx(50.0001, abs=1e-9)
    assert frame.geo.longitude_deg == pytest.approx(8.0002, abs=1e-9)
    assert frame.geo.altitude_m == 5.0


def test_fix_is_interpolated_across_the_antimeridian(tmp_path: Path) -> None:
    records = [fix(START_NS, 0.0, 179.999), fix(START_NS + SECOND, 0.0, -179.997)]
    records.insert(1, image(0, START_NS + SECOND // 2))
    (frame,) = frames_of(write_records(tmp_path / 'bag', records))
    assert frame.geo.longitude_deg == pytest.approx(-179.999, abs=1e-9)


def test_fixes_without_a_fix_or_with_nan_are_skipped(tmp_path: Path) -> None:
    no_fix, nan = fix(START_NS + 2, 1.0, 1.0), fix(START_NS + 3, math.nan, 1.0)
    no_fix[2].status.status = -1
    records = [fix(START_NS, 50.0, 8.0), no_fix, nan, image(0, START_NS + 2)]
    (frame,) = frames_of(write_records(tmp_path / 'bag', [*records, fix(START_NS + 4, 50.0, 8.0)]))
    assert (frame.geo.latitude_deg, frame.geo.longitude_deg) == (50.0, 8.0)


def test_only_invalid_fixes_are_an_error(tmp_path: Path) -> None:
    path = write_records(tmp_path / 'bag', [image(0), fix(START_NS, math.nan, 8.0)])
    with pytest.raises(BagError, match='none of the 1 messages on /fix holds a valid position'):
        frames_of(path)


def test_position_is_unknown_across_a_gap_and_outside(tmp_path: Path) -> None:
    records = [pose_record(START_NS + s * SECOND, float(s)) for s in (0, 1, 5)]
    wanted = (-1.0, -0.05, 0.5, 3.0, 5.0, 5.05, 5.2)
    records += [image(n, START_NS + round(s * 1e9)) for n, s in enumerate(wanted)]
    frames = frames_of(write_records(tmp_path / 'bag', sorted(records, key=lambda r: r[1])))
    x = [None if frame.pose is None else frame.pose.position_m[0] for frame in frames]
    assert x == [None, 0.0, 0.5, None, 5.0, 5.0, None]


def drive(fix_stamps_s, image_stamps_s, log_s=lambda stamp_s: stamp_s) -> list:
    """A fix and an image for each stamp, recorded at other times where `log_s` says so."""
    fixes = [fix(START_NS + round(s * 1e9), 50.0, 8.0) for s in fix_stamps_s]
    images = [image(n, START_NS + round(s * 1e9)) for n, s in enumerate(image_stamps_s)]
    moved = [
        (topic, START_NS + round(log_s((ns - START_NS) / 1e9) * 1e9), content)
        for topic, ns, content in fixes
    ]
    return sorted([*moved, *images], key=lambda record: record[1])


def test_one_fix_a_second_may_be_late(tmp_path: Path) -> None:
    late = [0.0, 1.04, 1.99, 3.05, 4.0, 5.03, 6.0]
    source = open_source(write_records(tmp_path / 'bag', drive(late, np.arange(0.1, 6.0, 0.5))))
    assert all(frame.geo is not None for frame in source.frames)
    assert source.notes == ()


def test_images_between_positions_too_far_apart_are_told(tmp_path: Path) -> None:
    stamps = [0.0, 0.5, 1.0, 1.5, 2.0, 5.5, 6.0, 6.5]
    path = write_records(tmp_path / 'bag', drive(stamps, [0.2, 1.2, 3.0, 4.0, 6.2]))
    (note,) = open_source(path).notes
    assert '/fix: 2 of 5 images lie between positions that are up to 3.5 s apart' in note


@pytest.mark.parametrize(('ahead_s', 'said'), [(18.0, 'stamped 18 s later'), (1.0, '')])
def test_stamps_that_recording_contradicts_are_told(
    tmp_path: Path, ahead_s: float, said: str
) -> None:
    fixes, images = np.arange(0.0, 40.0), np.arange(20.5, 30.5)
    records = drive(fixes, images, log_s=lambda stamp_s: stamp_s - ahead_s + 18.0)
    records = [(t, ns if t == '/fix' else ns + 18 * SECOND, m) for t, ns, m in records]
    path = write_records(tmp_path / 'bag', sorted(records, key=lambda record: record[1]))
    notes = ' '.join(open_source(path).notes)
    assert (said in notes) if said else not notes


def test_gap_and_hold_are_settings(tmp_path: Path) -> None:
    records = [pose_record(START_NS, 0.0), image(0, START_NS + 2 * SECOND)]
    records += [pose_record(START_NS + 4 * SECOND, 8.0), image(1, START_NS + 5 * SECOND)]
    path = write_records(tmp_path / 'bag', records)
    frames = frames_of(path, max_gap_s=4.0, max_hold_s=1.0)
    assert [frame.pose.position_m[0] for frame in frames] == [4.0, 8.0]


def test_odometry_keeps_its_covariance(tmp_path: Path) -> None:
    covariance = np.diag([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    pose = Pose(np.array([1.0, 2.0, 3.0]), np.array([0.0, 0.0, 0.0, 1.0]), covariance)
    odometry = ('/odom', START_NS, build.odometry(START_NS, pose))
    (frame,) = frames_of(write_records(tmp_path / 'bag', [odometry, image(0, START_NS)]))
    assert np.array_equal(frame.pose.covariance, covariance)
    assert frame.pose.position_m.tolist() == [1.0, 2.0, 3.0]


def test_pose_with_covariance_is_read(tmp_path: Path) -> None:
    given = build.odometry(START_NS, planar(4.0, 5.0, 1.0))
    content = build.message('geometry_msgs/PoseWithCovarianceStamped', given.header, given.pose)
    records = [('/amcl_pose', START_NS, content), image(0, START_NS)]
    (frame,) = frames_of(write_records(tmp_path / 'bag', records))
    assert frame.pose.position_m.tolist() == [4.0, 5.0, 0.0]


def test_an_unset_header_stamp_falls_back_to_the_time_of_recording(tmp_path: Path) -> None:
    content = image(0)[2]
    content.header = build.header(0, 'camera')
    path = write_records(tmp_path / 'bag', [('/cam/compressed', START_NS + 7, content)])
    assert frames_of(path)[0].stamp_ns == START_NS + 7


def tf(stamp_ns: int, *links: tuple[str, str, Pose], topic: str = '/tf'):
    return topic, stamp_ns, build.transforms(stamp_ns, links)


def tf_bag(path: Path) -> Path:
    """The robot at (10, 0) looking north, its camera 2 m ahead; an optical frame in the camera."""
    mount = ('base_link', 'camera', planar(2.0, 0.0))
    lens = ('camera', 'camera_optical', Pose(np.zeros(3), build.BODY_Q_OPTICAL))
    north = ('odom', 'base_link', planar(0.0, 0.0, math.pi / 2))
    records = [tf(START_NS, mount, lens, topic='/tf_static')]
    for second, x in ((0, 5.0), (1, 15.0)):
        stamp_ns = START_NS + second * SECOND
        records.append(tf(stamp_ns, ('map', 'odom', planar(x, 0.0)), north))
    return write_records(path, [*records, image(0, START_NS + SECOND // 2)])


def test_tf_chain_is_followed_to_the_body_of_the_camera(tmp_path: Path) -> None:
    (frame,) = frames_of(tf_bag(tmp_path / 'bag'), position_topic='/tf')
    assert frame.pose.position_m == pytest.approx([10.0, 2.0, 0.0])
    expected = planar(0, 0, math.pi / 2).quaternion_xyzw
    assert abs(np.dot(frame.pose.quaternion_xyzw, expected)) == pytest.approx(1.0)


def test_tf_without_a_chain_names_the_frames(tmp_path: Path) -> None:
    with pytest.raises(BagError, match=r'no TF chain from earth to camera_optical.*base_link'):
        frames_of(tf_bag(tmp_path / 'bag'), position_topic='/tf', map_frame='earth')


def test_static_tf_alone_means_unknown_positions(tmp_path: Path) -> None:
    mount = tf(START_NS, ('base_link', 'camera', planar(2.0, 0.0)), topic='/tf_static')
    (frame,) = frames_of(write_records(tmp_path / 'bag', [mount, image(0)]))
    assert (frame.pose, frame.geo) == (None, None)


def test_fix_is_preferred_and_any_position_topic_can_be_chosen(tmp_path: Path) -> None:
    records = [fix(START_NS, 50.0, 8.0), pose_record(START_NS, 3.0), image(0, START_NS)]
    path = write_records(tmp_path / 'bag', records)
    assert frames_of(path)[0].geo == GeoPoint(50.0, 8.0, 5.0)
    assert frames_of(path, position_topic='pose')[0].pose.position_m[0] == 3.0
    bare = frames_of(path, position_topic='none')[0]
    assert (bare.geo, bare.pose) == (None, None)


@pytest.mark.parametrize(
    ('topics', 'text'),
    [
        ({}, '2 topics hold images; choose one with --image-topic /a or --image-topic /b'),
        ({'image_topic': '/c'}, 'no topic /c; choose --image-topic /a or --image-topic /b'),
        ({'image_topic': '/fix'}, '/fix cannot serve as image topic, it holds 1 messages of type'),
        ({'image_topic': '/a'}, '2 topics hold positions; choose one with --position-topic /f'),
        ({'image_topic': '/a', 'position_topic': '/x'}, 'no topic /x; choose --position-topic /f'),
        ({'image_topic': '/a', 'position_topic': '/b'}, '/b cannot serve as position topic'),
    ],
)
def test_topic_choices_are_ready_options(tmp_path: Path, topics: dict, text: str) -> None:
    records = [image(0, topic='/a'), image(0, topic='/b')]
    records += [fix(START_NS, 1.0, 1.0), fix(START_NS, 1.0, 1.0, topic='/fix2')]
    path = write_records(tmp_path / 'bag', records)
    with pytest.raises(BagError, match=text) as error:
        frames_of(path, **topics)
    assert str(path) in str(error.value)
    assert '\n' not in str(error.value)


def test_bag_without_images_lists_its_topics(tmp_path: Path) -> None:
    path = write_records(tmp_path / 'bag', [fix(START_NS, 1.0, 1.0)])
    with pytest.raises(BagError, match=r'found /fix \(sensor_msgs/msg/NavSatFix, 1 messages\)'):
        frames_of(path)


@all_formats
def test_empty_bag_is_refused(tmp_path: Path, storage: str) -> None:
    path = write_records(tmp_path / 'bag', [], storage)
    with pytest.raises(BagError, match='bag'):
        frames_of(path)


def test_real_ros1_bag_without_images_lists_its_fixes(data_dir: Path) -> None:
    with pytest.raises(BagError, match=r'/gps/fix \(sensor_msgs/msg/NavSatFix, 151 messages\)'):
        frames_of(data_dir / 'ros1_gps_bag' / 'sample.bag')


def test_frames_come_as_recorded_for_a_replay(tmp_path: Path) -> None:
    stamps = [START_NS, START_NS + SECOND, START_NS + 9 * SECOND // 10, START_NS + 2 * SECOND]
    records = [
        ('/cam/compressed', START_NS + number, image(number, stamp_ns)[2])
        for number, stamp_ns in enumerate(stamps)
    ]
    bag = write_records(tmp_path / 'bag', records)
    recorded = open_source(bag, as_recorded=True).frames
    assert [frame.stamp_ns for frame in recorded] == stamps
    assert [frame.stamp_ns for frame in frames_of(bag)] == sorted(stamps)


def test_an_image_without_stamp_gets_that_of_its_recording_in_the_clock_of_the_others(
    tmp_path: Path,
) -> None:
    boot_ns = 50 * SECOND
    records = []
    for number in range(5):
        stamp_ns = 0 if number == 2 else boot_ns + number * SECOND
        recorded_ns = START_NS + number * SECOND
        records.append(('/cam/compressed', recorded_ns, image(number, stamp_ns)[2]))
    found = [frame.stamp_ns for frame in frames_of(write_records(tmp_path / 'bag', records))]
    assert found == [boot_ns + number * SECOND for number in range(5)]


def test_fixes_of_another_clock_are_told(tmp_path: Path) -> None:
    records = [image(n, (5 + n) * SECOND) for n in range(3)]
    records += [fix(START_NS + n * SECOND, 50.0, 8.0) for n in range(3)]
    source = open_source(write_records(tmp_path / 'bag', records))
    assert [frame.geo for frame in source.frames] == [None] * 3
    (note,) = source.notes
    assert 'no image has a position from /fix: its messages lie 54 years from the images' in note


def test_tf_that_does_not_lead_to_the_map_is_told(tmp_path: Path) -> None:
    moves = build.transforms(START_NS, [('odom', 'base_link', planar(1.0, 0.0))])
    bag = write_records(tmp_path / 'bag', [image(0), ('/tf', START_NS, moves)])
    (note,) = open_source(bag).notes
    assert "/tf does not lead from the frame 'map' to the camera" in note


def test_a_driver_that_never_sets_the_status_of_its_fixes_is_believed(tmp_path: Path) -> None:
    records = [image(0, START_NS), fix(START_NS, 50.0, 8.0)]
    records[1][2].status.status = -2
    assert frames_of(write_records(tmp_path / 'bag', records))[0].geo is not None


def test_video_is_no_image_topic_and_the_next_step_is_told(tmp_path: Path, monkeypatch) -> None:
    bag = write_records(tmp_path / 'bag', [fix(START_NS, 50.0, 8.0)])
    packets = Topic('/cam/ffmpeg', 'ffmpeg_image_transport_msgs/msg/FFMPEGPacket', 7)
    monkeypatch.setattr(BagFile, 'topics', lambda _: [packets])
    for wanted in ('', '/cam/ffmpeg'):
        with pytest.raises(BagError, match=r'/cam/ffmpeg is video.*republish'):
            frames_of(bag, image_topic=wanted)


@pytest.mark.parametrize('as_recorded', [True, False])
def test_a_simulation_that_was_reset_has_the_positions_of_each_run(tmp_path, as_recorded) -> None:
    records = []
    for run in range(2):
        for stamp in range(100, 104):
            at_ns = stamp * SECOND
            logged = (1_000 + 10 * run + stamp) * SECOND
            posed = pose_record(at_ns, 500.0 * run + stamp)
            taken = image(run * 4 + stamp, at_ns)
            records += [(posed[0], logged, posed[2]), (taken[0], logged + 1, taken[2])]
    frames = open_source(write_records(tmp_path / 'bag', records), as_recorded=as_recorded).frames
    numbers = [int(frame.name.partition('[')[2][:-1]) for frame in frames]
    found = dict(zip(numbers, [frame.pose.position_m[0] for frame in frames], strict=True))
    expected = [100, 101, 102, 103, 600, 601, 602, 603]
    assert [found[number] for number in range(8)] == expected


def odometry_in(frame: str, stamp_ns: int, x: float):
    message = build.odometry(stamp_ns, planar(x, 0.0))
    message.header.frame_id = frame
    return '/odom', stamp_ns, message


def test_poses_in_another_frame_than_most_are_not_taken(tmp_path: Path) -> None:
    records = []
    for number in range(5):
        stamp_ns = START_NS + number * SECOND
        frame = 'map' if number == 3 else 'odom'
        records += [image(number, stamp_ns), odometry_in(frame, stamp_ns, float(number))]
    source = open_source(write_records(tmp_path / 'bag', records))
    assert [frame.pose is None for frame in source.frames] == [False, False, False, True, False]
    assert '2 frames (odom: 4, map: 1)' in source.notes[0]


def test_two_cameras_on_one_topic_are_told(tmp_path: Path) -> None:
    records = [image(number) for number in range(4)]
    for number, (_, _, message) in enumerate(records):
        message.header.frame_id = ('left', 'right')[number % 2]
    notes = open_source(write_records(tmp_path / 'bag', records)).notes
    assert '2 frames (left: 2, right: 2)' in notes[0]


def test_images_with_one_stamp_are_told(tmp_path: Path) -> None:
    records = [image(number, START_NS) for number in range(3)]
    notes = open_source(write_records(tmp_path / 'bag', records)).notes
    assert notes[0].startswith('2 of 3 images on /cam/compressed have the stamp of another one')
