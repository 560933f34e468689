"""The real node in its own process answers images that another process publishes."""

import json
import re
from array import array

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseWithCovarianceStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from nav_msgs.msg import Odometry
from nav_msgs.msg import Path as PathMessage
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CompressedImage, Image, NavSatFix, PointCloud2
from std_srvs.srv import SetBool, Trigger
from visualization_msgs.msg import MarkerArray

from ghost_vpr_ros.core.image import decode_compressed
from ghost_vpr_ros.ros.conversions import CANDIDATE_DTYPE, header_at, stamp_to_ns
from test.ros.camera import ACTIVE, NODE, SECOND_NS, Camera, image_of, values_of
from test.ros.processes import Executable, make_listener, wait_until
from test.ros.small_map import NUM_PLACES, VIEWS_OF_A_PLACE, position

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.fixture(scope='module')
def node(place_map_path):
    """The node, active."""
    arguments = {'map': place_map_path, 'localize_timeout_s': 60.0}
    # The camera of these tests jumps from place to place.
    arguments |= {'temporal': 'none', 'consistency': 'false'}
    with Executable('place_recognition_node', **arguments) as running:
        running.wait_for(ACTIVE)
        yield running


@pytest.fixture(scope='module')
def listener():
    """One for all tests here: the node has to discover it only once."""
    made = make_listener()
    yield made
    made.end()
    rclpy.try_shutdown()


@pytest.fixture(scope='module')
def found_camera(node, listener):
    return Camera(listener)


@pytest.fixture
def camera(found_camera):
    """Publishes one message of an image and waits for its status."""
    found_camera.answers.clear()
    return found_camera


def change_state(listener, transition):
    request = ChangeState.Request(transition=Transition(id=transition))
    return listener.ask(ChangeState, f'{NODE}/change_state', request).success


def state_of(listener):
    return listener.ask(GetState, f'{NODE}/get_state').current_state.label


def answers_by_place(published, statuses, *topics):
    """Place -> (status values, message of each topic), joined by the stamp of the image."""
    if not published.is_file():
        return {}
    lines = [json.loads(line) for line in published.read_text().splitlines()]
    place_of = {line['stamp_ns']: int(re.search(r'\d+', line['image'])[0]) for line in lines}
    by_stamp = [{stamp_to_ns(m.header.stamp): m for m in list(topic)} for topic in topics]
    found = {}
    for values in map(values_of, list(statuses)):
        stamp_ns = int(values['stamp_ns'])
        if stamp_ns in place_of and all(stamp_ns in messages for messages in by_stamp):
            found[place_of[stamp_ns]] = (values, *(messages[stamp_ns] for messages in by_stamp))
    return dict(sorted(found.items()))


def test_images_of_another_process_are_answered_with_the_place(
    node, listener, query_folder, tmp_path
):
    statuses = listener.listen(DiagnosticStatus, f'{NODE}/status')
    clouds = listener.listen(PointCloud2, f'{NODE}/candidates')
    poses = listener.listen(PoseWithCovarianceStamped, f'{NODE}/pose')
    fixes = listener.listen(NavSatFix, f'{NODE}/fix')
    published = tmp_path / 'published.jsonl'
    publish = {'source': query_folder, 'rate_hz': 4.0, 'repeat': 'true', 'json_out': published}

    def places():
        """The last complete answer to each place; early ones are lost while both sides meet."""
        return answers_by_place(published, statuses, clouds, poses, fixes)

    with Executable('tools.image_publisher', **publish, frame_id='front') as publisher:
        wait_until(lambda: len(places()) == NUM_PLACES)
        assert publisher.stop() == 0, publisher.text

    answers = places()
    assert [v['state'] for v, *_ in answers.values()] == ['ACCEPTED'] * NUM_PLACES
    for place, (values, cloud, pose, fix) in answers.items():
        assert values['keyframe'][:6] == f'place{place}'
        assert (cloud.header.frame_id, pose.header.frame_id) == ('map', 'map')
        assert fix.header.frame_id == 'front'
        assert fix.latitude == pytest.approx(position(place, 1.5).latitude_deg, abs=3e-5)
        assert pose.pose.pose.position.y == pytest.approx(111.3 * place, abs=4.0)
        variances = np.diag(pose.pose.covariance.reshape(6, 6))
        assert (variances > 0).all()
    assert len({tuple(pose.pose.covariance) for _, _, pose, _ in answers.values()}) == NUM_PLACES
    best = np.frombuffer(answers[2][1].data, CANDIDATE_DTYPE)[0]
    assert best['session'] == 0 and best['probability'] > 0.9
    first_of_place_s = 1 + 2 * VIEWS_OF_A_PLACE
    assert first_of_place_s <= best['stamp_sec'] < first_of_place_s + VIEWS_OF_A_PLACE


