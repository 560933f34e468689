"""`ghost-vpr export`: a graph for the cache, and as a file for robots and other programs."""

import json

import numpy as np
import onnxruntime
import pytest

from ghost_vpr_ros.cli.main import main
from ghost_vpr_ros.core.engine.graph_cache import graph_path
from ghost_vpr_ros.core.map.place_map import PlaceMap
from test.cli.program import TINY, write_images


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Images and a map of them."""
    folder = tmp_path_factory.mktemp('export')
    write_images(folder / 'images', range(6))
    assert main(['build-map', str(folder / 'images'), str(folder / 'places.map'), *TINY]) == 0
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('GHOST_VPR_CACHE', str(tmp_path / 'cache'))


def test_the_graph_of_a_map_describes_as_the_map_says(program, folder, tmp_path):
    out = tmp_path / 'network.onnx'
    done = program('export', folder / 'places.map', '--out', out, '--json')
    figures = json.loads(done.out)
    assert figures['input'] == 'pixels uint8 (B, 64, 64, 3) RGB'
    session = onnxruntime.InferenceSession(out.read_bytes())
    pixels = np.zeros((2, 64, 64, 3), np.uint8)
    descriptor, feature_map = session.run(['descriptor', 'feature_map'], {'pixels': pixels})
    with PlaceMap.open(folder / 'places.map') as place_map:
        assert descriptor.shape == (2, place_map.descriptor_dim)
        assert graph_path(place_map.model_hash).read_bytes() == out.read_bytes()
    assert feature_map.shape == (2, 160, 2, 2)


def test_int8_is_measured_on_the_images_that_are_named(program, folder, tmp_path):
    source = ('--precision', 'int8', '--images', folder / 'images', '--calibration-images', '4')
    figures = json.loads(program('export', folder / 'places.map', *source, '--json').out)
    assert figures['cache'].endswith('-int8r7.onnx') and figures['file'] is None
    done = program(
        *(
            'query',
            folder / 'places.map',
            folder / 'images' / '003.jpg',
            '--inference-precision',
            'int8',
        )
    )
    assert json.loads(done.out.splitlines()[0])['name'].endswith('003.jpg')


def test_int8_that_nobody_made_is_refused(program, folder):
    image = folder / 'images' / '003.jpg'
    error = program('query', folder / 'places.map', image, '--inference-precision', 'int8').error
    assert 'as `ghost-vpr export --precision int8` writes it' in error


@pytest.mark.parametrize('options', [['--precision', 'int8'], ['--images', 'images']])
def test_images_go_with_int8(program, folder, options):
    error = program('export', folder / 'places.map', *options).error
    assert error.startswith('--images: expected a source of training images')


def test_what_is_no_network_is_refused(program, tmp_path):
    assert 'expected a map or a weights file' in program('export', tmp_path / 'no.map').error
