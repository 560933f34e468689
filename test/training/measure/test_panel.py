"""The panel: its mean, missing parts, and paired comparisons against numbers worked by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.errors import ConfigError, SourceError
from ghost_vpr_ros.core.image import read_image
from ghost_vpr_ros.core.model.initialisation import build_untrained
from ghost_vpr_ros.core.model.weights import save_model
from test.training.tiny_places import write_places
from training.evaluate import main
from training.measure.panel import PANEL, compare_parts, open_panel, panel_table, part_scores
from training.measure.protocols import read_protocols

TEXT = """
near: {near: {path: [$GHOST_VPR_DATA/places], split: val}}
walk:
  forth: &walk
    ground_truth: index
    path: [$GHOST_VPR_DATA/places]
    queries_path: $GHOST_VPR_DATA/places
    tolerance: 0
  back: *walk
"""
ABSENT = 'absent: {absent: {path: [$GHOST_VPR_DATA/nowhere]}}\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_places(tmp_path / 'places')
    (tmp_path / 'panel.yaml').write_text(TEXT)
    monkeypatch.setenv('GHOST_VPR_DATA', str(tmp_path))
    return tmp_path


def test_a_part_is_the_mean_of_its_protocols_and_the_panel_that_of_its_parts(folder: Path) -> None:
    panel = open_panel(folder / 'panel.yaml')
    right = {'near': [1, 0, 0, 0], 'forth': [1, 1, 1, 1], 'back': [1, 0, 1, 0]}
    scores = part_scores(panel, right)
    assert scores == {'near': 25.0, 'walk': 75.0}
    assert '| panel | ' in panel_table(panel, scores, {})
    assert panel_table(panel, scores, {}).splitlines()[-1].endswith('| 50.0 |')


def test_a_missing_part_is_named_and_no_panel_is_printed(folder: Path) -> None:
    (folder / 'panel.yaml').write_text(TEXT + ABSENT)
    panel = open_panel(folder / 'panel.yaml')
    assert set(panel.missing) == {'absent'}
    table = panel_table(panel, {'near': 20.0, 'walk': 40.0}, {})
    assert '| absent | not measured |' in table
    assert '| panel | - | - |' in table
    assert 'No panel; the mean of 2 of 3 parts: 30.0' in table
    assert 'nowhere' in table


def test_a_panel_without_any_data_or_with_a_bad_key_is_refused(folder: Path) -> None:
    (folder / 'panel.yaml').write_text(ABSENT)
    with pytest.raises(SourceError, match='at least one part'):
        open_panel(folder / 'panel.yaml')
    (folder / 'panel.yaml').write_text('near: {near: {pth: [x]}}')
    with pytest.raises(ConfigError, match=r'near: .*pth'):
        open_panel(folder / 'panel.yaml')


@pytest.mark.parametrize('text', ['near: 3', 'near: [a]', 'near:', f'{TEXT}\nfar: text'])
def test_a_part_without_protocols_is_refused(folder: Path, text: str) -> None:
    (folder / 'panel.yaml').write_text(text)
    for read in (open_panel, read_protocols):
        with pytest.raises(ConfigError, match=r'panel\.yaml: '):
            read(folder / 'panel.yaml')


def test_differences_are_paired_query_by_query(folder: Path) -> None:
    panel = open_panel(folder / 'panel.yaml')
    ours = {'near': [1] * 20, 'forth': [1] * 10, 'back': [0] * 10}
    theirs = {'near': [0] * 10 + [1] * 10, 'forth': [1] * 10, 'back': [0] * 10}
    found = compare_parts(panel, ours, theirs)
    assert found['near'].difference == 50.0
    assert (found['near'].gained, found['near'].lost) == (10, 0)
    assert found['near'].p == pytest.approx(2 * 0.5**10)
    # A share of 0.5 of 20 queries has a standard error of 11.2 points.
    assert found['near'].low == pytest.approx(50.0 - 1.96 * 11.2, abs=4.0)
    assert (found['walk'].difference, found['walk'].low, found['walk'].p) == (0.0, 0.0, 1.0)
    assert found['panel'].difference == 25.0
    assert found['panel'].low == pytest.approx(25.0 - 1.96 * 5.6, abs=2.0)


def test_opposite_changes_do_not_cancel_in_the_test(folder: Path) -> None:
    panel = open_panel(folder / 'panel.yaml')
    ours = {'near': [1, 0] * 10, 'forth': [1], 'back': [1]}
    theirs = {'near': [0, 1] * 10, 'forth': [1], 'back': [1]}
    found = compare_parts(panel, ours, theirs)['near']
    assert (found.difference, found.gained, found.lost) == (0.0, 10, 10)
    assert found.low < -20.0 and found.high > 20.0


def test_the_command_compares_two_files(folder: Path, capsys: pytest.CaptureFixture) -> None:
    images = sorted((folder / 'places').rglob('*.png'))
    paths = []
    for seed in (0, 1):
        model = build_untrained(
            ModelConfig(crop_channels=160, clusters=2),
            PreprocessingConfig(width_px=64, height_px=64),
            [read_image(file) for file in images],
            seed,
        )
        paths.append(folder / f'{seed}.safetensors')
        save_model(model, paths[-1])
    arguments = ['--panel', '--protocols', str(folder / 'panel.yaml'), '--json']
    assert main(['--weights', str(paths[0]), '--against', str(paths[1]), *arguments]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert result['panel'] == pytest.approx(np.mean(list(result['parts'].values())))
    assert result['parts']['walk'] == 100.0
    assert set(result['comparisons']) == {'near', 'walk', 'panel'}


def test_the_panel_of_the_project_never_shows_a_test_set(data_dir: Path, monkeypatch) -> None:
    monkeypatch.setenv('GHOST_VPR_DATA', str(data_dir))
    panel = open_panel(PANEL)
    assert not panel.missing
    for protocol in panel.protocols:
        for frame in (*protocol.queries, *protocol.database):
            assert frame.attributes.get('split', '') not in ('test', 'buffer')
    assert len(panel.parts['gsv_val'][0].queries) == 560
