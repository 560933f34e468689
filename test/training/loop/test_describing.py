"""Descriptors of a set's images: those of the network, however they are batched or hastened."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.model.initialisation import build_untrained
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.preprocessing import preprocess
from training.loop.describing import Describer, fold_batch_norm, quick_copy
from training.loop.image_batches import ImageStore
from training.loop.parallel import Processes
from training.loop.precision import run_trunk_in

SIZE = PreprocessingConfig(width_px=64, height_px=64)
CPU = torch.device('cpu')


@pytest.fixture(scope='module')
def images() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (64, 64, 3), np.uint8) for _ in range(5)]


@pytest.fixture
def model(images: list[np.ndarray]) -> VprModel:
    model = build_untrained(ModelConfig(crop_channels=160, clusters=2), SIZE, images)
    # As after training: batch norm is no longer the identity.
    generator = torch.Generator().manual_seed(0)
    for norm in model.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.running_mean.uniform_(-0.01, 0.01, generator=generator)
            norm.running_var.uniform_(0.5, 2.0, generator=generator)
    return model


def describe(model: VprModel, images: list[np.ndarray], batch: int, quick: bool) -> np.ndarray:
    frames = [Frame(str(n), lambda image=image: image) for n, image in enumerate(images)]
    with ThreadPoolExecutor(2) as pool:
        store = ImageStore(frames, SIZE, CPU, 1.0, pool)
        describer = Describer(model, store, Processes(0, 1, CPU), batch, quick=quick)
        return describer(np.array([4, 0, 2, 1]))


def test_descriptors_are_the_network_s(model: VprModel, images: list[np.ndarray]) -> None:
    with torch.no_grad():
        batch = np.concatenate([preprocess(images[row], SIZE) for row in (4, 0, 2, 1)])
        expected = model.eval()(torch.from_numpy(batch)).numpy()
    model.train()
    for size in (1, 3, 8):
        found = describe(model, images, size, quick=False)
        assert found.dtype == np.float32
        assert found == pytest.approx(expected, abs=1e-5)


def test_folding_batch_norm_changes_rounding_only(model: VprModel) -> None:
    batch = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        expected = model.backbone(batch)
        fold_batch_norm(model.backbone)
        assert torch.allclose(model.backbone(batch), expected, rtol=1e-3, atol=1e-5)
    norms = [m for m in model.backbone.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms == []


def test_a_quick_copy_leaves_the_network_alone_and_follows_it(
    model: VprModel, images: list[np.ndarray]
) -> None:
    run_trunk_in('bfloat16', model, CPU)
    before = model.model_hash
    exact, quick = (describe(model, images, 8, quick=flag) for flag in (False, True))
    assert model.model_hash == before
    assert not np.array_equal(exact, quick)
    assert (exact * quick).sum(axis=1).min() > 0.99
    with torch.no_grad():
        model.pooling.centres.neg_()
        other = quick_copy(model)(torch.rand(1, 3, 64, 64))
    assert other.dtype == torch.float32
    assert (describe(model, images, 8, quick=True) * quick).sum(axis=1).max() < 0.99
