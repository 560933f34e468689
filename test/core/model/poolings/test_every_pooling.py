"""What holds for all poolings: size, unit norm, name, weights files, errors."""

import copy
import functools
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.config.model import (
    POOLING_SETTINGS,
    SEMANTIC,
    ModelConfig,
    PreprocessingConfig,
)
from ghost_vpr_ros.core.errors import ConfigError, WeightsError
from ghost_vpr_ros.core.model.initialisation import build_untrained
from ghost_vpr_ros.core.model.label_maps import DYNAMIC, STATIC
from ghost_vpr_ros.core.model.poolings.registry import POOLINGS
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import model_from_bytes, model_to_bytes
from test.core.model.tiny_model import CHANNELS, PREPROCESSING, pictures

NAMES = list(POOLINGS)
SMALL = {
    'clusters': 3,
    'ghost_clusters': 2,
    'shadow_clusters': 2,
    'gem_power': 2.0,
    'pyramid_levels': 2,
    'local_max': 1,
    'fc_dim': 7,
}
"""Settings of small poolings; each has only some of them."""

DIMS = {
    **dict.fromkeys(('netvlad', 'vlad', 'ghostvlad', 'crn', 'sralnet'), 3 * CHANNELS),
    **dict.fromkeys(('ghostvlad-sc', 'sralnet-sc'), 3 * CHANNELS),
    **dict.fromkeys(('max', 'sum', 'gem', 'apanet', 'rmac'), CHANNELS),
    'spe-netvlad': 5 * 3 * CHANNELS,
    'no-pool': 4 * CHANNELS,
    'netvlad-fc': 7,
    'fc': 7,
}

LABELS = {
    **{'netvlad': 'NetVLAD', 'vlad': 'VLAD', 'max': 'Max', 'sum': 'Sum', 'gem': 'GeM'},
    **{'ghostvlad': 'GhostVLAD', 'ghostvlad-sc': 'GhostVLAD-SC', 'crn': 'CRN'},
    **{'sralnet': 'SRALNet', 'sralnet-sc': 'SRALNet-SC', 'spe-netvlad': 'SPE-NetVLAD'},
    **{'apanet': 'APANet', 'rmac': 'R-MAC', 'no-pool': 'no-pool', 'fc': 'no-pool+FC'},
    'netvlad-fc': 'NetVLAD+FC',
}


def small_config(pooling: str, **changed) -> ModelConfig:
    own = {name: SMALL[name] for name in POOLING_SETTINGS[pooling] if name in SMALL}
    return ModelConfig(
        **{'pooling': pooling, 'crop_channels': CHANNELS, 'dilation': (1, 1), **own, **changed}
    )


def label_maps(count: int) -> Iterator[np.ndarray]:
    """The left half is static, the right half dynamic."""
    return iter([np.array([[STATIC, DYNAMIC]] * 2, np.uint8)] * count)


def built(pooling: str, **changed) -> VprModel:
    """A small network that ends in this pooling, from 6 pictures with 4 local features each."""
    maps = label_maps(6) if pooling.endswith(SEMANTIC) else None
    return build_untrained(small_config(pooling, **changed), PREPROCESSING, pictures(6), 0, maps)


def small_model(pooling: str) -> VprModel:
    """The same, built once and copied then."""
    return copy.deepcopy(_built_once(pooling))


@functools.cache
def _built_once(pooling: str) -> VprModel:
    return built(pooling)


def inputs() -> torch.Tensor:
    return torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(5))


def test_names_are_the_same_everywhere():
    assert list(POOLINGS) == list(POOLING_SETTINGS)
    assert set(NAMES) == set(DIMS) == set(LABELS)


@pytest.mark.parametrize('pooling', NAMES)
def test_a_weights_file_gives_the_same_descriptors_of_unit_norm(pooling):
    model = small_model(pooling)
    with torch.no_grad():
        found = model(inputs())
        again = model_from_bytes(model_to_bytes(model), 'here')
        assert torch.equal(again(inputs()), found)
    assert found.shape == (3, DIMS[pooling])
    assert model.descriptor_dim == model.pooling.out_dim == DIMS[pooling]
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3))
    assert not torch.allclose(found[0], found[1], atol=1e-4)
    assert again.model_hash == model.model_hash
    assert again.name == model.name
    assert model.name.startswith(f'Ghost-{LABELS[pooling]}, ')


