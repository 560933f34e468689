"""Label maps at the cells of a feature map, and the ones that do not fit."""

import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.config.model import ModelConfig
from ghost_vpr_ros.core.errors import ConfigError, SourceError
from ghost_vpr_ros.core.model.initialisation import (
    build_untrained,
    sample_local_features,
    sample_roles,
)
from ghost_vpr_ros.core.model.label_maps import DYNAMIC, STATIC, VOID, roles_at_cells
from test.core.model.tiny_model import CHANNELS, PREPROCESSING, pictures


def test_each_cell_has_the_label_of_most_of_its_pixels():
    # 4 x 8 pixels, 2 x 2 cells of 2 x 4.
    labels = np.zeros((4, 8), np.uint8)
    labels[:2, :3], labels[0, 0], labels[2:, 4:7], labels[3, 7] = STATIC, DYNAMIC, DYNAMIC, STATIC
    found = roles_at_cells(labels, (32, 64), (2, 2))
    assert found.tolist() == [[STATIC, VOID], [VOID, DYNAMIC]]


def test_scores_are_pooled_by_their_maximum_and_decided_then():
    """One pixel of a cell that is surest outweighs the three others."""
    scores = np.zeros((3, 4, 8), np.float32)
    scores[STATIC] = 1.0
    scores[DYNAMIC, 1, 2], scores[VOID, 3, 7] = 1.5, 3.0
    found = roles_at_cells(scores, (32, 64), (2, 2))
    assert found.tolist() == [[DYNAMIC, STATIC], [STATIC, VOID]]
    with pytest.raises(SourceError, match='label the image'):
        roles_at_cells(scores, (64, 64), (2, 2))


def test_a_map_of_the_cells_own_size_stays_as_it_is():
    labels = np.array([[0, 1, 2], [2, 1, 0]], np.int64)
    # 70 x 96 pixels: rounding of the trunk has changed the aspect ratio.
    assert roles_at_cells(labels, (70, 96), (2, 3)).tolist() == labels.tolist()


def test_rounding_to_whole_pixels_is_no_other_aspect_ratio():
    assert roles_at_cells(np.ones((75, 133), np.uint8), (360, 640), (11, 20)).shape == (11, 20)


@pytest.mark.parametrize('shape', [(64, 96), (96, 64), (64, 67)])
def test_another_aspect_ratio_is_refused(shape):
    with pytest.raises(SourceError, match=f'64x64, found {shape[1]}x{shape[0]}; label the image'):
        roles_at_cells(np.ones(shape, np.uint8), (64, 64), (2, 2))


@pytest.mark.parametrize('labels', [np.full((2, 2), 7), np.ones((2, 2, 3), np.uint8)])
def test_what_is_no_map_of_roles_is_refused(labels):
    with pytest.raises(SourceError, match=r'expected \(H, W\) of 0 \(void\), 1 \(static\)'):
        roles_at_cells(labels, (64, 64), (2, 2))


def test_roles_are_sampled_at_the_cells_of_the_local_features():
    """A trunk that passes its input on: the feature identifies its cell, and so its role."""
    numbers = torch.arange(2.0 * 12 * 12).reshape(2, 1, 12, 12)
    labels = [(numbers[i, 0].numpy() % 3).astype(np.uint8) for i in range(2)]
    features = sample_local_features(torch.nn.Identity(), numbers, seed=4)
    roles = sample_roles(torch.nn.Identity(), numbers, labels, seed=4)
    assert len(roles) == 200
    assert torch.equal(roles.float(), features[:, 0] % 3)


def config(pooling: str = 'sralnet-sc') -> ModelConfig:
    return ModelConfig(crop_channels=CHANNELS, clusters=2, pooling=pooling)


def test_a_network_starts_from_the_roles_of_its_images():
    """Images are static on the left and dynamic on the right; other labels, other centres."""
    left = np.array([[STATIC, DYNAMIC], [STATIC, DYNAMIC]], np.uint8)
    one, other = (
        build_untrained(config(), PREPROCESSING, pictures(12), 0, [labels] * 12)
        for labels in (left, np.fliplr(left))
    )
    assert one.pooling.initialised
    assert one.name.startswith('Ghost-dil-SRALNet-SC(5-2), ')
    assert not torch.allclose(one.pooling.centres, other.pooling.centres, atol=1e-3)


@pytest.mark.parametrize('pooling', ['sralnet-sc', 'ghostvlad-sc'])
def test_without_label_maps_it_is_one_sentence(pooling):
    plain = pooling.removesuffix('-sc')
    with pytest.raises(ConfigError, match=f'{pooling} starts from label maps.* choose {plain}$'):
        build_untrained(config(pooling), PREPROCESSING, pictures(3))


def test_a_label_map_too_few_is_refused():
    labels = [np.ones((2, 2), np.uint8)] * 2
    with pytest.raises(SourceError, match='expected 3, one for each image, found 2'):
        build_untrained(config(), PREPROCESSING, pictures(3), 0, labels)
