"""Training as real processes: killed and resumed, and two that act as one."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from ghost_vpr_ros.core.errors import WeightsError
from ghost_vpr_ros.core.model.weights import load_model
from test.training.tiny_places import write_experiment
from training.loop.checkpoint import load_checkpoint
from training.loop.curves import read_curves
from training.train import main

LIMIT_S = 600.0
"""A process that takes longer hangs."""


def start(*words: str) -> subprocess.Popen:
    # The number of threads decides the order of sums, so it is the same everywhere.
    environment = {**os.environ, 'OMP_NUM_THREADS': str(torch.get_num_threads())}
    return subprocess.Popen(
        [sys.executable, '-m', *words], env=environment, stderr=subprocess.PIPE, text=True
    )


def steps_done(checkpoint: Path) -> int:
    try:
        return int(load_checkpoint(checkpoint)[1]['state']['step'])
    except WeightsError:
        return -1


def final(run: Path) -> tuple[str, dict[str, torch.Tensor]]:
    return load_model(run / 'weights.safetensors').model_hash, load_checkpoint(
        run / 'checkpoint.safetensors'
    )[0]


@pytest.mark.slow
def test_kill_9_and_resume_end_with_the_same_bits(tmp_path: Path) -> None:
    config = ['--config', str(write_experiment(tmp_path)), '--device', 'cpu']
    killed = tmp_path / 'killed'
    process = start('training.train', *config, '--out', str(killed))
    deadline_s = time.monotonic() + LIMIT_S
    while steps_done(killed / 'checkpoint.safetensors') < 2:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (killed / 'metrics.json').exists()

    assert main(['--out', str(killed), '--device', 'cpu', '--resume']) == 0
    assert main([*config, '--out', str(tmp_path / 'whole')]) == 0
    expected, found = final(tmp_path / 'whole'), final(killed)
    assert found[0] == expected[0]
    assert found[1].keys() == expected[1].keys()
    assert all(torch.equal(found[1][name], expected[1][name]) for name in expected[1])


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    # Three tuples a step: one process gets two of them, the other one; of the last two, one each.
    # Without a learning rate the weights stay, so momentum is the sum of all steps' gradients.
    changes = ['schedule.tuples_per_batch=3', 'schedule.epochs=1', 'schedule.tuples_per_forward=1']
    changes += ['optimiser.learning_rate=0']
    config = ['--config', str(write_experiment(tmp_path)), '--device', 'cpu']
    config += [word for change in changes for word in ('--set', change)]
    together = start(
        *('torch.distributed.run', '--standalone', '--nproc-per-node', '2'),
        *('-m', 'training.train', *config, '--out', str(tmp_path / 'two')),
    )
    assert main([*config, '--out', str(tmp_path / 'one')]) == 0
    _, complaints = together.communicate(timeout=LIMIT_S)
    assert together.returncode == 0, complaints
    assert len(re.findall('epoch 1: val', complaints)) == 1

    curves = [read_curves(tmp_path / name / 'log.csv') for name in ('one', 'two')]
    for name in ('loss', 'active_tuples', 'active_negatives', 'learning_rate', 'val_recall_5'):
        assert curves[1][name][0] == curves[0][name][0]
        assert curves[1][name][1] == pytest.approx(curves[0][name][1], rel=1e-4)
    one, two = (final(tmp_path / name)[1] for name in ('one', 'two'))
    assert one.keys() == two.keys()
    momentum = [name for name in one if name.startswith('optimiser.')]
    assert momentum
    for name in momentum:
        assert (one[name] - two[name]).norm() <= 1e-3 * one[name].norm(), name