@pytest.mark.parametrize('pooling', NAMES)
def test_every_number_follows_from_the_seed(pooling):
    expected = small_model(pooling).model_hash
    with torch.random.fork_rng():
        torch.manual_seed(2)
        assert built(pooling).model_hash == expected


@pytest.mark.parametrize('pooling', ['gem', 'rmac', 'crn', 'spe-netvlad', 'fc'])
def test_reduction_and_whitening_go_with_any_pooling(pooling):
    model = built(pooling, reduced_channels=5, descriptor_dim=3)
    with torch.no_grad():
        found = model(inputs())
    assert found.shape == (3, 3)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3))


def test_an_older_file_is_netvlad_and_keeps_its_text():
    config = ModelConfig(crop_channels=CHANNELS, clusters=2)
    with torch.device('meta'):
        text = VprModel(config, PREPROCESSING).describe_configuration()['config']
    assert 'pooling' not in text
    assert 'gem_power' not in text
    assert config.pooling == 'netvlad'


def test_the_dilation_stands_in_the_name_of_every_pooling():
    with torch.device('meta'):
        model = VprModel(ModelConfig(pooling='gem', gem_power=4.0), PREPROCESSING)
    assert model.name == 'Ghost-dil-GeM(5-2), gem_power=4.0, 64x64, 960-D'


@pytest.mark.parametrize(
    ('settings', 'sentence'),
    [
        ({'pooling': 'netvald'}, "pooling: expected one of netvlad.*; did you mean 'netvlad'"),
        ({'pooling': 'srlnet-sc'}, "did you mean 'sralnet-sc'"),
        ({'pooling': 'xyz'}, "fc, found 'xyz'$"),
        ({'pooling': 'gem', 'clusters': 8}, 'clusters: not a setting of pooling gem, expected 64'),
        ({'gem_power': 2.0}, 'gem_power: not a setting of pooling netvlad'),
        ({'pooling': 'sralnet', 'ghost_clusters': 2}, 'ghost_clusters: not a setting of pooling'),
    ],
)
def test_what_does_not_fit_is_one_sentence(settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        ModelConfig(**settings)


def test_weights_of_another_pooling_are_refused():
    data = model_to_bytes(small_model('ghostvlad'))
    other = data.replace(b'ghostvlad', b'sralnet  ')
    with pytest.raises(WeightsError):
        model_from_bytes(other, 'here')


def test_local_maxima_of_their_default_need_a_larger_input():
    with pytest.raises(ConfigError, match='expected at most 2, the shorter side of the 2x2'):
        VprModel(ModelConfig(pooling='no-pool'), PREPROCESSING)
    large = PreprocessingConfig(width_px=640, height_px=480)
    with torch.device('meta'):
        assert VprModel(ModelConfig(pooling='no-pool'), large).descriptor_dim == 3 * 4 * 960


def test_parameters_of_poolings_at_their_defaults():
    """960 channels, 64 clusters; worked out from the equations."""
    vga = PreprocessingConfig(width_px=640, height_px=480)
    c, k = 960, 64
    netvlad = 2 * k * c + k
    expected = {
        'netvlad': netvlad,
        'vlad': k * c,
        'gem': 1,
        'ghostvlad': netvlad + 8 * (c + 1),
        'crn': netvlad + c * (9 * 32 + 25 * 32 + 49 * 20) + 84 + 84 + 1,
        'sralnet': netvlad + 4 * k * (c + 1),
        'spe-netvlad': netvlad,
        'apanet': c + c * c + c,
        **dict.fromkeys(('max', 'sum', 'rmac', 'no-pool'), 0),
        'fc': 3 * 4 * c * 4096 + 4096,
        'netvlad-fc': netvlad + k * c * 4096 + 4096,
    }
    for pooling, count in expected.items():
        with torch.device('meta'):
            layer = VprModel(ModelConfig(pooling=pooling), vga).pooling
        assert sum(p.numel() for p in layer.parameters()) == count, pooling
    assert math.isclose(expected['netvlad'], 122_944)
