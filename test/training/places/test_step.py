"""Gradients of a batch of tuples: however it is cut, and with negatives that are missing."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, Frame
from ghost_vpr_ros.core.model.initialisation import build_untrained
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.preprocessing import preprocess
from ghost_vpr_ros.replay.config import TupleConfig
from ghost_vpr_ros.replay.places.place_set import NO_PLACE, PlaceSet
from ghost_vpr_ros.replay.places.positives import weak_labels
from training.loop.augmentation import AugmentationConfig
from training.loop.optimiser import OptimiserConfig, build_optimiser
from training.loop.parallel import Processes
from training.places.batch import TrainingTuple, TupleLoader
from training.places.loss import LossConfig
from training.places.step import StepSums, TupleStep

INPUT = PreprocessingConfig(width_px=32, height_px=32)
TUPLES = [TrainingTuple(0, 1, (2, 4)), TrainingTuple(2, 3, (5,)), TrainingTuple(4, 5, (0, 1, 3))]
ALONE = Processes(0, 1, torch.device('cpu'))


@pytest.fixture(scope='module')
def images() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (32, 32, 3), np.uint8) for _ in range(6)]


@pytest.fixture(scope='module')
def places(images: list[np.ndarray]) -> PlaceSet:
    positions = np.array([[100.0 * (row // 2), row % 2] for row in range(6)])
    rows = np.arange(6)
    return PlaceSet(
        'six',
        [Frame(str(row), lambda row=row: images[row]) for row in rows],
        positions,
        rows,
        rows,
        np.full(6, NO_PLACE),
        np.full(6, np.nan),
        np.full(6, UNKNOWN_STAMP_NS),
    )


@pytest.fixture
def model(images: list[np.ndarray]) -> VprModel:
    return build_untrained(ModelConfig(crop_channels=160, clusters=2), INPUT, images)


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as threads:
        yield threads


def make_step(model: VprModel, places: PlaceSet, loss: LossConfig, **changed) -> TupleStep:
    config = OptimiserConfig(train_from='stage5', **changed)
    optimiser = build_optimiser(model, config)
    scaler = torch.amp.GradScaler('cpu', enabled=False)
    labels = weak_labels(places, TupleConfig())
    return TupleStep(model, optimiser, scaler, labels, loss, config, ALONE)


def gradients(model: VprModel) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def are_alike(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Whether two gradients differ by rounding only."""
    return bool((first - second).norm() < 1e-4 * second.norm())


def test_loss_and_gradients_follow_from_the_equation(
    model: VprModel, places: PlaceSet, images: list[np.ndarray], pool: ThreadPoolExecutor
) -> None:
    step = make_step(model, places, LossConfig(margin=1.0))
    loader = TupleLoader(places.frames, INPUT, None, 0, pool)
    sums = step.backward(list(loader.batches([TUPLES], 0)), 3)
    found = gradients(model)

    model.zero_grad()
    inputs = torch.from_numpy(np.concatenate([preprocess(image, INPUT) for image in images]))
    d = model(inputs)
    terms = []
    for each in TUPLES:
        to_positive = (d[each.query] - d[each.best_positive]).square().sum()
        for negative in each.negatives:
            to_negative = (d[each.query] - d[negative]).square().sum()
            terms.append((to_positive + 1.0 - to_negative).clamp(min=0))
    expected = torch.stack(terms).sum()
    (expected / 3).backward()
    assert sums.loss == pytest.approx(expected.item(), rel=1e-5)
    assert are_alike(found, gradients(model))
    assert (sums.tuples, sums.active_tuples, sums.images) == (3, 3, 4 + 3 + 5)


def test_parts_of_a_batch_add_up_to_the_whole(
    model: VprModel, places: PlaceSet, pool: ThreadPoolExecutor
) -> None:
    step = make_step(model, places, LossConfig(margin=1.0))
    loader = TupleLoader(places.frames, INPUT, AugmentationConfig(), 0, pool)
    whole = step.backward(list(loader.batches([TUPLES], 2)), 3)
    at_once = gradients(model)
    parts = step.backward(list(loader.batches([TUPLES[:1], TUPLES[1:]], 2)), 3)
    assert parts.loss == pytest.approx(whole.loss, rel=1e-5)
    assert parts.negative_distance2 == pytest.approx(whole.negative_distance2, rel=1e-5)
    assert are_alike(at_once, gradients(model))


def test_negatives_of_other_tuples_count_where_asked_for(
    model: VprModel, places: PlaceSet, pool: ThreadPoolExecutor
) -> None:
    batch = list(TupleLoader(places.frames, INPUT, None, 0, pool).batches([TUPLES], 0))
    own = make_step(model, places, LossConfig(margin=1.0)).backward(batch, 3)
    config = LossConfig(margin=1.0, negatives_from_batch=True)
    assert make_step(model, places, config).backward(batch, 3).loss > own.loss


def test_a_step_moves_the_weights_and_long_gradients_are_cut(
    model: VprModel, places: PlaceSet, pool: ThreadPoolExecutor
) -> None:
    batch = list(TupleLoader(places.frames, INPUT, None, 0, pool).batches([TUPLES], 0))
    before = model.model_hash
    step = make_step(model, places, LossConfig(margin=1.0), largest_gradient=0.25)
    step.backward(batch, 3)
    norm = gradients(model).norm().item()
    assert step.gradient_norm() == pytest.approx(norm, rel=1e-4)
    assert gradients(model).norm().item() == pytest.approx(0.25, rel=1e-4)
    assert norm > 0.25
    assert model.model_hash == before
    step.apply()
    assert model.model_hash != before


def test_augmentation_follows_from_seed_epoch_and_place(
    places: PlaceSet, pool: ThreadPoolExecutor
) -> None:
    def pixels(seed: int, epoch: int, parts: list[list[TrainingTuple]]) -> torch.Tensor:
        loader = TupleLoader(places.frames, INPUT, AugmentationConfig(), seed, pool)
        return torch.cat([batch.pixels for batch in loader.batches(parts, epoch)])

    first = pixels(0, 0, [TUPLES])
    assert torch.equal(first, pixels(0, 0, [TUPLES[:2], TUPLES[2:]]))
    assert not torch.equal(first, pixels(1, 0, [TUPLES]))
    assert not torch.equal(first, pixels(0, 1, [TUPLES]))


def test_means_are_over_tuples() -> None:
    sums = StepSums(loss=3.0, tuples=2.0) + StepSums(loss=3.0, tuples=2.0)
    assert sums.mean('loss') == 1.5
    assert np.isnan(StepSums().mean('loss'))
