"""Engines: the same descriptors as the bare model, and clear words for what does not exist."""

import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.engine import ENGINES, create_engine
from ghost_vpr_ros.core.errors import DeviceError
from ghost_vpr_ros.core.model.vpr_model import VprModel
from test.core.model.tiny_model import tiny_model


@pytest.fixture(scope='module')
def model() -> VprModel:
    return tiny_model(descriptor_dim=6)


def batch(count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, 3, 64, 64)).astype(np.float32)


@pytest.mark.parametrize('name', ENGINES)
def test_an_engine_describes_as_the_bare_model_does(model, name):
    with torch.no_grad():
        expected = model(torch.from_numpy(batch())).numpy()
    found = create_engine(model, name).describe(batch())
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-6)


@pytest.mark.parametrize('name', ENGINES)
def test_the_feature_map_is_what_an_engine_pools(model, name):
    engine = create_engine(model, name)
    found = engine.feature_map(batch())
    assert (found.shape, found.dtype) == ((3, 160, 2, 2), np.float32)
    with torch.no_grad():
        pooled = model.whitening(model.pooling(torch.from_numpy(found))).numpy()
    np.testing.assert_allclose(pooled, engine.describe(batch()), atol=1e-5)


def test_an_engine_says_what_it_runs(model):
    engine = create_engine(model, 'torch', 'cpu')
    assert engine.model_hash == model.model_hash
    assert engine.descriptor_dim == 6
    assert engine.name.endswith('on cpu')


def test_the_model_is_left_as_it_was(model):
    before = model.model_hash
    weight = model.backbone[0][0].weight
    create_engine(model).describe(batch())
    assert model.model_hash == before
    assert weight.requires_grad
    assert weight.is_contiguous()


def test_changes_of_the_model_do_not_reach_the_engine():
    changed = tiny_model()
    engine = create_engine(changed)
    before = engine.describe(batch())
    with torch.no_grad():
        changed.pooling.centres.add_(1.0)
    np.testing.assert_array_equal(engine.describe(batch()), before)


def test_a_model_in_training_mode_is_run_in_evaluation_mode(model):
    expected = create_engine(model).describe(batch())
    model.train()
    try:
        np.testing.assert_array_equal(create_engine(model).describe(batch()), expected)
    finally:
        model.eval()


def test_the_batch_is_left_alone(model):
    inputs = batch()
    create_engine(model).describe(inputs)
    np.testing.assert_array_equal(inputs, batch())


def test_a_closed_engine_says_so(model):
    engine = create_engine(model)
    engine.close()
    engine.close()
    with pytest.raises(DeviceError, match='the engine was closed'):
        engine.describe(batch())


def test_an_unknown_engine_is_refused_with_the_nearest_one(model):
    with pytest.raises(DeviceError, match="engine 'torhc' is unknown; did you mean 'torch'"):
        create_engine(model, 'torhc')


@pytest.mark.parametrize('device', ['gpu', '', 'cpu:x', 'mps', 'meta', 'cuda:-1'])
def test_a_device_that_is_none_is_refused(model, device):
    with pytest.raises(DeviceError, match=f"device '{device}'"):
        create_engine(model, 'torch', device)


@pytest.mark.parametrize('device', ['cuda', 'cuda:0', 'cuda:7'])
def test_a_cuda_device_that_this_machine_lacks_is_refused(model, device, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(DeviceError, match=f"device '{device}': this machine has 0 usable CUDA"):
        create_engine(model, 'torch', device)
