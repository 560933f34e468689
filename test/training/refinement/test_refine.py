import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.model.weights import load_model, save_model
from test.core.model.tiny_model import tiny_model
from test.training.tiny_places import write_places
from training import refine
from training.experiment import read_experiment
from training.loop.parallel import Processes
from training.refinement.moved_view import MotionConfig
from training.refinement.place_sources import SameView
from training.refinement.place_views import PlaceViews
from training.refinement.refinement import DescriptorMemory, Refinement

EXPERIMENT = """
seed: 5
refinement:
  places: [1 photos {root}]
  groups: 6
  views_per_place: 2
  places_per_batch: 3
  steps: 4
  memory: 10
  view_px: 32
  train_from: stage5
  average_decay: 0.5
  checkpoint_every: 1
"""


class PulledPlug(Exception):
    """Stands for the end of the process: nothing of ours catches it."""


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> Path:
    """An experiment beside its photos, and weights to refine."""
    folder = tmp_path_factory.mktemp('refine')
    root = write_places(folder / 'places', 6)
    (folder / 'experiment.yaml').write_text(EXPERIMENT.format(root=root))
    save_model(tiny_model(descriptor_dim=8), folder / 'start.safetensors')
    return folder


def call(folder: Path, out: Path, *more: str) -> int:
    start = [
        '--config',
        str(folder / 'experiment.yaml'),
        '--init',
        str(folder / 'start.safetensors'),
    ]
    return refine.main([*start, '--out', str(out), '--device', 'cpu', *more])


@pytest.fixture(scope='module')
def finished(folder: Path) -> Path:
    assert call(folder, folder / 'run') == 0
    return folder / 'run'


def test_the_refined_network_is_another_one_and_tells_how_it_came(folder, finished) -> None:
    before, after = (
        load_model(p) for p in (folder / 'start.safetensors', finished / 'weights.safetensors')
    )
    assert after.config == before.config
    # Views are 32 px, the network is deployed at its own size or at that of `deployment`.
    assert after.preprocessing == before.preprocessing
    assert after.provenance.endswith('refined on places in 4 steps of 6 views, seed 5')
    assert not torch.equal(after.whitening.projection, before.whitening.projection)
    assert not torch.equal(after.pooling.centres, before.pooling.centres)
    assert torch.equal(next(after.backbone.parameters()), next(before.backbone.parameters()))
    rows = list(csv.DictReader((finished / 'log.csv').open()))
    assert all(0.0 < float(rows[-1][name]) < 10.0 for name in ('places_loss', 'anchor_loss'))


def test_an_interrupted_run_ends_as_one_that_was_not(
    folder, finished, tmp_path, monkeypatch
) -> None:
    advance = Refinement.advance

    def twice(self, *batch):
        if self.step == 2:
            raise PulledPlug
        return advance(self, *batch)

    monkeypatch.setattr(Refinement, 'advance', twice)
    with pytest.raises(PulledPlug):
        call(folder, tmp_path / 'run')
    monkeypatch.undo()
    assert refine.main(['--out', str(tmp_path / 'run'), '--resume', '--device', 'cpu']) == 0
    found, expected = (
        load_model(path / 'weights.safetensors') for path in (tmp_path / 'run', finished)
    )
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], value, msg=name)


def test_the_whole_start_kept_is_the_start(folder, tmp_path) -> None:
    size = ['deployment.width_px=96', 'deployment.height_px=128']
    options = ['refinement.keep=1', 'refinement.steps=1', *size]
    given = [word for option in options for word in ('--set', option)]
    assert call(folder, tmp_path / 'run', *given) == 0
    result = load_model(tmp_path / 'run' / 'weights.safetensors')
    assert (result.preprocessing.width_px, result.preprocessing.height_px) == (96, 128)
    found = result.state_dict()
    for name, value in load_model(folder / 'start.safetensors').state_dict().items():
        torch.testing.assert_close(found[name], value, atol=1e-7, rtol=0.0)


def test_the_memory_keeps_the_latest_descriptors_first() -> None:
    memory = DescriptorMemory(3, 2, torch.device('cpu'))
    memory.add(torch.full((2, 2), 1.0), torch.tensor([4, 5]))
    assert memory.groups.tolist() == [4, 5]
    memory.add(torch.full((2, 2), 2.0), torch.tensor([6, 7]))
    assert memory.groups.tolist() == [6, 7, 4]
    assert memory.descriptors[:, 0].tolist() == [2.0, 2.0, 1.0]


def test_a_remembered_place_is_pushed_away_and_its_own_views_are_not(folder) -> None:
    model = load_model(folder / 'start.safetensors')
    experiment = read_experiment(folder / 'experiment.yaml', [])
    places = PlaceViews(
        [(1.0, SameView([[], []], MotionConfig()))], 20, 2, model.preprocessing, 0, ''
    )
    first, second = (int(np.flatnonzero(places.place == place)[0]) for place in (0, 1))
    run = Refinement(experiment, model, places, Processes(0, 1, torch.device('cpu')))
    inputs = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        maps = model.feature_map(inputs)
        known = model.whitening(model.pooling(maps))

    def loss(remembered: int) -> float:
        again = Refinement(experiment, model, places, run.processes)
        again.memory.add(known, torch.tensor([remembered, remembered]))
        return again.advance(inputs, maps, torch.tensor([first]))[0]

    assert loss(first) == 0.0
    assert loss(second) > 0.5


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        ('init=', 'expected weights to refine'),
        ('refinement.places=[]', 'expected at least one source'),
        ('refinement.groups=2', 'at least places_per_batch groups'),
    ],
)
def test_what_cannot_be_refined_is_refused(folder, tmp_path, capsys, change, sentence) -> None:
    out = ['--out', str(tmp_path / 'run'), '--device', 'cpu']
    given = f'init={folder / "start.safetensors"}'
    options = [*out, '--set', given, '--set', change]
    assert refine.main(['--config', str(folder / 'experiment.yaml'), *options]) == 1
    assert sentence in capsys.readouterr().err


def test_weights_without_a_whitening_are_refused(folder, tmp_path, capsys) -> None:
    save_model(tiny_model(), tmp_path / 'bare.safetensors')
    out = ['--out', str(tmp_path / 'run'), '--device', 'cpu']
    config = ['--config', str(folder / 'experiment.yaml')]
    assert refine.main([*config, '--init', str(tmp_path / 'bare.safetensors'), *out]) == 1
    assert 'expected a whitening to train' in capsys.readouterr().err