def test_the_keyframes_wait_for_those_who_come_late(node, listener):
    paths = listener.listen(PathMessage, f'{NODE}/keyframes', LATCHED)
    wait_until(lambda: len(paths) == 1)
    assert len(paths[0].poses) == NUM_PLACES * VIEWS_OF_A_PLACE
    assert paths[0].header.frame_id == 'map'


BAD_IMAGES = {
    'unknown encoding': ({'encoding': '32FC1', 'step': 16, 'data': bytes(64)}, '32FC1'),
    'no encoding': ({'encoding': '', 'step': 4, 'data': bytes(16)}, "''"),
    'truncated': ({'encoding': 'rgb8', 'step': 12, 'data': bytes(40)}, 'truncated rgb8'),
    'zero size': ({'encoding': 'bgr8', 'height': 0, 'width': 0}, 'bgr8 image of zero size'),
    'short step': ({'encoding': 'rgba8', 'step': 3, 'data': bytes(64)}, 'rgba8 rows'),
}


@pytest.mark.parametrize('name', BAD_IMAGES)
def test_a_bad_image_is_reported_and_the_node_lives_on(camera, name):
    fields, words = BAD_IMAGES[name]
    fields = {'height': 4, 'width': 4, **fields}
    fields['data'] = array('B', fields.get('data', b''))
    second = 50 + 2 * list(BAD_IMAGES).index(name)
    bad = Image(header=header_at(second * SECOND_NS, 'front'), **fields)
    answer = camera.show(bad)
    assert (answer['state'], answer['reason']) == ('REJECTED', 'IMAGE_QUALITY')
    assert words in camera.answers[-1].message
    assert camera.show(image_of(1, (second + 1) * SECOND_NS))['state'] == 'ACCEPTED'


def test_odometry_is_taken_and_counted(node, listener, camera):
    reports = listener.listen(DiagnosticArray, '/diagnostics')
    publisher = listener.create_publisher(Odometry, 'odom', 10)
    message = Odometry(header=header_at(5 * SECOND_NS, 'odom'))
    broken = Odometry(header=header_at(5 * SECOND_NS, 'odom'))
    broken.pose.pose.position.x = float('nan')

    def counts():
        values = values_of(reports[-1].status[0]) if reports else {}
        return [int(values.get(key, 0)) for key in ('odometry received', 'bad odometry')]

    def both_arrive():
        publisher.publish(message)
        publisher.publish(broken)
        return min(counts()) >= 1

    wait_until(both_arrive)
    assert camera.show(image_of(1, 70 * SECOND_NS))['state'] == 'ACCEPTED'


def test_diagnostics_count_bad_images_and_name_the_map(node, listener, camera):
    reports = listener.listen(DiagnosticArray, '/diagnostics')
    camera.show(Image(header=header_at(60 * SECOND_NS, 'front'), encoding='8UC7'))
    wait_until(lambda: len(reports) >= 2)
    values = values_of(reports[-1].status[0])
    assert int(values['bad images']) >= 1
    assert values['map keyframes'] == str(NUM_PLACES * VIEWS_OF_A_PLACE)
    assert values['session 0'] == 'first_drive'


