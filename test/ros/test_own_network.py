"""A network of the user, an ONNX file with its JSON file, in the real node with real images."""

import json

import numpy as np
import pytest

from ghost_vpr_ros.core.engine.networks_of_others import stored_model
from ghost_vpr_ros.ros.conversions import header_at
from ghost_vpr_ros.ros.image_conversions import raw_message
from test.ros.camera import ACTIVE, SECOND_NS, Camera, image_of
from test.ros.processes import Executable
from test.ros.small_map import NUM_PLACES, make_map, view

onnx = pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')
SIDE = 64


@pytest.fixture(scope='module')
def network(tmp_path_factory):
    """Thumbnails of 8 x 8 pixels without their mean: (B, 192), for inputs of any size."""
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node('AveragePool', ['image'], ['small'], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node('Flatten', ['small'], ['flat'], axis=1),
        helper.make_node('ReduceMean', ['flat'], ['mean'], axes=[1], keepdims=1),
        helper.make_node('Sub', ['flat', 'mean'], ['descriptor']),
    ]
    image = helper.make_tensor_value_info('image', float32, ['n', 3, 'h', 'w'])
    found = helper.make_tensor_value_info('descriptor', float32, ['n', 192])
    graph = helper.make_graph(nodes, 'thumbnails', [image], [found])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)])
    model.ir_version = 8
    path = tmp_path_factory.mktemp('network') / 'thumbnails.onnx'
    path.write_bytes(model.SerializeToString())
    beside = {'width_px': SIDE, 'height_px': SIDE, 'name': 'thumbnails'}
    path.with_suffix('.json').write_text(json.dumps(beside))
    return path


@pytest.fixture(scope='module')
def own_map(network, tmp_path_factory):
    return make_map(tmp_path_factory.mktemp('map') / 'own.map', stored_model(str(network), {}))


@pytest.mark.slow
def test_the_node_answers_with_it(own_map, listener):
    with Executable('place_recognition_node', map=own_map, temporal='none') as node:
        node.wait_for(ACTIVE)
        camera = Camera(listener)
        for place in range(NUM_PLACES):
            answer = camera.show(image_of(place, 100 * (1 + place) * SECOND_NS))
            assert (answer['state'], answer['reason']) == ('ACCEPTED', 'NONE'), answer
            assert answer['keyframe'].startswith(f'place{place}')
        strange = raw_message(view(50, 0), header_at(600 * SECOND_NS, 'front'))
        answer = camera.show(strange)
        assert (answer['state'], answer['reason']) == ('UNKNOWN_PLACE', 'LOW_SCORE'), answer
        black = raw_message(np.zeros_like(view(0, 0)), header_at(700 * SECOND_NS, 'front'))
        answer = camera.show(black)
        assert (answer['state'], answer['reason']) == ('REJECTED', 'IMAGE_QUALITY'), answer
        assert node.stop() == 0


@pytest.mark.slow
def test_a_map_is_made_with_it_while_driving(network, listener, tmp_path):
    made = tmp_path / 'driven.map'
    with Executable('place_recognition_node', map=made, mode='map', model=network) as node:
        node.wait_for(ACTIVE)
        camera = Camera(listener)
        answer = camera.show(image_of(0, SECOND_NS))
        assert answer['reason'] == 'EMPTY_MAP', answer
        assert node.stop() == 0
    assert made.is_file()


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['another', 'text', 'missing'])
def test_a_wrong_file_is_one_sentence(own_map, network, tmp_path, kind):
    wrong = tmp_path / 'wrong.onnx'
    if kind == 'another':
        wrong.write_bytes(network.read_bytes())
        wrong.with_suffix('.json').write_text('{"width_px": 128, "height_px": 64}')
    elif kind == 'text':
        wrong.write_text('no network')
    with Executable('place_recognition_node', map=own_map, model=wrong) as node:
        assert node.wait() == 1
    errors = [line for line in node.lines if 'ERROR' in line or 'FATAL' in line]
    assert len(errors) == 1, node.text
    words = {'another': 'model', 'text': 'expected an ONNX network', 'missing': 'no such file'}
    assert words[kind] in errors[0]
    assert 'Traceback' not in node.text


@pytest.mark.slow
def test_features_that_it_lacks_are_refused_at_the_start(own_map):
    with Executable('place_recognition_node', map=own_map, verify_features='network') as node:
        assert node.wait() == 1
    errors = [line for line in node.lines if 'ERROR' in line or 'FATAL' in line]
    assert len(errors) == 1, node.text
    assert 'use verify_features sift or orb' in errors[0]
