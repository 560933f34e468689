"""The feature map as the descriptor, with and without a linear layer behind it."""

import pytest
import torch
from torch import nn

from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.errors import ConfigError, WeightsError
from ghost_vpr_ros.core.model.poolings.no_pool import FullyConnected, NoPool
from ghost_vpr_ros.core.model.vpr_model import VprModel
from test.core.model.poolings.layers import CHANNELS, feature_map


def test_local_maxima_are_flattened_and_of_unit_norm():
    # 2 x 4 cells, local maxima of 2: (5, 8) of the first channel, (1, 1) of the second.
    x = torch.tensor([[[[1.0, 5.0, 7.0, 8.0], [2.0, 3.0, 0.0, 0.0]], [[1.0] * 4, [0.0] * 4]]])
    expected = torch.tensor([[5.0, 8.0, 1.0, 1.0]]) / 91.0**0.5
    torch.testing.assert_close(NoPool(2, (2, 4), 2)(x), expected)


def test_the_papers_size_gives_its_25_thousand_dimensions():
    assert NoPool(512, (30, 40), 5).out_dim == 6 * 8 * 512


def test_a_linear_layer_of_identity_changes_nothing():
    x = feature_map(4, 4)
    layer = FullyConnected(CHANNELS, (4, 4), 2, 4 * CHANNELS)
    with torch.no_grad():
        layer.layer.weight.copy_(torch.eye(4 * CHANNELS))
        layer.layer.bias.zero_()
    layer.initialised = True
    torch.testing.assert_close(layer(x), NoPool(CHANNELS, (4, 4), 2)(x))


def test_the_linear_layer_follows_from_the_seed():
    x = feature_map(4, 4)
    found = []
    for seed in (0, 0, 1):
        layer = FullyConnected(CHANNELS, (4, 4), 2, 5)
        with pytest.raises(WeightsError, match=r'no-pool\+FC: the weights are not initialised'):
            layer(x)
        layer.initialise_from(None, seed)
        found.append(layer(x))
    assert torch.equal(found[0], found[1])
    assert not torch.allclose(found[0], found[2], atol=0.1)
    torch.testing.assert_close(found[0].norm(dim=1), torch.ones(2))


@pytest.mark.parametrize('pooling', ['no-pool', 'fc'])
def test_another_size_of_input_is_refused(pooling):
    config = ModelConfig(crop_channels=160, pooling=pooling, local_max=1)
    with torch.device('meta'):
        model = VprModel(config, PreprocessingConfig(width_px=96, height_px=64))
    model.pooling.initialised = True
    assert model(torch.empty(1, 3, 64, 96, device='meta')).shape[1] == model.descriptor_dim
    with pytest.raises(WeightsError, match='expected a feature map of 3x2, found 2x3; without'):
        model(torch.empty(1, 3, 96, 64, device='meta'))


def test_a_feature_map_that_is_too_small_is_refused():
    small = PreprocessingConfig(width_px=320, height_px=96)
    with pytest.raises(ConfigError, match=r'local_max: expected at most 3.*10x3 feature map'):
        VprModel(ModelConfig(pooling='no-pool'), small)


def test_the_size_is_that_of_the_trunk_whatever_its_rounding():
    with torch.device('meta'):
        model = VprModel(
            ModelConfig(pooling='no-pool', local_max=1),
            PreprocessingConfig(width_px=100, height_px=65),
        )
    assert isinstance(model.pooling, NoPool)
    assert model.pooling.size == (3, 4)
    assert isinstance(model.reduction, nn.Identity)
