"""The chain of Ghost-dil-NetVLAD with real commands: scenes, clusters, places, whitening."""

import json
from pathlib import Path

import pytest

from test.training.tiny_places import EXPERIMENT, write_places
from test.training.tiny_scenes import write_scenes
from training.experiments import main
from training.tables import plan

TABLE = """
name: chain
base: system.yaml
seeds: [0]
protocols_file: panel.yaml
claims:
  - [trained, after scenes]
rows:
  random: {stages: [initialise]}
  after scenes:
    stages: [pretrain, initialise]
    system: system
    full_stages: [pretrain, initialise]
  trained: {stages: [pretrain, train], system: system, start: random}
full:
  stages: [pretrain, train, whiten]
  protocols_file: panel.yaml
  protocols: [near]
  seeds: [0, 1]
"""
SCENES = """
classification: {{folders: [{folder}/scenes], crop_px: 32, image_px: 32, epochs: 1, batch_size: 7}}
whitening: {{dim: 3}}
"""
PANEL = """
one: {{near: {{path: [{folder}/places], split: val}}}}
two: {{walk: {{path: [{folder}/places], split: train}}}}
"""


@pytest.mark.slow
def test_scenes_places_and_whitening_follow_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Judged by a panel at the small size, by one protocol and with two seeds at the full one."""
    root = write_places(tmp_path / 'places')
    write_scenes(tmp_path / 'scenes')
    text = EXPERIMENT.replace('epochs: 2', 'epochs: 1').format(root=root)
    (tmp_path / 'system.yaml').write_text(text + SCENES.format(folder=tmp_path))
    (tmp_path / 'panel.yaml').write_text(PANEL.format(folder=tmp_path))
    (tmp_path / 'chain.yaml').write_text(TABLE)
    monkeypatch.setattr(plan, 'CONFIGS', tmp_path)
    command = [str(tmp_path / 'chain.yaml'), '--out', str(tmp_path / 'out')]
    assert main(command) == 0
    report = json.loads((tmp_path / 'out' / 'chain.json').read_text())
    assert set(report['rows'][0]['recall']) == {'near', 'walk'}
    (verdict,) = report['verdicts']
    assert (verdict['protocol'], verdict['text']) == ('panel', 'not tested')
    assert main([*command, '--full-size']) == 0
    report = json.loads((tmp_path / 'out' / 'chain-full.json').read_text())
    assert [row['row'] for row in report['rows']] == ['after scenes', 'trained']
    sizes = [list(row['recall']['near']) for row in report['rows']]
    assert sizes == [['640'], ['3']]
    assert report['verdicts'][0]['protocol'] == 'near'