def test_a_backward_jump_of_the_stamps_starts_afresh(node, listener, camera):
    reports = listener.listen(DiagnosticArray, '/diagnostics')
    # Two, as a single one that is ahead of all others counts as wrong.
    camera.show(image_of(0, 90 * SECOND_NS))
    camera.show(image_of(0, 90 * SECOND_NS + SECOND_NS // 2))
    assert camera.show(image_of(0, 80 * SECOND_NS))['state'] == 'ACCEPTED'
    wait_until(lambda: reports and int(values_of(reports[-1].status[0])['clock resets']) >= 1)


def test_pictures_are_sent_to_those_who_subscribe(node, listener, camera):
    pictures = listener.listen(CompressedImage, f'{NODE}/match_image/compressed')
    markers = listener.listen(MarkerArray, f'{NODE}/markers')
    wait_until(lambda: listener.count_subscribers(f'{NODE}/match_image/compressed') >= 1)
    for second in range(100, 120):
        camera.show(image_of(1, second * SECOND_NS))
        if pictures and markers:
            break
    assert decode_compressed(pictures[0].data, 'picture').shape[1] == 640
    assert pictures[0].header.frame_id == 'front'
    assert markers[0].markers[0].header.frame_id == 'map'


def parameter(name, value):
    kinds = {float: ParameterType.PARAMETER_DOUBLE, str: ParameterType.PARAMETER_STRING}
    field = {float: 'double_value', str: 'string_value'}[type(value)]
    return Parameter(name=name, value=ParameterValue(type=kinds[type(value)], **{field: value}))


def test_parameters_are_rejected_all_or_nothing_with_the_reason(node, listener, camera):
    wanted = [parameter('min_probability', 0.0), parameter('map', 'other.vprmap')]
    request = SetParametersAtomically.Request(parameters=wanted)
    name = f'{NODE}/set_parameters_atomically'
    result = listener.ask(SetParametersAtomically, name, request).result
    assert not result.successful
    assert 'map: changes only while the node is unconfigured' in result.reason


def set_parameter(listener, name, value):
    request = SetParameters.Request(parameters=[parameter(name, value)])
    return listener.ask(SetParameters, f'{NODE}/set_parameters', request).results[0].successful


def test_a_threshold_applies_to_the_next_image(node, listener, camera):
    assert set_parameter(listener, 'min_contrast', 255.0)
    assert camera.show(image_of(0, 200 * SECOND_NS))['reason'] == 'IMAGE_QUALITY'
    assert set_parameter(listener, 'min_contrast', 3.0)
    assert camera.show(image_of(0, 201 * SECOND_NS))['state'] == 'ACCEPTED'
    assert not set_parameter(listener, 'min_contrast', 256.0)


def test_localize_waits_for_fresh_images(node, listener, query_folder):
    arguments = {'source': query_folder, 'rate_hz': 10.0, 'repeat': 'true'}
    statuses = listener.listen(DiagnosticStatus, f'{NODE}/status')
    with Executable('tools.image_publisher', **arguments):
        wait_until(lambda: len(statuses) > 0)
        response = listener.ask(Trigger, f'{NODE}/localize')
    # The publisher jumps from place to place, so the answers cannot agree.
    assert not response.success and 'm apart' in response.message


def test_localize_reports_it_when_no_image_comes(node, listener):
    assert set_parameter(listener, 'localize_timeout_s', 0.5)
    response = listener.ask(Trigger, f'{NODE}/localize')
    assert not response.success and 'is the camera running' in response.message


def test_enable_pauses_the_answers(node, listener, camera):
    paused = listener.ask(SetBool, f'{NODE}/enable', SetBool.Request(data=False))
    assert paused.success
    reports = listener.listen(DiagnosticArray, '/diagnostics')
    wait_until(lambda: reports and '~/enable' in reports[-1].status[0].message)
    assert listener.ask(SetBool, f'{NODE}/enable', SetBool.Request(data=True)).success
    assert camera.show(image_of(2, 210 * SECOND_NS))['state'] == 'ACCEPTED'
    assert listener.ask(Trigger, f'{NODE}/reset').success


def test_lifecycle_transitions_go_both_ways(node, listener, camera):
    assert state_of(listener) == 'active'
    assert change_state(listener, Transition.TRANSITION_DEACTIVATE)
    assert not listener.ask(Trigger, f'{NODE}/reset').success
    assert change_state(listener, Transition.TRANSITION_CLEANUP)
    assert state_of(listener) == 'unconfigured'
    assert change_state(listener, Transition.TRANSITION_CONFIGURE)
    assert change_state(listener, Transition.TRANSITION_ACTIVATE)
    again = Camera(listener)
    assert again.show(image_of(3, 300 * SECOND_NS))['state'] == 'ACCEPTED'
