"""Training with every pooling: one step of the optimiser, and what it starts from."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.model.poolings.registry import POOLINGS
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import load_model, save_model
from test.core.model.poolings.test_every_pooling import small_config, small_model
from test.training.places.test_step import make_step, places  # noqa: F401
from training.experiment import Experiment, read_experiment
from training.head.starting_model import interrupted_model, starting_model
from training.loop.schedule import ScheduleConfig
from training.places.batch import TrainingTuple, TupleLoader
from training.places.loss import LossConfig

INPUT = PreprocessingConfig(width_px=64, height_px=64)


@pytest.fixture(scope='module')
def images() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (64, 64, 3), np.uint8) for _ in range(6)]


def frames_of(images: list[np.ndarray]) -> list[Frame]:
    return [Frame(str(n), lambda image=image: image) for n, image in enumerate(images)]


@pytest.mark.parametrize('pooling', list(POOLINGS))
def test_a_step_moves_every_number_of_the_pooling(pooling: str, places) -> None:  # noqa: F811
    model = small_model(pooling)
    before = {name: p.detach().clone() for name, p in model.pooling.named_parameters()}
    trunk = [p.detach().clone() for p in model.backbone.parameters()]
    step = make_step(model, places, LossConfig(margin=4.0), learning_rate=0.1, momentum=0.0)
    with ThreadPoolExecutor(1) as pool:
        tuples = [TrainingTuple(0, 1, (2, 4)), TrainingTuple(2, 3, (5,))]
        batch = list(TupleLoader(places.frames, INPUT, None, 0, pool).batches([tuples], 0))
        sums = step.backward(batch, 2)
    assert sums.active_tuples == 2
    assert np.isfinite(step.gradient_norm())
    step.apply()
    unmoved = {n for n, p in model.pooling.named_parameters() if torch.equal(p, before[n])}
    # The first query of APANet moves once the second block looks at what it found.
    assert unmoved <= ({'query'} if pooling == 'apanet' else set())
    assert not all(map(torch.equal, model.backbone.parameters(), trunk))
    assert all(p.isfinite().all() for p in model.parameters())


def experiment(pooling: str, init: str = '', **sections) -> Experiment:
    return Experiment(3, INPUT, small_config(pooling), sections=sections, init=init)


@pytest.fixture
def trunk(tmp_path: Path) -> str:
    """Weights as distillation leaves them."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_model(VprModel(small_config('netvlad'), INPUT, 'distilled'), tmp_path / 'trunk')
    return str(tmp_path / 'trunk')


@pytest.mark.parametrize('pooling', [name for name in POOLINGS if not name.endswith('-sc')])
def test_any_pooling_starts_from_a_trunk_of_another(
    pooling: str, trunk: str, images: list[np.ndarray]
) -> None:
    model = starting_model(experiment(pooling, trunk), frames_of(images))
    assert model.pooling.initialised
    given = load_model(trunk).backbone.state_dict()
    assert all(torch.equal(v, given[k]) for k, v in model.backbone.state_dict().items())
    with torch.no_grad():
        assert model(torch.rand(1, 3, 64, 64)).norm().item() == pytest.approx(1.0)


@pytest.mark.parametrize('pooling', ['max', 'gem', 'rmac', 'apanet', 'fc', 'no-pool'])
def test_no_image_is_read_where_none_is_needed(pooling: str, trunk: str) -> None:
    def refused() -> np.ndarray:
        raise AssertionError('read an image')

    assert starting_model(experiment(pooling, trunk), [Frame('0', refused)]).pooling.initialised


@pytest.mark.parametrize('pooling', ['gem', 'apanet', 'crn', 'ghostvlad', 'fc', 'vlad'])
def test_the_numbers_of_the_same_pooling_are_taken_over(
    pooling: str, tmp_path: Path, images: list[np.ndarray]
) -> None:
    given = small_model(pooling)
    with torch.no_grad():
        for parameter in given.pooling.parameters():
            parameter.add_(0.5)
    save_model(given, tmp_path / 'given')
    path, frames = str(tmp_path / 'given'), frames_of(images)
    model = starting_model(experiment(pooling, path), frames)
    assert model.model_hash == given.model_hash
    anew = ScheduleConfig(initialise_clusters=True)
    fresh = starting_model(experiment(pooling, path, schedule=anew), frames)
    assert fresh.pooling.initialised
    assert fresh.model_hash != given.model_hash


def test_a_linear_layer_for_another_input_is_drawn_again(
    tmp_path: Path, images: list[np.ndarray]
) -> None:
    save_model(small_model('fc'), tmp_path / 'given')
    wide = PreprocessingConfig(width_px=96, height_px=64)
    asked = Experiment(3, wide, small_config('fc'), init=str(tmp_path / 'given'))
    model = starting_model(asked, frames_of(images))
    assert model.pooling.layer.in_features == 2 * 3 * 160
    with torch.no_grad():
        assert model(torch.rand(1, 3, 64, 96)).shape == (1, 7)


@pytest.mark.parametrize('pooling', ['gem', 'crn', 'no-pool', 'sralnet-sc'])
def test_an_interrupted_model_takes_the_numbers_of_a_checkpoint(pooling: str) -> None:
    given = small_model(pooling)
    model = interrupted_model(experiment(pooling))
    model.load_state_dict(given.state_dict())
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model(x), given(x))


@pytest.mark.parametrize(
    ('pooling', 'sentence'),
    [
        ('gem', 'untrained: random weights of seed 3'),
        (
            'crn',
            'untrained: random weights of seed 3, clusters initialised on 6 of 6 images of here',
        ),
    ],
)
def test_the_provenance_speaks_of_clusters_only_where_there_are_some(
    pooling: str, sentence: str, images: list[np.ndarray]
) -> None:
    assert (
        starting_model(experiment(pooling), frames_of(images), source='here').provenance
        == sentence
    )


def test_clusters_that_fit_are_kept_unless_images_are_named(
    images: list[np.ndarray], tmp_path: Path
) -> None:
    """The provenance says which of the two happened."""
    path = tmp_path / 'given.safetensors'
    given = starting_model(experiment('netvlad'), frames_of(images), source='here')
    given.provenance += '; whitening to 512 dimensions learnt on 9 images of a, b; kept'
    save_model(given, path)
    others = frames_of([image[::-1].copy() for image in images[:4]])
    kept = starting_model(experiment('netvlad', str(path)), others, source='elsewhere')
    assert torch.equal(kept.pooling.centres, given.pooling.centres)
    start = 'untrained: random weights of seed 3'
    assert kept.provenance == f'{start}, clusters initialised on 6 of 6 images of here; kept'
    anew = starting_model(experiment('netvlad', str(path)), others, source='elsewhere', anew=True)
    assert not torch.equal(anew.pooling.centres, given.pooling.centres)
    where = 'clusters initialised on 4 of 4 images of elsewhere'
    assert anew.provenance == f'{start}; kept, {where}'


def test_an_experiment_names_its_pooling(tmp_path: Path) -> None:
    (tmp_path / 'e.yaml').write_text('model: {pooling: gem, gem_power: 2.5}\n')
    found = read_experiment(tmp_path / 'e.yaml', ['semantics.classes=cityscapes'])
    assert found.model.gem_power == 2.5
    assert found.to_dict()['semantics']['classes'] == 'cityscapes'
