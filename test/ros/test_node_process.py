"""Start and end of the executables, each test with processes of its own."""

import json
import signal
from pathlib import Path

import pytest
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image

from ghost_vpr_ros.core.image import encode_jpeg
from ghost_vpr_ros.ros.conversions import header_at, stamp_to_ns
from ghost_vpr_ros.ros.image_conversions import compressed_message
from test.ros.camera import ACTIVE, SECOND_NS, Camera, image_of
from test.ros.processes import PATIENCE_S, Executable, wait_until
from test.ros.small_map import NUM_PLACES, view


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_node_with_status_0(place_map_path, number):
    with Executable('place_recognition_node', map=place_map_path) as node:
        node.wait_for(ACTIVE)
        assert node.stop(number) == 0
        assert 'Traceback' not in node.text and 'rror' not in node.text


def test_the_node_runs_the_network_without_torch(place_map_path):
    with Executable('place_recognition_node', map=place_map_path) as node:
        node.wait_for(ACTIVE)
        assert '(openvino ' in node.text
        libraries = Path(f'/proc/{node.process.pid}/maps').read_text()
        assert 'openvino' in libraries and 'libtorch' not in libraries


def test_a_signal_while_the_node_still_starts_ends_it_with_status_0(place_map_path):
    with Executable('place_recognition_node', map=place_map_path) as node:
        wait_until(lambda: node.catches(signal.SIGTERM))
        assert ACTIVE not in node.text
        assert node.stop(signal.SIGINT) == 0
        assert 'Traceback' not in node.text


def test_a_node_that_cannot_start_ends_with_status_1_and_one_sentence(tmp_path):
    with Executable('place_recognition_node', map=tmp_path / 'missing.vprmap') as node:
        assert node.wait() == 1
    errors = [line for line in node.lines if 'ERROR' in line or 'FATAL' in line]
    assert len(errors) == 1 and 'missing.vprmap' in errors[0]
    assert 'Traceback' not in node.text


@pytest.mark.slow
def test_compressed_images_simulated_time_and_the_printer(place_map_path, listener, tmp_path):
    json_out = tmp_path / 'answers.jsonl'
    arguments = {'map': place_map_path, 'image_transport': 'compressed', 'use_sim_time': 'true'}
    remaps = ('-r', 'image:=/front/image')
    printing = {'count': 1, 'timeout_s': PATIENCE_S, 'json_out': json_out}
    with (
        Executable('place_recognition_node', remaps, **arguments) as node,
        Executable('tools.answer_printer', **printing) as printer,
    ):
        node.wait_for(ACTIVE)
        camera = Camera(listener, CompressedImage, '/front/image/compressed')
        jpeg = encode_jpeg(view(2, 6), 95)
        for second in range(7, 27):
            header = header_at(second * SECOND_NS, 'front')
            answer = camera.show(compressed_message(jpeg, header))
            # The printer may find the node later than the camera did.
            if printer.has_ended(within_s=0.5):
                break
        assert printer.wait() == 0, printer.text
        assert node.stop() == 0
    assert answer['state'] == 'ACCEPTED' and answer['keyframe'].startswith('place2')
    assert json.loads(json_out.read_text())['keyframe'] == answer['keyframe']
    assert any('ACCEPTED' in line and 'place2' in line for line in printer.lines)


@pytest.mark.slow
def test_old_images_are_stale(place_map_path, listener):
    arguments = {'map': place_map_path, 'max_image_age_s': PATIENCE_S}
    with Executable('place_recognition_node', **arguments) as node:
        node.wait_for(ACTIVE)
        camera = Camera(listener)
        assert camera.show(image_of(0, 5 * SECOND_NS))['reason'] == 'STALE'
        now = listener.get_clock().now().to_msg()
        assert camera.show(image_of(0, stamp_to_ns(now)))['state'] == 'ACCEPTED'


def test_the_printer_gives_up_with_status_1():
    with Executable('tools.answer_printer', count=1, timeout_s=1.0) as printer:
        assert printer.wait() == 1


@pytest.mark.slow
def test_the_publisher_writes_which_image_had_which_stamp(listener, query_folder, tmp_path):
    json_out = tmp_path / 'images.jsonl'
    images = listener.listen(Image, 'image', qos_profile_sensor_data)
    arguments = {
        'source': query_folder,
        'rate_hz': 5.0,
        'wait_for_subscribers': 1,
    }
    with Executable('tools.image_publisher', **arguments, json_out=json_out) as publisher:
        assert publisher.wait() == 0, publisher.text
    wait_until(lambda: len(images) == NUM_PLACES)
    lines = [json.loads(line) for line in json_out.read_text().splitlines()]
    assert [line['image'] for line in lines] == [f'query{n}.png' for n in range(NUM_PLACES)]
    assert [line['stamp_ns'] for line in lines] == [stamp_to_ns(i.header.stamp) for i in images]


def test_a_publisher_that_cannot_write_its_list_ends_with_status_1(query_folder, tmp_path):
    json_out = tmp_path / 'missing' / 'images.jsonl'
    with Executable('tools.image_publisher', source=query_folder, json_out=json_out) as publisher:
        assert publisher.wait() == 1
    assert 'parameter json_out' in publisher.text and 'Traceback' not in publisher.text


@pytest.mark.parametrize('folder', ['', '/missing/folder'])
def test_the_publisher_needs_a_folder(folder):
    with Executable('tools.image_publisher', source=f"'{folder}'") as publisher:
        assert publisher.wait() == 1
    assert 'expected a folder of images' in publisher.text
