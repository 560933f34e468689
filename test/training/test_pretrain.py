"""Pre-training by classification: it learns, resumes after a kill, and reports unusable input."""

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from ghost_vpr_ros.core.errors import WeightsError
from ghost_vpr_ros.core.model.weights import load_model
from test.training.tiny_places import write_places
from test.training.tiny_scenes import write_scenes
from training.datasets.data_config import DataConfig
from training.datasets.open_place_set import open_place_set
from training.experiment import read_experiment
from training.head.starting_model import starting_model
from training.loop.parallel import Processes
from training.loop.run_folder import RunFolder
from training.pretrain import main, pretrain
from training.trunk.pretraining import Pretraining
from training.trunk.scene_batches import SceneBatch

# Twenty-four images make three batches of seven: three are left out of each epoch.
STEPS = 12 * 3
KILLED_IN_STEP = 23
"""Not a step with a checkpoint: the last one before it is in step 20."""

KILL = f"""
import os, signal, sys
import torch
torch.set_num_threads({torch.get_num_threads()})  # Other tests may have set OMP_NUM_THREADS.
from training.trunk.pretraining import Pretraining
from training.pretrain import main
whole = Pretraining.advance
def advance(run, batch):
    if run.step == {KILLED_IN_STEP}:
        os.kill(os.getpid(), signal.SIGKILL)
    whole(run, batch)
Pretraining.advance = advance
sys.exit(main(sys.argv[1:]))
"""


class PulledPlug(Exception):
    """Stands for the end of the process: nothing of ours catches it."""


