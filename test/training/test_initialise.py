"""The command that writes an untrained network, and its YAML file."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.model.weights import load_model
from training.experiment import read_experiment
from training.initialise import main

SMALL = """
seed: 3
preprocessing: {width_px: 96, height_px: 96}
model: {crop_channels: 160, clusters: 4, dilation: [1, 1]}
"""
NO_EXPERIMENTS = ('protocols', 'protocols_papers', 'protocols_synthesis', 'data_notes', 'panel')
CONFIGS = [
    p for p in sorted(Path('training/configs').glob('*.yaml')) if p.stem not in NO_EXPERIMENTS
]


def make_images(folder: Path, count: int = 4) -> Path:
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(count):
        image = generator.integers(0, 255, (96, 96, 3), np.uint8)
        assert cv2.imwrite(str(folder / f'{number}.png'), image)
    return folder


def arguments(tmp_path: Path, text: str = SMALL, out: str = 'out.safetensors') -> list[str]:
    config = tmp_path / 'experiment.yaml'
    config.write_text(text)
    images = tmp_path / 'images'
    if not images.exists():
        make_images(images)
    return ['--config', str(config), '--images', str(images), '--out', str(tmp_path / out)]


def test_weights_follow_from_the_file_and_the_images(tmp_path: Path) -> None:
    assert main(arguments(tmp_path, out='a.safetensors')) == 0
    assert main(arguments(tmp_path, out='b.safetensors')) == 0
    first, second = (load_model(tmp_path / f'{n}.safetensors') for n in 'ab')
    assert first.model_hash == second.model_hash
    assert first.preprocessing.width_px == 96
    assert first.descriptor_dim == 4 * 160
    assert 'seed 3' in first.provenance


def test_an_existing_file_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / 'out.safetensors').write_text('precious')
    assert main(arguments(tmp_path)) == 1
    assert (tmp_path / 'out.safetensors').read_text() == 'precious'
    assert capsys.readouterr().err.count('\n') == 1


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('modle: {}', "unknown key 'modle'; did you mean 'model'"),
        ('model: {dilatoin: [5, 2]}', "did you mean 'dilation'"),
        ('model: {dilate: primary}', 'expected one of cheap, stride, both'),
        ('model: 5', 'model: expected a mapping'),
        ('seed: -1', 'expected an integer of 0'),
        ('seed: [', 'expected YAML'),
        ('- a', 'expected a mapping of keys, found list'),
    ],
)
def test_a_bad_file_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture, text: str, sentence: str
) -> None:
    assert main(arguments(tmp_path, text)) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert 'experiment.yaml' in error
    assert error.count('\n') == 1


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'absent\.yaml: not readable'):
        read_experiment(tmp_path / 'absent.yaml')


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_every_experiment_of_the_repository_is_valid(path: Path) -> None:
    assert read_experiment(path).model.dilation in ((5, 2), (1, 1))
