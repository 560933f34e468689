"""The study of descriptors: its figures are those of whitened networks, its files complete."""

import json
from pathlib import Path

import pytest

from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.image import read_image
from ghost_vpr_ros.core.model.weights import load_model, save_model
from test.core.model.tiny_model import tiny_model
from test.training.tiny_places import write_experiment
from training import whiten
from training.descriptor_study import main, shared_fits, study_table
from training.evaluate import evaluate
from training.head.whitening import WhiteningConfig
from training.measure.protocols import open_protocol, read_protocols

CONFIG = """
data: {{train: {{path: [{root}], split: train}}}}
"""


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    config = write_experiment(tmp_path, CONFIG)
    protocols = tmp_path / 'protocols.yaml'
    protocols.write_text(f'val: {{path: [{tmp_path / "places"}], split: val}}\n')
    save_model(tiny_model(), tmp_path / 'vlad.safetensors')
    save_model(tiny_model(reduced_channels=8), tmp_path / 'reduced.safetensors')
    weights = [str(tmp_path / f'{name}.safetensors') for name in ('vlad', 'reduced')]
    return [
        *('--config', str(config), '--weights', *weights, '--protocols', str(protocols)),
        *('--out', str(tmp_path / 'out'), '--device', 'cpu'),
    ]


def test_every_network_size_and_format_is_measured(arguments, tmp_path, capsys):
    assert main([*arguments, '--dims', '5', '3', '100']) == 0
    captured = capsys.readouterr()
    study = json.loads((tmp_path / 'out' / 'study.json').read_text())
    sizes = [
        (row['descriptor_dim'], row['format'], row['bytes_per_place']) for row in study['rows']
    ]
    whitened_sizes = [
        *((3, 'float32', 12), (3, 'float16', 6), (3, 'int8', 3), (3, 'binary', 1)),
        *((5, 'float32', 20), (5, 'float16', 10), (5, 'int8', 5), (5, 'binary', 1)),
    ]
    assert sizes == [
        (640, 'float32', 2560),
        *whitened_sizes,
        (32, 'float32', 128),
        *whitened_sizes,
    ]
    assert [network['weights'] for network in study['networks']] == ['vlad', 'reduced']
    assert 'vlad: D = 100 is left out, the training images span fewer' in captured.err
    table = (tmp_path / 'out' / 'study.md').read_text()
    assert captured.out == table == study_table(study['rows'])
    assert '| reduced | 3 | int8 | 3 |' in table
    assert read_image(tmp_path / 'out' / 'study.png').shape[1] > 400


def test_sizes_are_prefixes_as_long_as_the_subspace_of_pairs_is_the_same():
    dims = (512, 64, 4096, 2048)
    assert shared_fits(dims, WhiteningConfig()) == [[64, 512, 2048, 4096]]
    pairs = WhiteningConfig(light_pairs=True, pair_subspace=1024)
    assert shared_fits(dims, pairs) == [[64, 512], [2048], [4096]]
    assert shared_fits((2048,), pairs) == [[2048]]


@pytest.mark.parametrize('more', [[], ['--set', 'whitening.light_pairs=true']])
def test_recall_is_that_of_weights_that_whiten_writes(arguments, tmp_path, more):
    changes = ['--set', 'whitening.pair_subspace=4', *more]
    assert main([*arguments, '--dims', '3', '4', *changes]) == 0
    rows = json.loads((tmp_path / 'out' / 'study.json').read_text())['rows']
    given = ['--weights', str(tmp_path / 'vlad.safetensors'), '--dim', '3']
    made = tmp_path / 'whitened'
    config = ['--config', str(tmp_path / 'experiment.yaml'), '--device', 'cpu', *changes]
    assert whiten.main([*config, *given, '--out', str(made)]) == 0
    configs = read_protocols(tmp_path / 'protocols.yaml')
    protocols = [open_protocol(name, config) for name, config in configs.items()]
    assert rows[1]['descriptor_dim'] == 3
    (measured,) = evaluate(load_model(made), protocols, [], EngineConfig())
    assert rows[1]['recall'] == {rank: measured['recall'][rank] for rank in ('1', '5', '10')}


def test_networks_of_one_name_are_refused(arguments, capsys):
    weights = arguments[arguments.index('--weights') + 1]
    assert main([*arguments, '--weights', weights, weights]) == 1
    assert 'expected files with different names, found vlad, vlad' in capsys.readouterr().err
