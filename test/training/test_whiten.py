"""Whitening of trained weights: the command, its images, and the file of descriptors it keeps."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import ImageError
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import load_model, save_model
from ghost_vpr_ros.core.preprocessing import preprocess
from test.core.model.tiny_model import tiny_model
from test.training.tiny_places import write_experiment
from training.experiment import read_experiment
from training.head import unwhitened
from training.head.unwhitened import unwhitened_descriptors
from training.head.whitening import WhiteningConfig, whitened
from training.loop.schedule import ScheduleConfig
from training.trunk.photo_views import open_unweighted
from training.whiten import main, whitening_frames

CONFIG = """
seed: 3
data: {{train: {{path: [{root}], split: train}}}}
whitening: {{dim: 5}}
"""


@pytest.fixture(scope='module')
def model() -> VprModel:
    return tiny_model()


def arguments(tmp_path: Path, model: VprModel, *more: str, out: str = 'out') -> list[str]:
    save_model(model, tmp_path / 'in')
    config = write_experiment(tmp_path, CONFIG)
    files = ['--weights', str(tmp_path / 'in'), '--out', str(tmp_path / out)]
    return ['--config', str(config), *files, '--device', 'cpu', *more]


def described(model: VprModel, frames: list) -> torch.Tensor:
    batch = np.concatenate([preprocess(frame.load(), model.preprocessing) for frame in frames])
    with torch.no_grad():
        return model.describe_unwhitened(torch.from_numpy(batch))


def test_the_whitening_is_that_of_the_training_sets_database(tmp_path, model):
    cache = tmp_path / 'cache'
    assert main(arguments(tmp_path, model, '--cache', str(cache))) == 0
    result = load_model(tmp_path / 'out')
    frames, _ = whitening_frames(read_experiment(tmp_path / 'experiment.yaml'))
    assert {frame.name for frame in frames} == {f'{place:02d}_1.png' for place in range(8)}
    kept = np.load(cache / '0' / 'descriptors.npy')
    np.testing.assert_allclose(kept, described(model, frames), atol=2e-3)
    expected = whitened(model, kept, 5, WhiteningConfig(dim=5)).whitening.projection
    assert result.descriptor_dim == result.config.descriptor_dim == 5
    torch.testing.assert_close(result.whitening.projection, expected)
    assert 'whitening to 5 dimensions learned on 8 images of places' in result.provenance
    before, after = model.state_dict(), result.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert [item.name for item in tmp_path.iterdir() if item.name.startswith('.')] == []


def test_images_and_dimension_of_the_command_line_come_first(tmp_path, model):
    source = f'{tmp_path / "places"} split=val'
    write_experiment(tmp_path, CONFIG)
    assert main(arguments(tmp_path, model, '--dim', '3', '--images', source, '--half')) == 0
    result = load_model(tmp_path / 'out')
    assert result.descriptor_dim == 3
    assert f'8 images of {source}' in result.provenance
    assert torch.equal(result.pooling.centres, result.pooling.centres.half().float())


def test_weights_that_are_whitened_already_get_another_whitening(tmp_path):
    old = tiny_model(descriptor_dim=4)
    assert main(arguments(tmp_path, old)) == 0
    assert load_model(tmp_path / 'out').whitening.projection.shape == (5, 640)


def test_kept_descriptors_are_not_computed_again(tmp_path, model, monkeypatch):
    cache = ['--cache', str(tmp_path / 'cache')]
    assert main(arguments(tmp_path, model, *cache, out='a')) == 0
    monkeypatch.setattr(unwhitened, 'Describer', lambda *_: pytest.fail)
    assert main(arguments(tmp_path, model, *cache, '--dim', '3', out='b')) == 0
    large, small = load_model(tmp_path / 'a'), load_model(tmp_path / 'b')
    torch.testing.assert_close(small.whitening.projection, large.whitening.projection[:3])


def test_descriptors_are_those_of_the_network_and_of_these_frames(tmp_path, model):
    frames, _ = whitening_frames(read_experiment(write_experiment(tmp_path, CONFIG)))
    for chosen in (frames, frames[::-1]):
        found = unwhitened_descriptors(
            model, chosen, 'here', tmp_path / 'c', ScheduleConfig(), 'cpu'
        )
        assert found.dtype == np.float16
        np.testing.assert_allclose(found, described(model, chosen), atol=2e-3)


def test_an_interruption_loses_only_what_was_not_written(tmp_path, model, monkeypatch):
    frames, _ = whitening_frames(read_experiment(write_experiment(tmp_path, CONFIG)))
    monkeypatch.setattr(unwhitened, '_BATCHES_PER_CALL', 1)
    schedule = ScheduleConfig(describe_batch=2)
    read: list[str] = []

    def watched(frame: Frame) -> Frame:
        return replace(frame, load=lambda: read.append(frame.name) or frame.load())

    def broken() -> np.ndarray:
        raise ImageError('cannot be read')

    bad = [*frames[:5], replace(frames[5], load=broken), *frames[6:]]
    with pytest.raises(ImageError, match='cannot be read'):
        unwhitened_descriptors(model, bad, 'here', tmp_path / 'c', schedule, 'cpu')
    good = [watched(frame) for frame in frames]
    found = unwhitened_descriptors(model, good, 'here', tmp_path / 'c', schedule, 'cpu')
    assert sorted(read) == [frame.name for frame in frames[4:]]
    np.testing.assert_allclose(found, described(model, frames), atol=2e-3)


def test_the_projection_ignores_the_shift_between_conditions(tmp_path, model):
    root = write_experiment(tmp_path, CONFIG).parent / 'places'
    first, second = (f'{root} split={split}' for split in ('train', 'val'))
    conditions = f'whitening.conditions=["{first}", "{second}"]'
    assert main(arguments(tmp_path, model, '--set', conditions)) == 0
    result = load_model(tmp_path / 'out')
    assert f'without the shift between {first} and {second}' in result.provenance
    means = [described(model, open_unweighted([each])).mean(dim=0) for each in (first, second)]
    shift = torch.nn.functional.normalize(means[1] - means[0], dim=0)
    rows = torch.nn.functional.normalize(result.whitening.projection, dim=1)
    assert (rows @ shift).abs().max() < 2e-3


def test_more_images_than_allowed_are_thinned_out(tmp_path):
    config = write_experiment(tmp_path, CONFIG)
    frames, _ = whitening_frames(read_experiment(config, ['whitening.max_images=2']))
    assert [frame.name for frame in frames] == ['00_1.png', '07_1.png']


@pytest.mark.parametrize(
    ('more', 'sentence'),
    [
        (['--dim', '8'], 'at least D = 8 directions, found 7 in 8 images'),
        (['--dim', '0'], 'dim: expected 1 .. 65536, found 0'),
        (['--images', 'missing'], 'missing'),
        (['--set', 'whitening.dimm=3'], "did you mean 'dim'"),
        (['--set', 'whitening.conditions=[here]'], "at least two sources, found only 'here'"),
        (['--out', 'in'], 'exists already'),
    ],
)
def test_known_errors_are_one_sentence(tmp_path, model, capsys, monkeypatch, more, sentence):
    given = arguments(tmp_path, model, *more)
    monkeypatch.chdir(tmp_path)
    assert main(given) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count('\n') == 1
    assert not (tmp_path / 'out').exists()
