"""A training that is interrupted anywhere and resumed ends with the same bits."""

import csv
import json
from pathlib import Path

import pytest
import torch

from ghost_vpr_ros.core.model.weights import load_model
from test.training.tiny_places import write_experiment
from training.loop.checkpoint import load_checkpoint
from training.places.run import TrainingRun
from training.places.selection import Validation
from training.places.step import TupleStep
from training.train import main

# Batch norm learns, so that its statistics have to survive, too.
CHANGES = ['--set', 'optimiser.freeze_batch_norm=false', '--set', 'schedule.workers=2']


class PulledPlug(Exception):
    """Stands for the end of the process: nothing of ours catches it."""


def train(folder: Path, run: str, *more: str) -> int:
    config = str(folder / 'experiment.yaml')
    return main(
        ['--config', config, '--out', str(folder / run), '--device', 'cpu', *CHANGES, *more]
    )


def result(folder: Path, run: str) -> tuple[str, dict[str, torch.Tensor]]:
    """Hash of the best weights, and the last state of everything that is trained."""
    tensors, _ = load_checkpoint(folder / run / 'checkpoint.safetensors')
    return load_model(folder / run / 'weights.safetensors').model_hash, tensors


@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('undisturbed')
    write_experiment(folder)
    assert train(folder, 'whole') == 0
    return folder


def test_a_finished_run_leaves_everything(undisturbed: Path) -> None:
    run = undisturbed / 'whole'
    names = {path.name.split('.0')[0] for path in run.iterdir()}
    events = {name for name in names if name.startswith('events.out.tfevents')}
    assert len(events) == 1
    assert names - events == {
        'config.yaml',
        'log.csv',
        'MODEL_CARD.md',
        'curves.png',
        'metrics.json',
        'checkpoint.safetensors',
        'weights.safetensors',
    }
    metrics = json.loads((run / 'metrics.json').read_text())
    assert metrics['ended'] == 'all 2 epochs are done'
    # 8 training queries, 2 a step, 2 epochs; fewer where a query had no hard negative.
    assert 0 < metrics['steps'] <= 8
    assert metrics['passes']['backward'] == metrics['passes']['training_forward'] > 0
    columns = set(next(csv.reader((run / 'log.csv').open())))
    assert columns >= {
        'loss',
        'active_tuples',
        'active_negatives',
        'learning_rate',
        'val_recall_5',
    }
    assert 'val r@1/5/10' in load_model(run / 'weights.safetensors').provenance


def test_training_moves_the_weights(undisturbed: Path) -> None:
    _, tensors = result(undisturbed, 'whole')
    first = load_model(undisturbed / 'whole' / 'weights.safetensors').state_dict()
    name = 'backbone.16.residual.0.primary.0.weight'
    momentum = [key for key in tensors if key.startswith('optimiser.')]
    assert momentum
    assert not torch.equal(tensors[f'model.{name}'], first[name])


@pytest.mark.parametrize(
    ('where', 'method', 'call'),
    [
        (TupleStep, 'apply', 2),
        pytest.param(TupleStep, 'apply', 5, marks=pytest.mark.slow),
        pytest.param(TrainingRun, '_mine', 2, marks=pytest.mark.slow),
        (TrainingRun, '_save', 3),
        pytest.param(Validation, '__call__', 2, marks=pytest.mark.slow),
    ],
    ids=['in a block', 'in the next epoch', 'while mining', 'while saving', 'while validating'],
)
def test_an_interrupted_run_ends_with_the_same_bits(
    undisturbed: Path, monkeypatch: pytest.MonkeyPatch, where: type, method: str, call: int
) -> None:
    calls = 0
    original = getattr(where, method)

    def interrupted(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == call:
            raise PulledPlug
        return original(*args, **kwargs)

    run = f'{method}{call}'
    with monkeypatch.context() as patch, pytest.raises(PulledPlug):
        patch.setattr(where, method, interrupted)
        train(undisturbed, run)
    assert main(['--out', str(undisturbed / run), '--device', 'cpu', '--resume']) == 0
    expected, found = result(undisturbed, 'whole'), result(undisturbed, run)
    assert found[0] == expected[0]
    assert found[1].keys() == expected[1].keys()
    assert all(torch.equal(found[1][name], expected[1][name]) for name in expected[1])


def test_a_finished_run_that_is_resumed_stays_as_it_is(undisturbed: Path) -> None:
    before = result(undisturbed, 'whole')[0]
    assert main(['--out', str(undisturbed / 'whole'), '--device', 'cpu', '--resume']) == 0
    assert result(undisturbed, 'whole')[0] == before


def test_another_seed_gives_other_weights(undisturbed: Path) -> None:
    assert train(undisturbed, 'other', '--set', 'seed=4', '--set', 'schedule.epochs=1') == 0
    assert result(undisturbed, 'other')[0] != result(undisturbed, 'whole')[0]
