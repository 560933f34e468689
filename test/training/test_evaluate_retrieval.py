"""Mean average precision of a network on a benchmark of a few images."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.image import read_image
from ghost_vpr_ros.core.model.initialisation import build_untrained
from ghost_vpr_ros.core.model.weights import save_model
from training.evaluate_retrieval import main


@pytest.fixture
def holidays(tmp_path: Path) -> Path:
    """Two groups of two images: the pair of a group is the same noise, the groups differ."""
    folder = tmp_path / 'holidays'
    folder.mkdir()
    for group in range(2):
        noise = np.random.default_rng(group).integers(0, 255, (6, 6, 3), np.uint8)
        scene = cv2.resize(noise, (64, 64))
        for number in range(2):
            assert cv2.imwrite(str(folder / f'{1000 + group}{number:02d}.png'), scene)
    model = build_untrained(
        ModelConfig(crop_channels=160, clusters=2),
        PreprocessingConfig(width_px=64, height_px=64),
        [read_image(file) for file in sorted(folder.glob('*.png'))],
    )
    save_model(model, tmp_path / 'weights.safetensors')
    return folder


def run(holidays: Path, *more: str) -> int:
    weights = str(holidays.parent / 'weights.safetensors')
    return main(['--weights', weights, '--images', str(holidays), *more])


def test_the_same_scene_is_found_first(holidays: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(holidays, '--format', 'holidays', '--dims', '320', '8', '--json') == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert [row['map'] for row in result['rows']] == [100.0, 100.0]
    assert [row['descriptor_dim'] for row in result['rows']] == [320, 8]
    assert (result['rows'][0]['num_queries'], result['rows'][0]['num_database']) == (2, 4)
    assert result['rows'][0]['protocol_id'].startswith('holidays#')


def test_the_query_itself_does_not_count(holidays: Path, capsys: pytest.CaptureFixture) -> None:
    # 100101 shows the other group now: behind one wrong image, (0 + 1/2) / 2.
    (holidays / '100101.png').write_bytes((holidays / '100000.png').read_bytes())
    assert run(holidays, '--format', 'holidays') == 0
    table = capsys.readouterr().out
    assert '| 4 |' in table
    assert '| own size |' in table
    figure = float(table.splitlines()[2].split('|')[5])
    assert figure < 75.0


def test_what_cannot_be_measured_is_one_sentence(
    holidays: Path, capsys: pytest.CaptureFixture
) -> None:
    assert run(holidays, '--format', 'oxford') == 1
    assert 'expected files *_query.txt, found none' in capsys.readouterr().err
