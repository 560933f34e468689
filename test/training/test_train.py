"""The training command: what it starts from, and one sentence for everything that goes wrong."""

import resource
from pathlib import Path

import pytest
import torch

from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import load_model, save_model
from test.training.tiny_places import write_experiment
from training.experiment import Experiment, read_experiment
from training.head.starting_model import starting_model
from training.loop.checkpoint import load_checkpoint
from training.loop.run_folder import RunFolder
from training.places import step
from training.places.loss import RankingLoss
from training.train import main

TRUNK = {'crop_channels': 160, 'clusters': 4, 'dilation': (1, 1)}


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('train')
    write_experiment(path)
    return path


def train(folder: Path, out: Path, *changes: str, more: tuple[str, ...] = ()) -> int:
    words = [word for change in changes for word in ('--set', change)]
    config = str(folder / 'experiment.yaml')
    return main(['--config', config, '--out', str(out), '--device', 'cpu', *words, *more])


def experiment_of(folder: Path) -> Experiment:
    return read_experiment(folder / 'experiment.yaml')


def trunk_only(path: Path, **changed) -> VprModel:
    """Weights as distillation leaves them: without clusters."""
    torch.manual_seed(1)
    config = ModelConfig.from_dict({**TRUNK, **changed})
    model = VprModel(config, PreprocessingConfig(width_px=32, height_px=32), 'distilled')
    save_model(model, path)
    return model


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        (['optimiser.learning_rte=1'], "did you mean 'learning_rate'"),
        (['model.descriptor_dim=8'], 'model.descriptor_dim: expected 0 in training'),
        (['tuples.positive_distance_m=1'], '8 of 8 queries have no potential positive'),
        (['selection.positive_distance_m=1'], 'expected queries within 1 m of the database'),
        (['data.train.path=[absent]'], 'absent'),
        (['tuples.negative_distance_m=9000'], 'expected images of at least two places'),
        (['init=absent.safetensors'], 'absent.safetensors: the weights cannot be read'),
    ],
)
def test_what_cannot_be_trained_is_one_sentence(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    changes: list[str],
    sentence: str,
) -> None:
    assert train(folder, tmp_path / 'run', *changes) == 1
    error = capsys.readouterr().err
    assert error.startswith('training.train: error: ')
    assert sentence in error
    assert error.count('\n') == 1
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_neither_overwritten_nor_resumed_under_another_configuration(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    RunFolder(tmp_path, experiment_of(folder).to_dict(), resume=False)
    assert train(folder, tmp_path) == 1
    assert 'already has a run' in capsys.readouterr().err
    assert train(folder, tmp_path, 'seed=9', more=('--resume',)) == 1
    assert 'expected the configuration of this run' in capsys.readouterr().err
    assert main(['--out', str(tmp_path / 'other')]) == 1
    assert '--config: expected an experiment' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('changed', 'sentence'),
    [
        ({'dilation': (5, 2)}, 'expected weights with dilation (1, 1), found (5, 2)'),
        ({'squeeze_excite': False}, 'squeeze_excite'),
    ],
)
def test_weights_of_another_architecture_are_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture, changed: dict, sentence: str
) -> None:
    trunk_only(tmp_path / 'other.safetensors', **changed)
    init = ('--init', str(tmp_path / 'other.safetensors'))
    assert train(folder, tmp_path / 'run', more=init) == 1
    assert sentence in capsys.readouterr().err


def test_a_longer_trunk_is_cut_and_gets_clusters(folder: Path, tmp_path: Path) -> None:
    given = trunk_only(tmp_path / 'long.safetensors', crop_channels=960)
    init = f'init={tmp_path / "long.safetensors"}'
    experiment = read_experiment(folder / 'experiment.yaml', [init])
    images = [torch.randint(0, 255, (64, 64, 3), dtype=torch.uint8).numpy() for _ in range(4)]
    model = starting_model(experiment, frames_of(images))
    assert model.pooling.initialised
    expected = given.backbone.state_dict()
    assert all(torch.equal(v, expected[k]) for k, v in model.backbone.state_dict().items())
    # Existing clusters stay, unless new ones are requested.
    save_model(model, tmp_path / 'long.safetensors')
    again = starting_model(experiment, frames_of(images[:2]))
    assert torch.equal(again.pooling.centres, model.pooling.centres)
    change = [init, 'schedule.initialise_clusters=true']
    experiment = read_experiment(folder / 'experiment.yaml', change)
    anew = starting_model(experiment, frames_of(images[:2]))
    assert not torch.equal(anew.pooling.centres, model.pooling.centres)


def frames_of(images: list) -> list[Frame]:
    return [Frame(str(n), lambda image=image: image) for n, image in enumerate(images)]


def test_no_number_as_loss_leaves_a_good_checkpoint(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = step.ranking_loss, []

    def broken(*args: object) -> RankingLoss:
        found = original(*args)
        calls.append(found)
        return found if len(calls) < 3 else RankingLoss(found.per_tuple * torch.nan, 1.0)

    monkeypatch.setattr(step, 'ranking_loss', broken)
    assert train(folder, tmp_path / 'run') == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert 'epoch 1, block 1, step 2: the loss is nan' in error
    assert str(tmp_path / 'run' / 'checkpoint.safetensors') in error
    assert 'optimiser.learning_rate' in error
    tensors, values = load_checkpoint(tmp_path / 'run' / 'checkpoint.safetensors')
    assert values['state']['step'] == 2
    assert all(tensor.isfinite().all() for tensor in tensors.values())


def test_a_full_disk_leaves_the_last_checkpoint(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    # Weights are 10 MB; the first checkpoint with momentum is twice that and no longer fits.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (15_000_000, limits[1]))
    try:
        assert train(folder, tmp_path / 'run', 'schedule.epochs=1') == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    error = capsys.readouterr().err.splitlines()[-1]
    assert 'the checkpoint cannot be written' in error
    assert 'intact' in error
    assert load_checkpoint(tmp_path / 'run' / 'checkpoint.safetensors')[1]['state']['step'] == 0
    assert main(['--out', str(tmp_path / 'run'), '--device', 'cpu', '--resume']) == 0
    assert load_model(tmp_path / 'run' / 'weights.safetensors').pooling.initialised


def test_an_unreadable_image_is_named_and_nothing_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    write_experiment(tmp_path)
    image = tmp_path / 'places' / '03_1.png'
    whole = image.read_bytes()
    assert train(tmp_path, tmp_path / 'run', 'schedule.epochs=1') == 0
    image.write_bytes(whole[:100])
    assert train(tmp_path, tmp_path / 'again', 'schedule.epochs=1') == 1
    assert '03_1.png' in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / 'again').exists()
    image.write_bytes(whole)
    assert train(tmp_path, tmp_path / 'again', 'schedule.epochs=1') == 0
    found = [load_model(tmp_path / name / 'weights.safetensors') for name in ('run', 'again')]
    assert found[0].model_hash == found[1].model_hash
