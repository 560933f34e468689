import json

import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.replay.evaluation.ground_truth import by_index
from training import teacher_panel
from training.measure.panel import Panel
from training.measure.protocols import Protocol
from training.teacher_panel import main, side_by_side
from training.trunk.teacher import Teacher

CONFIG = """
model: {reduced_channels: 2, clusters: 2}
deployment: {width_px: 64, height_px: 64}
whitening: {images: [photos]}
distillation: {photos: [1 photos], teacher: a, maps: ["9-0", "9-0@b"]}
"""


def tiny(name: str, blocks: object = (0,)) -> Teacher:
    with torch.random.fork_rng():
        torch.manual_seed(len(name))
        trunk = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 8, stride=8))
    return Teacher(name, trunk, (0,))


@pytest.fixture
def frames():
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (64, 64, 3), np.uint8) for _ in range(12)]
    return [Frame(str(n), lambda image=image: image) for n, image in enumerate(images)]


def test_each_teacher_and_all_side_by_side_are_measured(frames, tmp_path, monkeypatch, capsys):
    protocol = Protocol('own', frames, frames, by_index(frames, frames, 0), ('', ''))
    monkeypatch.setattr(teacher_panel, 'open_panel', lambda: Panel({'part': [protocol]}, {}))
    monkeypatch.setattr(teacher_panel, 'open_teachers', lambda config: [tiny('a'), tiny('bb')])
    monkeypatch.setattr(teacher_panel, 'whitening_frames', lambda experiment: (frames, 'photos'))
    config = tmp_path / 'config.yaml'
    config.write_text(CONFIG)
    assert main(['--config', str(config), '--out', str(tmp_path / 'out.json')]) == 0
    assert capsys.readouterr().out.count('| part | 12 | 100.0 |') == 3
    found = json.loads((tmp_path / 'out.json').read_text())
    assert [each['teacher'] for each in found] == ['a', 'bb', 'side by side']
    assert found[0]['right_at_1'] == {'own': [1] * 12}


def test_the_similarity_side_by_side_is_the_mean_of_both():
    first = {'p': (np.array([[1.0, 0.0]], np.float32), np.array([[1.0, 0.0]], np.float32))}
    second = {'p': (np.array([[0.0, 1.0]], np.float32), np.array([[0.6, 0.8]], np.float32))}
    queries, database = side_by_side([first, second])['p']
    assert float(queries[0] @ database[0]) == pytest.approx((1.0 + 0.8) / 2)


def test_maps_that_are_not_reduced_are_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(teacher_panel, 'open_teachers', lambda config: [tiny('a')])
    config = tmp_path / 'config.yaml'
    config.write_text('model: {reduced_channels: 0}\n')
    assert main(['--config', str(config)]) == 1
    assert 'model.reduced_channels' in capsys.readouterr().err
