"""The network as one object: a sequence of its parts, with a name."""

import pytest
import torch

from ghost_vpr_ros.core.config.model import POOLING_SETTINGS, ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.model.description import POOLING_TITLES
from ghost_vpr_ros.core.model.vpr_model import VprModel
from test.core.model.tiny_model import tiny_model

VGA = PreprocessingConfig(width_px=640, height_px=480)


@pytest.mark.parametrize(
    ('config', 'dim'),
    [
        ({}, 61_440),
        ({'crop_channels': 160}, 10_240),
        ({'clusters': 8}, 7_680),
        ({'descriptor_dim': 512}, 512),
    ],
)
def test_the_descriptors_size_is_k_times_c_or_the_whitened_one(config, dim):
    with torch.device('meta'):
        model = VprModel(ModelConfig(**config), VGA)
    model.pooling.initialised = True
    if config.get('descriptor_dim'):
        model.whitening.fitted = True
    assert model.descriptor_dim == dim
    assert model(torch.empty(2, 3, 480, 640, device='meta')).shape == (2, dim)


def test_the_descriptor_is_that_of_trunk_pooling_and_whitening_in_a_row():
    model = tiny_model(descriptor_dim=6)
    batch = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        by_parts = model.whitening(model.pooling(model.backbone(batch)))
        assert torch.equal(model(batch), by_parts)


@pytest.mark.parametrize(
    ('config', 'name'),
    [
        ({}, 'Ghost-dil-NetVLAD(5-2), 640x480, 61440-D'),
        ({'dilation': (1, 1)}, 'Ghost-NetVLAD, 640x480, 61440-D'),
        ({'descriptor_dim': 256}, 'Ghost-dil-NetVLAD(5-2), 640x480, 256-D'),
        (
            {'clusters': 32, 'crop_channels': 160},
            'Ghost-dil-NetVLAD(5-2), crop_channels=160, clusters=32, 640x480, 5120-D',
        ),
    ],
)
def test_the_name_says_network_input_and_size(config, name):
    with torch.device('meta'):
        assert VprModel(ModelConfig(**config), VGA).name == name


@pytest.mark.parametrize('pooling', POOLING_SETTINGS)
def test_a_pooling_has_one_name_with_and_without_torch(pooling):
    model = VprModel(ModelConfig(pooling=pooling, crop_channels=160), PreprocessingConfig())
    assert POOLING_TITLES[pooling] == model.pooling.label
    assert model.pooling.label in model.name
