"""The option --maps of the commands: the same weights and figures as without it."""

import json
from pathlib import Path

import pytest
import torch

from ghost_vpr_ros.core.model.weights import load_model
from test.training.tiny_places import write_experiment
from training import evaluate, initialise, train, whiten

PROTOCOL = 'near: {{path: [{folder}/places], split: val}}'


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny experiment, and weights to start from."""
    path = tmp_path_factory.mktemp('maps')
    config = write_experiment(path)
    (path / 'protocols.yaml').write_text(PROTOCOL.format(folder=path))
    out = path / 'start.safetensors'
    assert initialise.main(['--config', str(config), '--out', str(out)]) == 0
    return path


def options(folder: Path, *changes: str) -> list[str]:
    words = [word for change in changes for word in ('--set', change)]
    return ['--config', str(folder / 'experiment.yaml'), *words]


def trained_hash(folder: Path, out: Path, *more: str) -> str:
    changes = options(folder, 'optimiser.train_from=pooling', 'selection.rank=1')
    start = str(folder / 'start.safetensors')
    command = [*changes, '--init', start, '--out', str(out), '--device', 'cpu', *more]
    assert train.main(command) == 0
    return load_model(out / 'weights.safetensors').model_hash


@pytest.mark.slow
def test_training_ends_with_the_same_weights(folder: Path, tmp_path: Path) -> None:
    maps = tmp_path / 'maps'
    plain = trained_hash(folder, tmp_path / 'plain')
    assert trained_hash(folder, tmp_path / 'first', '--maps', str(maps)) == plain
    assert trained_hash(folder, tmp_path / 'again', '--maps', str(maps)) == plain
    assert len(list(maps.glob('*.db'))) == 1


@pytest.mark.slow
def test_whitening_and_figures_are_the_same(folder: Path, tmp_path: Path) -> None:
    found = []
    for number, more in enumerate(([], ['--maps', str(tmp_path / 'maps')])):
        weights = tmp_path / f'{number}.safetensors'
        start = ['--weights', str(folder / 'start.safetensors')]
        command = [*options(folder, 'whitening.dim=4'), *start, '--out', str(weights), *more]
        assert whiten.main(command) == 0
        result = tmp_path / f'{number}.json'
        protocols = ['--protocols', str(folder / 'protocols.yaml')]
        assert evaluate.main(
            ['--weights', str(weights), *protocols, '--out', str(result), *more]
        ) == 0  # fmt: skip
        found.append((load_model(weights), json.loads(result.read_text())[0]['rows']))
    (plain, figures), (kept, same_figures) = found
    assert figures == same_figures
    # Batches of other layouts round the last bit in another way.
    for name, values in plain.state_dict().items():
        torch.testing.assert_close(kept.state_dict()[name], values, rtol=1e-4, atol=1e-4)


def test_a_trained_trunk_keeps_no_maps(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    command = [*options(folder), '--out', str(tmp_path / 'run'), '--maps', str(tmp_path / 'maps')]
    assert train.main(command) == 1
    assert "train_from pooling, found 'all'" in capsys.readouterr().err
