"""Maps of several rows of a trunk, joined before one pooling or pooled side by side."""

import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.config.model import ROW_CHANNELS, ModelConfig
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.model.backbones import build_backbone
from ghost_vpr_ros.core.model.joined_maps import JoinedMaps
from ghost_vpr_ros.core.model.netvlad import vlad
from ghost_vpr_ros.core.model.weights import model_from_bytes, model_to_bytes
from test.core.model.tiny_model import tiny_model

STRIDES = {
    'ghostcnn': {9: 16, 11: 16, 16: 32},
    'mobilenet_v3_large': {9: 16, 12: 16, 15: 32},
    'resnet18': {5: 8, 6: 16},
    'vgg16': {21: 8, 28: 16},
    'alexnet': {6: 16, 10: 16},
}


@pytest.mark.parametrize('name', STRIDES)
def test_rows_have_the_channels_and_strides_that_the_configuration_counts_on(name):
    rows = tuple(STRIDES[name])
    trunk = build_backbone(ModelConfig(backbone=name, rows=rows)).eval()
    with torch.no_grad():
        maps = trunk.row_maps(torch.zeros(1, 3, 128, 192), rows)
        joined = trunk(torch.zeros(1, 3, 128, 192))
    for row, each in zip(rows, maps, strict=True):
        assert each.shape[1] == ROW_CHANNELS[name][row]
        if name != 'alexnet':
            assert each.shape[2:] == (128 // STRIDES[name][row], 192 // STRIDES[name][row])
    assert joined.shape == (1, trunk.out_channels, *maps[0].shape[2:])


@pytest.mark.parametrize('name', ROW_CHANNELS)
def test_every_row_that_can_be_named_has_the_channels_of_the_table(name):
    rows = tuple(ROW_CHANNELS[name])
    trunk = build_backbone(ModelConfig(backbone=name, rows=rows)).eval()
    with torch.no_grad():
        maps = trunk.row_maps(torch.zeros(1, 3, 96, 96), rows)
    assert [each.shape[1] for each in maps] == list(ROW_CHANNELS[name].values())


def test_a_trunk_ends_at_its_last_row():
    trunk = build_backbone(ModelConfig(rows=(9, 14)))
    assert len(trunk.trunk_parts()) == 15
    longer = build_backbone(ModelConfig()).state_dict()
    own = {name for name in trunk.state_dict() if not name.startswith('joint.')}
    assert own < set(longer)


def test_every_map_has_the_same_weight_in_every_cell():
    joint = JoinedMaps((2, 3))
    fine, coarse = torch.randn(1, 2, 4, 4), 50.0 * torch.randn(1, 3, 2, 2)
    joined = joint([fine, coarse])
    torch.testing.assert_close(joined[:, :2].norm(dim=1), torch.ones(1, 4, 4))
    torch.testing.assert_close(joined[:, 2:].norm(dim=1), torch.ones(1, 4, 4))
    # Cell (3, 0) of the fine map lies in cell (1, 0) of the coarse one.
    expected = coarse[0, :, 1, 0] / coarse[0, :, 1, 0].norm()
    torch.testing.assert_close(joined[0, 2:, 3, 0], expected)


def test_joined_vlads_are_the_vlads_of_the_maps_side_by_side():
    model = tiny_model(rows=(9, 11), join='vlads', reduced_channels=6)
    batch = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        maps = model.feature_map(batch)
        found = model(batch)
        halves = []
        for part, pooling in zip(maps.split(6, dim=1), model.pooling.vlads, strict=True):
            x = torch.nn.functional.normalize(part, dim=1).flatten(2)
            weights = pooling.assignment(x[..., None]).squeeze(3).softmax(dim=1)
            halves.append(vlad(x, weights, pooling.centres))
    torch.testing.assert_close(found, torch.cat(halves, dim=1) / np.sqrt(2.0))
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2))


@pytest.mark.parametrize('join', ['maps', 'vlads'])
def test_a_file_brings_the_network_back(join):
    model = tiny_model(rows=(9, 11, 16), join=join, reduced_channels=6, descriptor_dim=5)
    again = model_from_bytes(model_to_bytes(model), 'file')
    batch = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(again(batch), model(batch))
    assert again.model_hash == model.model_hash
    assert again.config.rows == (9, 11, 16)


@pytest.mark.parametrize(
    ('settings', 'words'),
    [
        ({'rows': (9, 17)}, 'rows of ghostcnn, 1 to 16, found 17'),
        ({'rows': (8, 28), 'backbone': 'vgg16'}, '2, 7, 14, 21, 28, found 8'),
        ({'rows': (9,)}, 'at least two'),
        ({'rows': (11, 9)}, 'ascending'),
        ({'rows': (9, 9)}, 'different'),
        ({'rows': ('9', '11')}, 'whole number'),
        ({'join': 'vlads'}, 'needs rows'),
        ({'join': 'vlads', 'rows': (9, 11), 'pooling': 'gem'}, 'pooling netvlad'),
    ],
)
def test_rows_that_cannot_be_pooled_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        ModelConfig(**settings)
