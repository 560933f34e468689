"""Weights rounded to float16 and eight bits: small, one more hash, the same numbers ever after."""

import json

import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.errors import WeightsError
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import (
    load_model,
    model_from_bytes,
    model_to_bytes,
    save_model,
)
from test.core.model.tiny_model import tiny_model

STATISTICS = ('running_mean', 'running_var')
IN_EIGHT_BITS = 'whitening.projection'


@pytest.fixture(scope='module')
def model() -> VprModel:
    """A network whose batch-norm statistics are not float16 numbers either."""
    network = tiny_model(descriptor_dim=8)
    generator = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        if name.endswith(STATISTICS):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) * 1e-6 + 1e-7)
    return network


@pytest.fixture(scope='module')
def half(model) -> bytes:
    return model_to_bytes(model, half=True)


def types_in(data: bytes) -> dict[str, str]:
    """Type by tensor name, from the header alone."""
    length = int.from_bytes(data[:8], 'little')
    header = json.loads(data[8 : 8 + length])
    return {name: entry['dtype'] for name, entry in header.items() if name != '__metadata__'}


def test_every_number_is_the_nearest_one_and_statistics_are_kept(model, half):
    loaded = model_from_bytes(half, 'here').state_dict()
    projection = loaded.pop(IN_EIGHT_BITS)
    exact = model.state_dict()[IN_EIGHT_BITS]
    step = exact.abs().amax(dim=1, keepdim=True) / 127.0
    assert ((projection - exact).abs() <= 0.51 * step).all() and not torch.equal(projection, exact)
    for name in loaded:
        tensor = model.state_dict()[name]
        kept = tensor.dtype != torch.float32 or name.endswith(STATISTICS)
        expected = tensor.numpy()
        expected = expected if kept else expected.astype(np.float16).astype(np.float32)
        np.testing.assert_array_equal(loaded[name].numpy(), expected)
        assert loaded[name].dtype == tensor.dtype


def test_the_file_is_less_than_half_as_large(model, half):
    types = types_in(half)
    assert types[IN_EIGHT_BITS] == 'I8' and types[IN_EIGHT_BITS + ':step'] == 'F16'
    assert types['pooling.centres'] == 'F16'
    assert {types[n] for n in types if n.endswith(STATISTICS)} == {'F32'}
    assert {types[n] for n in types if n.endswith('num_batches_tracked')} == {'I64'}
    assert len(half) < 0.55 * len(model_to_bytes(model))


def test_the_hash_is_that_of_the_loaded_network_and_not_of_the_unrounded_one(model, half):
    loaded = model_from_bytes(half, 'here')
    assert loaded.model_hash != model.model_hash


def test_copies_of_a_rounded_network_are_as_small_and_have_its_hash(half):
    """So the copy inside a map does not grow, and a map made with the file belongs to it."""
    loaded = model_from_bytes(half, 'here')
    copy = model_to_bytes(loaded)
    assert len(copy) == len(half)
    assert model_from_bytes(copy, 'there').model_hash == loaded.model_hash
    assert model_from_bytes(model_to_bytes(loaded, half=True), 'x').model_hash == loaded.model_hash


def test_saving_leaves_the_network_as_it_is(model, half, tmp_path):
    before = model.model_hash
    save_model(model, tmp_path / 'w', half=True)
    assert model.model_hash == before
    assert load_model(tmp_path / 'w').model_hash == model_from_bytes(half, 'here').model_hash


def test_without_rounding_no_number_changes(model, tmp_path):
    save_model(model, tmp_path / 'w')
    assert load_model(tmp_path / 'w').model_hash == model.model_hash
    assert types_in((tmp_path / 'w').read_bytes())['pooling.centres'] == 'F32'


@pytest.mark.parametrize('value', [1e5, -7e4])
def test_a_number_too_large_for_float16_is_refused(tmp_path, value):
    network = tiny_model()
    with torch.no_grad():
        network.pooling.assignment.bias[1] = value
    with pytest.raises(WeightsError, match=r'assignment\.bias: .*at most 65504, found'):
        save_model(network, tmp_path / 'w', half=True)
    assert not list(tmp_path.iterdir())
    save_model(network, tmp_path / 'w')
