"""The Python interface: its page runs, nothing heavy is imported early, and reprs are short."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ghost_vpr_ros
from ghost_vpr_ros.core.datatypes import Hypothesis, Pose, Reason, State
from ghost_vpr_ros.core.errors import (
    ConfigError,
    GhostVprError,
    ImageError,
    MapError,
    SourceError,
    WeightsError,
)
from test.cli.program import write_images
from test.core.engine.test_networks_of_others import write_network

PAGE = Path(__file__).parent.parent / 'docs' / 'api.md'


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_images(tmp_path / 'photos', range(6))


def test_the_examples_of_the_page_run(photos):
    blocks = re.findall(r'```python\n(.*?)```', PAGE.read_text(), re.DOTALL)
    assert len(blocks) >= 5
    for block in blocks:
        exec(compile(block, str(PAGE), 'exec'), {})


def test_importing_the_package_loads_nothing_heavy():
    code = (
        'import sys, ghost_vpr_ros; '
        "heavy = {'torch', 'faiss', 'cv2', 'rosbags', 'rclpy'} & set(sys.modules); "
        'assert not heavy, heavy; from ghost_vpr_ros import load_model, PlaceMap; '
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_all_names_are_there_and_described():
    for name in ghost_vpr_ros.__all__:
        assert name in dir(ghost_vpr_ros)
        assert getattr(ghost_vpr_ros, name).__doc__
    with pytest.raises(AttributeError, match='no attribute'):
        _ = ghost_vpr_ros.no_such_name


def test_a_network_of_others_and_pixels(photos, tmp_path):
    pytest.importorskip('onnx')
    network = write_network(tmp_path / 'tiny.onnx')
    with ghost_vpr_ros.load_model(network, engine='onnxruntime') as model:
        black = np.zeros((20, 30, 3), np.uint8)
        both = model.describe([photos / '000.jpg', black])
        assert both.shape == (2, 5)
        assert np.linalg.norm(both, axis=1) == pytest.approx([1.0, 1.0], abs=1e-5)
        assert model.describe(photos / '000.jpg') == pytest.approx(both[:1], abs=1e-5)
        assert model.describe([]).shape == (0, 5)
        with pytest.raises(ImageError):
            model.describe(np.zeros((4, 4)))
    assert repr(model) == '<Model tiny, 32x32, 5-D>'
    with ghost_vpr_ros.PlaceMap.build(photos, tmp_path / 'tiny.map', model) as places:
        assert repr(places) == f'<PlaceMap {tmp_path / "tiny.map"}: 6 keyframes of photos>'
        assert places.query(photos / '004.jpg').candidates[0].keyframe.name == '004.jpg'


def test_the_input_of_a_network_of_any_size_is_a_setting(tmp_path):
    pytest.importorskip('onnx')
    network = write_network(tmp_path / 'free.onnx', size=None)
    assert ghost_vpr_ros.load_model(network, width_px=40, height_px=32).name == 'free, 40x32, 5-D'
    with pytest.raises(ConfigError, match='fixed by the weights'):
        ghost_vpr_ros.load_model(width_px=64)


def test_reprs_do_not_dump_numbers():
    pose = Pose(np.zeros(3), None, np.eye(6))
    descriptor = np.zeros(512, np.float32)
    answer = Hypothesis(1, State.TENTATIVE, Reason.UNCALIBRATED, pose=pose, descriptor=descriptor)
    assert len(repr(answer)) < 400
    assert 'covariance' not in repr(answer)


@pytest.fixture
def tiny_network(tmp_path):
    pytest.importorskip('onnx')
    return write_network(tmp_path / 'tiny.onnx')


def grey(shape, kind=np.uint8):
    return np.full(shape, 90, kind)


@pytest.mark.parametrize(
    ('image', 'words'),
    [
        (None, 'found NoneType'),
        (5, 'found int'),
        (b'bytes', 'found bytes'),
        (grey((40, 50)), 'repeat the grey values'),
        (grey((40, 50, 1)), 'repeat the grey values'),
        (grey((40, 50, 4)), r'image\[..., :3\]'),
        (grey((3, 40, 50)), 'channels last'),
        (grey((1, 40, 50, 3)), 'one image at a time'),
        (grey((40, 50, 3), np.float32), 'scale the values to 0 .. 255'),
        (grey((0, 0, 3)), 'read_image'),
    ],
)
def test_what_is_no_image_is_refused_with_the_way_to_make_it_one(tiny_network, image, words):
    with (
        ghost_vpr_ros.load_model(tiny_network, engine='onnxruntime') as model,
        pytest.raises(ImageError, match=words),
    ):
        model.describe(image)


def test_wrong_arguments_are_known_errors(photos, tiny_network, tmp_path):
    build = ghost_vpr_ros.PlaceMap.build
    file = tmp_path / 'photos.map'
    for kind, call in (
        (SourceError, lambda: build([photos / '000.jpg'], file)),
        (MapError, lambda: build(photos, None)),
        (WeightsError, lambda: build(photos, file, 5)),
        (ConfigError, lambda: build(photos, file, tiny_network, topk=5)),
        (MapError, lambda: ghost_vpr_ros.PlaceMap.open(None)),
    ):
        with pytest.raises(kind):
            call()
        assert not file.exists()


def test_a_query_takes_one_image_or_several_and_refuses_the_rest(photos, tiny_network, tmp_path):
    places = ghost_vpr_ros.PlaceMap.build(photos, tmp_path / 'photos.map', tiny_network)
    with places:
        assert len(places.query_all(photos / '000.jpg')) == 1
        with pytest.raises(ConfigError, match=r'stamp_ns: expected an integer .* found 1\.5'):
            places.query(photos / '000.jpg', 1.5)
        with pytest.raises(ConfigError, match='odometry: expected a Pose'):
            places.query(photos / '000.jpg', 1, (1.0, 2.0, 0.0))
    with pytest.raises(MapError, match='is closed'):
        places.query(photos / '000.jpg')


def test_a_picture_of_pillow_is_an_image(photos, tiny_network):
    pillow = pytest.importorskip('PIL.Image')
    with ghost_vpr_ros.load_model(tiny_network, engine='onnxruntime') as model:
        found = model.describe([pillow.open(photos / '000.jpg'), photos / '000.jpg'])
    assert found[0] == pytest.approx(found[1], abs=1e-3)


def test_a_map_that_fails_on_the_way_is_removed(photos, tiny_network, tmp_path):
    (photos / '999.jpg').write_bytes(b'broken')
    before = sorted(tmp_path.iterdir())
    with pytest.raises(GhostVprError, match=r'999\.jpg'):
        ghost_vpr_ros.PlaceMap.build(photos, tmp_path / 'photos.map', tiny_network)
    assert sorted(tmp_path.iterdir()) == before


def test_photos_without_a_position_are_left_out_where_others_have_one(
    photos, tiny_network, tmp_path
):
    rows = ['000.jpg,52.0,13.0', '001.jpg,52.001,13.0', '002.jpg,,', '003.jpg,-10.0,13.0']
    rows += [f'00{n}.jpg,52.00{n},13.0' for n in (4, 5)]
    (photos / 'manifest.csv').write_text('\n'.join(['image,latitude,longitude', *rows]))
    with ghost_vpr_ros.PlaceMap.build(photos, tmp_path / 'photos.map', tiny_network) as places:
        assert len(places) == 4
