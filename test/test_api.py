"""The Python interface: its page runs, nothing heavy is imported early, and reprs are short."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ghost_vpr_ros
from ghost_vpr_ros.core.datatypes import Hypothesis, Pose, Reason, State
from ghost_vpr_ros.core.errors import ConfigError, ImageError
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
