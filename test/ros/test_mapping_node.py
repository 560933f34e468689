"""The real node maps two rounds; offline the same frames give the same answers and map."""

import math
import shutil

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped
from nav_msgs.msg import Odometry
from nav_msgs.msg import Path as PathMessage
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, NavSatFix
from std_srvs.srv import Trigger

from ghost_vpr_ros.core.config.map import MapConfig, MappingConfig
from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.mapping.mapper import PlaceMapper
from ghost_vpr_ros.core.model.initialisation import build_untrained
from ghost_vpr_ros.core.model.weights import save_model
from ghost_vpr_ros.core.opened_map import open_map
from ghost_vpr_ros.core.poses import yaw_to_quaternion
from ghost_vpr_ros.core.recognizer import PlaceRecognizer
from ghost_vpr_ros.ros.conversions import header_at, stamp_to_ns, to_pose
from ghost_vpr_ros.ros.image_conversions import raw_message
from test.ros.camera import ACTIVE, NODE, SECOND_NS, Camera, values_of
from test.ros.processes import Executable, holds_soon, wait_until

LAP, STEP_M = 40, 3.0
HEIGHT_PX, WIDTH_PX, SHIFT_PX = 96, 128, 24
SETTINGS = {
    'group_radius_m': 8.0,
    'past_distance_m': 30.0,
    'keyframe_distance_m': 5.0,
    'keyframe_similarity': -1.0,
}
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def view(number: int) -> np.ndarray:
    """RGB uint8 (96, 128, 3): what a camera sees of a wall round a yard, a little noisy."""
    blocks = np.random.default_rng(5).integers(0, 256, (8, LAP * SHIFT_PX // 8, 3), np.uint8)
    size = (LAP * SHIFT_PX, HEIGHT_PX)
    wall = cv2.resize(blocks, size, interpolation=cv2.INTER_NEAREST)
    start = number % LAP * SHIFT_PX
    seen = np.take(wall, np.arange(start, start + WIDTH_PX) % wall.shape[1], axis=1)
    noise = np.random.default_rng(1000 + number).integers(0, 4, seen.shape)
    return np.clip(seen // 2 + 60 + noise, 0, 255).astype(np.uint8)


def odometry(number: int) -> Pose:
    """On a round of 40 steps of 3 m."""
    radius_m, angle = LAP * STEP_M / math.tau, math.tau * number / LAP
    position = np.array([radius_m * math.sin(angle), radius_m * (1.0 - math.cos(angle)), 0.0])
    return Pose(position, yaw_to_quaternion(angle))


def stamp_of(number: int) -> int:
    return (100 + number) * SECOND_NS


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """An untrained network with a small input."""
    preprocessing = PreprocessingConfig(width_px=128, height_px=96)
    images = [view(number) for number in range(0, LAP, 2)]
    path = tmp_path_factory.mktemp('weights') / 'tiny.safetensors'
    save_model(build_untrained(ModelConfig(clusters=8), preprocessing, images, 0), path)
    return path


@pytest.fixture(scope='module')
def offline(weights, tmp_path_factory):
    """Answers and map of two rounds without ROS."""
    path = tmp_path_factory.mktemp('offline') / 'yard.map'
    place_map, model = open_map(path, weights, 'map')
    known = {'group_radius_m': SETTINGS['group_radius_m']}
    recognizer = PlaceRecognizer(model, create_engine(model), place_map, RecognizerConfig(**known))
    rest = {name: value for name, value in SETTINGS.items() if name not in known}
    mapper = PlaceMapper(recognizer, MappingConfig(**rest), MapConfig())
    answers = [
        mapper.recognize(view(number), stamp_of(number), odometry(number))
        for number in range(2 * LAP)
    ]
    recognizer.close()
    return answers, path


class Drive:
    """Publishes odometry, and then the image of the same stamp."""

    def __init__(self, listener):
        self.camera = Camera(listener)
        self._odometry = listener.create_publisher(Odometry, 'odom', 10)
        self._reports = listener.listen(DiagnosticArray, '/diagnostics')
        # Those of a node before this one do not count.
        self._reports.clear()
        # Until both sides have met, odometry is lost; what comes after is taken, and only once.
        wait_until(lambda: self._tell(Odometry(header=header_at(SECOND_NS, 'odom')), 1))

    def _count(self) -> int:
        values = values_of(self._reports[-1].status[0]) if self._reports else {}
        return int(values.get('odometry received', 0))

    def _tell(self, message: Odometry, count: int) -> bool:
        """Whether the node has taken this many soon after the message."""
        self._odometry.publish(message)
        return holds_soon(lambda: self._count() >= count, timeout_s=5.0)

    def go(self, number: int) -> dict[str, str]:
        """The node has the odometry before the image: two topics have no order between them."""
        header = header_at(stamp_of(number), 'odom')
        message = Odometry(header=header)
        message.pose.pose = to_pose(odometry(number))
        before = self._count()
        self._odometry.publish(message)
        wait_until(lambda: self._count() > before)
        return self.camera.show(raw_message(view(number), header_at(stamp_of(number), 'front')))


def start(mode, path, weights, **more):
    return Executable(
        'place_recognition_node',
        **{'map': path, 'model': weights, 'mode': mode, 'diagnostics_period_s': 0.1},
        **SETTINGS,
        **more,
    )


@pytest.mark.slow
def test_node_and_offline_replay_agree_frame_by_frame(weights, offline, listener, tmp_path):
    expected, offline_map = offline
    closures = listener.listen(PoseWithCovarianceStamped, f'{NODE}/loop_closure')
    paths = listener.listen(PathMessage, f'{NODE}/keyframes', LATCHED)
    with start('map', tmp_path / 'yard.map', weights, export='csv,g2o') as node:
        node.wait_for(ACTIVE)
        drive = Drive(listener)
        for number, answer in enumerate(expected):
            found = drive.go(number)
            assert (found['state'], found['reason']) == (answer.state.value, answer.reason.value)
            if answer.candidates:
                best = answer.candidates[0]
                assert found['keyframe_id'] == str(best.keyframe.keyframe_id)
                assert float(found['probability']) == pytest.approx(
                    best.probability, abs=2e-3, nan_ok=True
                )
        wanted = [answer.closure for answer in expected if answer.closure is not None]
        wait_until(lambda: len(closures) == len(wanted))
        saved = listener.ask(Trigger, f'{NODE}/save_map')
        assert saved.success, saved.message
        assert ' keyframes are on the disk in ' in saved.message
        count = int(saved.message.split()[0])
        rows = (tmp_path / 'yard.map.closures.csv').read_text().splitlines()
        assert len(rows) == 1 + len(wanted)
        graph = (tmp_path / 'yard.map.closures.g2o').read_text()
        assert graph.count('VERTEX_SE3:QUAT') == len(expected)
        wait_until(lambda: paths and len(paths[-1].poses) == count)
        assert node.stop() == 0, node.text
    assert len(wanted) >= 5
    for message, closure in zip(closures, wanted, strict=True):
        assert stamp_to_ns(message.header.stamp) == closure.stamp_ns
        name = f'keyframe/session-1/{closure.keyframe.stamp_ns}'
        assert message.header.frame_id == name
        offset = message.pose.pose.position
        np.testing.assert_allclose(
            [offset.x, offset.y, offset.z], closure.keyframe_T_query.position_m, atol=1e-2
        )
    with PlaceMap.open(tmp_path / 'yard.map') as mine, PlaceMap.open(offline_map) as theirs:
        assert len(mine) == len(theirs) == count >= 20
        np.testing.assert_allclose(mine.positions(), theirs.positions(), atol=1e-2)
        np.testing.assert_allclose(mine.descriptors(), theirs.descriptors(), atol=1e-3)


@pytest.mark.slow
def test_a_killed_node_leaves_its_keyframes_and_the_next_run_is_another_session(
    weights, listener, tmp_path
):
    path = tmp_path / 'yard.map'
    with start('localize_and_map', path, weights, commit_interval_s=0.0) as node:
        node.wait_for(ACTIVE)
        drive = Drive(listener)
        for number in range(8):
            drive.go(number)
        node.process.kill()
        node.wait()
    with PlaceMap.open(path) as place_map:
        assert [k.stamp_ns for k in place_map.keyframes()][:3] == [stamp_of(n) for n in (0, 2, 4)]
    with start('localize_and_map', path, weights, session='again') as node:
        node.wait_for(ACTIVE)
        drive = Drive(listener)
        drive.go(20)
        assert node.stop() == 0, node.text
    with PlaceMap.open(path) as place_map:
        assert [s.name for s in place_map.sessions()] == ['session-1', 'again']
        assert place_map.keyframes()[-1].pose is None


def test_mode_map_refuses_a_map_with_keyframes(place_map_path, tmp_path):
    path = shutil.copy(place_map_path, tmp_path / 'places.map')
    with Executable('place_recognition_node', map=path, mode='map') as node:
        assert node.wait() == 1
        assert 'expected no map, or an empty one, for mode map, found' in node.text
        assert 'Traceback' not in node.text


def test_in_mode_localize_there_is_nothing_to_save(place_map_path, listener):
    with Executable('place_recognition_node', map=place_map_path) as node:
        node.wait_for(ACTIVE)
        answer = listener.ask(Trigger, f'{NODE}/save_map')
        assert not answer.success
        assert 'mode localize does not change the map' in answer.message


@pytest.mark.slow
def test_fixes_geotag_the_keyframes_and_cameras_without_calibration_are_told(
    weights, listener, tmp_path
):
    reports = listener.listen(DiagnosticArray, '/diagnostics')
    fixes = listener.create_publisher(NavSatFix, 'fix', 10)
    infos = listener.create_publisher(CameraInfo, 'camera_info', 10)
    with start('map', tmp_path / 'geo.map', weights) as node:
        node.wait_for(ACTIVE)
        camera = Camera(listener)
        wait_until(lambda: fixes.get_subscription_count() and infos.get_subscription_count())

        def is_told():
            infos.publish(CameraInfo(header=header_at(stamp_of(0), 'front')))
            return holds_soon(lambda: 'the camera_info is not calibrated' in node.text)

        wait_until(is_told)
        lost = NavSatFix(header=header_at(stamp_of(0), 'gps'), latitude=52.0, longitude=0.1)
        lost.status.status = -1
        good = NavSatFix(header=header_at(stamp_of(0), 'gps'), latitude=52.2, longitude=0.1)
        values = {}

        def are_counted():
            fixes.publish(lost)
            fixes.publish(good)
            values.update(values_of(reports[-1].status[0]) if reports else {})
            counts = (values.get(name, '0') for name in ('fixes received', 'bad fixes'))
            return min(map(int, counts)) >= 1

        wait_until(are_counted)
        camera.show(raw_message(view(0), header_at(stamp_of(0), 'front')))
        assert node.stop() == 0, node.text
    with PlaceMap.open(tmp_path / 'geo.map') as place_map:
        assert place_map.map_frame == 'enu'
        (keyframe,) = place_map.keyframes()
        assert (keyframe.geo.latitude_deg, keyframe.geo.longitude_deg) == (52.2, 0.1)
