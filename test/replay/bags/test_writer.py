"""Bags that are written: content, determinism, laziness, and nothing left behind on errors."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from ghost_vpr_ros.core.camera import CameraIntrinsics
from ghost_vpr_ros.core.datatypes import GeoPoint, Pose
from ghost_vpr_ros.core.errors import BagError, ImageError, OutputError
from ghost_vpr_ros.replay.bags.topics import BagTopics
from ghost_vpr_ros.replay.bags.writer import BagConfig, BagFrame, write_bag
from ghost_vpr_ros.replay.sources.image_sources import open_source
from test.replay.small_bags import START_NS, picture, planar

CAMERA = CameraIntrinsics(30.0, 31.0, 16.0, 12.0, 32, 24)
both_storages = pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])


def full_frame(number: int) -> BagFrame:
    return BagFrame(
        START_NS + number * 10**8,
        lambda: picture(number),
        geo=GeoPoint(50.0 + number * 1e-5, 8.0, 100.0),
        geo_sigma_m=2.5,
        truth=planar(float(number), -1.0, 0.1 * number),
        odometry=Pose(np.array([number * 1.1, 0, 0]), np.array([0, 0, 0, 1.0]), np.eye(6)),
    )


def messages_of(path: Path) -> dict[str, list]:
    found: dict[str, list] = {}
    with AnyReader([path]) as reader:
        for connection, log_ns, data in reader.messages():
            content = reader.deserialize(data, connection.msgtype)
            found.setdefault(connection.topic, []).append((log_ns, content))
    return found


@both_storages
@pytest.mark.parametrize('image_format', ['jpeg', 'raw'])
def test_round_trip_of_images_and_positions(tmp_path, storage: str, image_format: str) -> None:
    config = BagConfig(storage=storage, image_format=image_format)
    assert write_bag(tmp_path / 'bag', map(full_frame, range(5)), config) == 5
    frames = open_source(tmp_path / 'bag').frames
    truth_topic = BagTopics(position_topic='/ground_truth/pose')
    truths = open_source(tmp_path / 'bag', topics=truth_topic).frames
    for number, (frame, truth) in enumerate(zip(frames, truths, strict=True)):
        expected = full_frame(number)
        assert frame.stamp_ns == expected.stamp_ns
        assert frame.geo == expected.geo
        assert truth.pose.position_m == pytest.approx(expected.truth.position_m)
        assert truth.pose.quaternion_xyzw == pytest.approx(expected.truth.quaternion_xyzw)
        error = np.abs(frame.load().astype(int) - picture(number)).mean()
        assert error == 0 if image_format == 'raw' else error < 4


def test_every_message_has_stamp_frame_and_covariance(tmp_path: Path) -> None:
    write_bag(tmp_path / 'bag', [full_frame(3)], camera=CAMERA, info={'stamps': 'invented'})
    found = {topic: items[0] for topic, items in messages_of(tmp_path / 'bag').items()}
    stamp_ns = full_frame(3).stamp_ns
    assert {log_ns for log_ns, _ in found.values()} == {stamp_ns}
    frames = {'/fix': 'base_link', '/odom': 'odom', '/ground_truth/pose': 'map'}
    frames |= {
        '/camera/image/compressed': 'camera_optical',
        '/camera/camera_info': 'camera_optical',
    }
    for topic, frame_id in frames.items():
        header = found[topic][1].header
        assert header.frame_id == frame_id
        assert header.stamp.sec * 10**9 + header.stamp.nanosec == stamp_ns
    assert found['/odom'][1].child_frame_id == 'base_link'
    assert found['/odom'][1].pose.covariance.tolist() == np.eye(6).reshape(-1).tolist()
    assert found['/fix'][1].position_covariance.tolist() == (6.25 * np.eye(3)).reshape(-1).tolist()
    assert found['/fix'][1].position_covariance_type == 2
    assert found['/camera/camera_info'][1].k.tolist() == [30, 0, 16, 0, 31, 12, 0, 0, 1]
    assert json.loads(found['/bag_info'][1].data) == {'stamps': 'invented'}


def test_tf_leads_from_odom_to_the_camera_but_never_from_the_map(tmp_path: Path) -> None:
    mount = Pose(np.array([1.0, 0.0, 1.5]), np.array([0.0, 0.0, 0.0, 1.0]))
    write_bag(tmp_path / 'bag', [full_frame(2)], base_T_camera=mount)
    found = messages_of(tmp_path / 'bag')
    items = [t for topic in ('/tf', '/tf_static') for t in found[topic][0][1].transforms]
    links = {(item.header.frame_id, item.child_frame_id) for item in items}
    expected = {('odom', 'base_link'), ('base_link', 'camera'), ('camera', 'camera_optical')}
    assert links == expected
    topics = BagTopics(position_topic='/tf', map_frame='odom')
    (frame,) = open_source(tmp_path / 'bag', topics=topics).frames
    assert frame.pose.position_m == pytest.approx([3.2, 0.0, 1.5])
    assert abs(frame.pose.quaternion_xyzw[3]) == pytest.approx(1.0)


def test_unknown_heading_stays_unknown(tmp_path: Path) -> None:
    frame = BagFrame(START_NS, lambda: picture(0), truth=Pose(np.array([1.0, 2.0, 3.0])))
    write_bag(tmp_path / 'bag', [frame])
    (read,) = open_source(tmp_path / 'bag').frames
    assert read.pose.position_m.tolist() == [1.0, 2.0, 3.0]
    assert read.pose.quaternion_xyzw is None


def test_positions_between_images_are_written(tmp_path: Path) -> None:
    between = BagFrame(START_NS + 1, odometry=planar(1.0, 0.0))
    frames = [full_frame(0), between, full_frame(1)]
    assert write_bag(tmp_path / 'bag', frames) == 2
    assert len(messages_of(tmp_path / 'bag')['/odom']) == 3


@both_storages
def test_same_frames_give_the_same_bytes(tmp_path: Path, storage: str) -> None:
    contents = []
    for folder in ('one', 'two'):
        path = tmp_path / folder / 'bag'
        write_bag(path, map(full_frame, range(8)), BagConfig(storage=storage), camera=CAMERA)
        contents.append([(f.name, f.read_bytes()) for f in sorted(path.iterdir())])
    assert contents[0] == contents[1]


def test_images_are_taken_one_by_one(tmp_path: Path) -> None:
    events = []

    def frames():
        for number in range(3):
            events.append(f'yield {number}')
            load = (lambda n: lambda: (events.append(f'load {n}'), picture(n))[1])(number)
            yield BagFrame(START_NS + number, load)

    done = []
    write_bag(tmp_path / 'bag', frames(), progress=done.append)
    assert events == ['yield 0', 'load 0', 'yield 1', 'load 1', 'yield 2', 'load 2']
    assert done == [1, 1, 1]


@pytest.mark.parametrize('is_folder', [True, False])
def test_existing_output_is_kept(tmp_path: Path, is_folder: bool) -> None:
    path = tmp_path / 'bag'
    path.mkdir() if is_folder else path.write_text('mine')
    with pytest.raises(OutputError, match='exists already and is not overwritten'):
        write_bag(path, [full_frame(0)])
    assert list(tmp_path.iterdir()) == [path]
    assert is_folder or path.read_text() == 'mine'


def raise_image_error() -> np.ndarray:
    raise ImageError('broken.jpg: no image')


@both_storages
@pytest.mark.parametrize(
    ('frames', 'error', 'text'),
    [
        ([], BagError, 'expected frames to write'),
        ([full_frame(1), full_frame(0)], BagError, 'in order of time'),
        ([BagFrame(2**31 * 10**9)], BagError, 'does not fit into a ROS message'),
        ([BagFrame(-1)], BagError, 'does not fit into a ROS message'),
        ([full_frame(0), BagFrame(START_NS + 10**9, raise_image_error)], ImageError, 'broken'),
    ],
)
def test_errors_leave_nothing_behind(tmp_path, storage, frames, error, text) -> None:
    with pytest.raises(error, match=text):
        write_bag(tmp_path / 'bag', frames, BagConfig(storage=storage))
    assert list(tmp_path.iterdir()) == []


def test_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    def interrupt() -> np.ndarray:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_bag(tmp_path / 'bag', [full_frame(0), BagFrame(START_NS + 10**9, interrupt)])
    assert list(tmp_path.iterdir()) == []


def test_unwritable_parent_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / 'file').touch()
    with pytest.raises(OutputError, match='the bag cannot be written'):
        write_bag(tmp_path / 'file' / 'bag', [full_frame(0)])


LARGE = """
import sys, time
import numpy as np
from ghost_vpr_ros.core.errors import OutputError
from ghost_vpr_ros.replay.bags.writer import BagConfig, BagFrame, write_bag
image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
def frames():
    for number in range(12):
        yield BagFrame(10**18 + number, lambda: image)
        if number == 8 and sys.argv[3] == 'wait':
            print('writing', flush=True)
            time.sleep(60)