@pytest.fixture(scope='module')
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The experiment of a two-class problem, beside its images."""
    return write_scenes(tmp_path_factory.mktemp('scenes'))


@pytest.fixture(scope='module')
def finished(config: Path) -> Path:
    """The folder of a run that nothing has interrupted."""
    assert main(['--config', str(config), '--out', str(config.parent / 'run')]) == 0
    return config.parent / 'run'


def rows_of(run: Path) -> list[dict[str, str]]:
    with (run / 'log.csv').open(newline='') as file:
        return list(csv.DictReader(file))


def hash_of(run: Path) -> str:
    return load_model(run / 'weights.safetensors').model_hash


def failure(arguments: list[str], capsys: pytest.CaptureFixture) -> str:
    """The one line that a failing command writes."""
    assert main(arguments) == 1
    error = str(capsys.readouterr().err)
    assert error.count('\n') == 1
    return error


def with_broken_image(config: Path, tmp_path: Path, part: str = 'train') -> str:
    """`--set` of a copy of the scenes in which one image is damaged."""
    for name in ('train', 'val'):
        for image in (config.parent / name).rglob('*.png'):
            copy = tmp_path / image.relative_to(config.parent)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(image.read_bytes())
    (tmp_path / part / 'water' / '0.png').write_bytes(b'no image')
    return f'classification.folders=[{tmp_path}]'


def test_two_colours_are_learned(finished: Path) -> None:
    metrics = json.loads((finished / 'metrics.json').read_text())
    assert metrics['val_top1'] == 1.0
    assert metrics['classes'] == ['brick', 'water']
    assert metrics['steps'] == STEPS


def test_loss_rate_and_accuracy_are_logged(finished: Path) -> None:
    rows = rows_of(finished)
    validated = [int(row['step']) for row in rows if row['val_top1']]
    assert validated == list(range(3, STEPS + 1, 3))
    logged = {int(row['step']) for row in rows}
    assert logged == set(validated) | set(range(4, STEPS + 1, 4))
    assert all(0.0 < float(row['loss']) < 5.0 for row in rows)
    assert list(finished.glob('events.out.tfevents.*'))


def test_the_result_is_a_trunk_without_clusters(finished: Path, config: Path) -> None:
    model = load_model(finished / 'weights.safetensors')
    experiment = read_experiment(config)
    assert model.config == experiment.model
    assert model.preprocessing == experiment.preprocessing
    assert not model.pooling.initialised
    with pytest.raises(WeightsError, match='clusters are not initialised'):
        model(torch.zeros(1, 3, 64, 96))
    assert 'classify 2 kinds of scenes in 36 steps' in model.provenance
    assert 'top-1 100.0 %' in model.provenance


def test_training_for_places_starts_from_the_trunk(
    finished: Path, config: Path, tmp_path: Path
) -> None:
    places = open_place_set(DataConfig(path=(str(write_places(tmp_path / 'places')),)))
    weights = finished / 'weights.safetensors'
    model = starting_model(read_experiment(config, [f'init={weights}']), places.frames)
    trunk = load_model(weights).backbone.state_dict()
    assert all(
        torch.equal(value, trunk[key]) for key, value in model.backbone.state_dict().items()
    )
    assert model.pooling.initialised


def test_an_interrupted_run_resumes_to_the_same_result(
    finished: Path, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Pretraining.advance

    def advance(run: Pretraining, batch: SceneBatch) -> None:
        if run.step == KILLED_IN_STEP:
            raise PulledPlug
        whole(run, batch)

    with monkeypatch.context() as patch, pytest.raises(PulledPlug):
        patch.setattr(Pretraining, 'advance', advance)
        main(['--config', str(config), '--out', str(tmp_path / 'run')])
    assert_resumed_alike(tmp_path / 'run', finished)


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_result(
    finished: Path, config: Path, tmp_path: Path
) -> None:
    arguments = ['--config', str(config), '--out', str(tmp_path / 'run')]
    killed = subprocess.run([sys.executable, '-c', KILL, *arguments], capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert_resumed_alike(tmp_path / 'run', finished)


def assert_resumed_alike(run: Path, finished: Path) -> None:
    """Resume the run; it ends as the one that nothing has interrupted."""
    assert not (run / 'weights.safetensors').exists()
    assert main(['--out', str(run), '--resume']) == 0
    assert hash_of(run) == hash_of(finished)
    # The later row of a step counts.
    resumed = {row['step']: row for row in rows_of(run)}
    for row in rows_of(finished):
        assert {**row, 'time_s': ''} == {**resumed[row['step']], 'time_s': ''}


def test_resuming_a_finished_run_changes_nothing(finished: Path, config: Path) -> None:
    before = hash_of(finished), rows_of(finished)
    assert main(['--config', str(config), '--out', str(finished), '--resume']) == 0
    assert before == (hash_of(finished), rows_of(finished))


def test_an_existing_run_is_left_alone(
    finished: Path, config: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = ['--config', str(config), '--out', str(finished)]
    assert 'continue it with --resume' in failure(arguments, capsys)


def test_other_scenes_are_no_continuation(
    finished: Path, config: Path, capsys: pytest.CaptureFixture
) -> None:
    extra = config.parent / 'train' / 'brick' / 'extra.png'
    extra.write_bytes((config.parent / 'train' / 'brick' / '0.png').read_bytes())
    try:
        error = failure(['--config', str(config), '--out', str(finished), '--resume'], capsys)
    finally:
        extra.unlink()
    assert 'expected the scenes of this run, 2 classes with [24, 8] images' in error
    assert 'found 2 classes with [25, 8]' in error


def test_steps_are_limited(config: Path, tmp_path: Path) -> None:
    limits = ['--set', 'classification.max_steps=1', '--set', 'classification.optimiser=adamw']
    assert main(['--config', str(config), '--out', str(tmp_path / 'run'), *limits]) == 0
    (row,) = rows_of(tmp_path / 'run')
    assert row['step'] == '1'
    assert row['val_top1']


def test_time_is_limited_and_brings_the_rate_down(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = ['classification.max_minutes=4', 'classification.warm_up_share=0']
    experiment = read_experiment(config, changes)
    # A clock that a minute passes on whenever it is read: at the start, then after each step.
    minutes = iter(range(100))
    clock = SimpleNamespace(monotonic=lambda: 60.0 * next(minutes))
    monkeypatch.setattr('training.pretrain.time', clock)
    folder = RunFolder(tmp_path / 'run', experiment.to_dict(), resume=False)
    run = pretrain(experiment, folder, torch.device('cpu'))
    folder.close()
    assert (run.step, run.minutes) == (4, 4.0)
    # The rate of the last step was that of three quarters: half a cosine, (1 + cos(135 deg)) / 2.
    last = float(rows_of(tmp_path / 'run')[-1]['learning_rate'])
    assert last == pytest.approx(0.05 * 0.5 * (1 - 0.5**0.5))


@pytest.mark.parametrize('part', ['train', 'val'])
def test_an_unreadable_image_is_named(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture, part: str
) -> None:
    changes = ['--set', with_broken_image(config, tmp_path, part)]
    arguments = ['--config', str(config), '--out', str(tmp_path / 'run'), *changes]
    error = failure(arguments, capsys)
    assert f'{part}/water/0.png' in error
    assert 'classification.skip_unreadable' in error


def test_unreadable_images_are_skipped_and_counted_where_asked(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    changes = ['--set', with_broken_image(config, tmp_path)]
    changes += ['--set', 'classification.skip_unreadable=true', '--set', 'classification.epochs=2']
    assert main(['--config', str(config), '--out', str(tmp_path / 'run'), *changes]) == 0
    assert '1 unreadable images skipped' in capsys.readouterr().err
    metrics = json.loads((tmp_path / 'run' / 'metrics.json').read_text())
    assert len(metrics['unreadable']) == 1
    assert 'train/water/0.png' in metrics['unreadable'][0]


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_checkpoint(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = Pretraining._loss

    def loss(run: Pretraining, *arguments: object) -> torch.Tensor:
        return sound(run, *arguments) * (float('nan') if run.step == 4 else 1.0)

    monkeypatch.setattr(Pretraining, '_loss', loss)
    arguments = ['--config', str(config), '--out', str(tmp_path / 'run')]
    error = failure([*arguments, '--set', 'classification.checkpoint_every=3'], capsys)
    assert 'step 5: the loss is nan' in error
    assert 'the checkpoint of step 3 is intact' in error
    assert (tmp_path / 'run' / 'checkpoint.safetensors').exists()


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        ('classification.folders=[]', 'expected a folder or more'),
        (
            'classification.folders=[$NOT_SET/x]',
            'the path names a variable that is not set',
        ),
        ('classification.workers=-1', 'workers: expected 0 .. 256'),
        ('classification.epoch=3', "unknown key 'epoch'; did you mean 'epochs'?"),
    ],
)
def test_settings_that_cannot_be_used_are_one_sentence(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture, change: str, sentence: str
) -> None:
    arguments = ['--config', str(config), '--out', str(tmp_path / 'run'), '--set', change]
    assert sentence in failure(arguments, capsys)


def test_several_processes_are_refused(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Processes, 'start', lambda _: Processes(0, 2, torch.device('cpu')))
    error = failure(['--config', str(config), '--out', str(tmp_path / 'run')], capsys)
    assert 'one process, found 2' in error


def test_a_configuration_is_needed(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert '--config: expected an experiment' in failure(['--out', str(tmp_path)], capsys)