try:
    write_bag(sys.argv[1], frames(), BagConfig(storage=sys.argv[2], image_format='raw'))
except OutputError as error:
    print(f'OutputError: {error}')
"""


def limit_file_size() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, 4_000_000))


@both_storages
def test_a_file_that_cannot_grow_is_an_output_error(tmp_path: Path, storage: str) -> None:
    command = [sys.executable, '-c', LARGE, str(tmp_path / 'bag'), storage, 'go']
    done = subprocess.run(
        command, preexec_fn=limit_file_size, capture_output=True, text=True, check=True, timeout=60
    )
    assert 'OutputError' in done.stdout
    assert done.stdout.count('\n') == 1
    assert list(tmp_path.iterdir()) == []


@both_storages
def test_killed_process_leaves_no_bag_by_that_name(tmp_path: Path, storage: str) -> None:
    command = [sys.executable, '-c', LARGE, str(tmp_path / 'bag'), storage, 'wait']
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b'writing\n'
        time.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL)
    assert not (tmp_path / 'bag').exists()
    assert all(item.name.startswith('.bag.partial-') for item in tmp_path.iterdir())
    write_bag(tmp_path / 'bag', [full_frame(0)])
    assert len(open_source(tmp_path / 'bag')) == 1


def test_a_flipped_bit_in_a_chunk_is_noticed(tmp_path: Path) -> None:
    """Each chunk of an MCAP carries the CRC of its records, which is checked when it is read."""
    path = tmp_path / 'bag'
    write_bag(path, map(full_frame, range(3)), BagConfig(image_format='raw'))
    file = path / 'bag.mcap'
    data = bytearray(file.read_bytes())
    data[data.index(picture(1).tobytes()) + 100] ^= 1
    file.write_bytes(data)
    with pytest.raises(BagError, match='checksum'):
        open_source(path)
