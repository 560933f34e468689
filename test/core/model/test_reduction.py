"""The 1x1 reduction before the pooling: PCA at its start, strict, and absent where not wanted."""

import json

import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.config.model import ModelConfig
from ghost_vpr_ros.core.errors import ConfigError, SourceError, WeightsError
from ghost_vpr_ros.core.model.initialisation import initialise_pooling, sample_local_features
from ghost_vpr_ros.core.model.reduction import Reduction
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import model_from_bytes, model_to_bytes
from ghost_vpr_ros.core.preprocessing import preprocess
from test.core.model.tiny_model import PREPROCESSING, pictures, tiny_model


def unit_features(num: int = 50, channels: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    spread = 0.5 ** torch.arange(channels)
    features = torch.randn(num, channels, generator=generator) * spread + 0.3
    return torch.nn.functional.normalize(features, dim=1)


def initialised(out_channels: int, features: torch.Tensor) -> Reduction:
    layer = Reduction(features.shape[1], out_channels)
    layer.initialise(features)
    return layer


def network_inputs(count: int) -> torch.Tensor:
    return torch.from_numpy(
        np.concatenate([preprocess(i, PREPROCESSING) for i in pictures(count)])
    )


def test_it_starts_as_pca_of_the_local_features():
    features = unit_features()
    layer = initialised(3, features)
    centred = features.double().numpy() - features.double().numpy().mean(axis=0)
    directions = np.linalg.svd(centred, full_matrices=False)[2][:3]
    with torch.no_grad():
        found = layer(features[:, :, None, None]).flatten(1).numpy()
    np.testing.assert_allclose(np.abs(found), np.abs(centred @ directions.T), atol=1e-5)


def test_the_share_of_the_variance_that_is_kept_is_that_of_the_singular_values():
    features = unit_features()
    share = Reduction(6, 2).initialise(features)
    variance = np.linalg.svd((features - features.mean(0)).numpy(), compute_uv=False) ** 2
    assert share == pytest.approx(variance[:2].sum() / variance.sum(), rel=1e-5)


def test_each_location_is_multiplied_by_the_same_matrix():
    layer = initialised(3, unit_features())
    feature_map = torch.rand(2, 6, 3, 4, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        weight, bias = layer.projection.weight[:, :, 0, 0], layer.projection.bias
        by_hand = weight @ feature_map[1, :, 2, 3] + bias
        torch.testing.assert_close(layer(feature_map)[1, :, 2, 3], by_hand)


def test_without_initialisation_it_refuses_to_run():
    with pytest.raises(WeightsError, match='reduction: the projection is not initialised'):
        Reduction(6, 3)(torch.ones(1, 6, 2, 2))


def test_local_features_that_span_too_little_are_refused():
    flat = torch.nn.functional.pad(unit_features(channels=2), (0, 4))
    with pytest.raises(SourceError, match='at least 3 directions, found 2 in 50 local features'):
        initialised(3, flat)
    with pytest.raises(SourceError, match='found 0 in 4 local features'):
        initialised(1, torch.full((4, 6), 0.4))


def test_the_network_pools_reduced_local_features():
    model = tiny_model(reduced_channels=8)
    assert model.descriptor_dim == 4 * 8
    inputs = network_inputs(12)
    with torch.no_grad():
        by_parts = model.pooling(model.reduction(model.backbone(inputs)))
        assert torch.equal(model(inputs), by_parts)


def test_the_centres_are_means_of_reduced_local_features():
    model = tiny_model(reduced_channels=8)
    raw = sample_local_features(model.backbone, network_inputs(12), seed=0)
    with torch.no_grad():
        reduced = model.reduction(raw[:, :, None, None]).flatten(1)
    features = torch.nn.functional.normalize(reduced, dim=1)
    centres = model.pooling.centres.data
    nearest = torch.cdist(features, centres).argmin(dim=1)
    for k, centre in enumerate(centres):
        torch.testing.assert_close(features[nearest == k].mean(dim=0), centre, atol=1e-4, rtol=0)


def test_new_clusters_keep_a_reduction_that_has_numbers():
    model = tiny_model(reduced_channels=8)
    before = model.model_hash
    weight = model.reduction.projection.weight.detach().clone()
    initialise_pooling(model, network_inputs(12), seed=0)
    assert model.model_hash == before
    model.reduction.set_projection(2.0 * weight[:, :, 0, 0], torch.zeros(8))
    initialise_pooling(model, network_inputs(12), seed=0)
    assert torch.equal(model.reduction.projection.weight, 2.0 * weight)


def test_saved_and_loaded_it_describes_bit_by_bit_as_before():
    saved = tiny_model(reduced_channels=8, descriptor_dim=5)
    loaded = model_from_bytes(model_to_bytes(saved), 'here')
    inputs = network_inputs(3)
    with torch.no_grad():
        assert torch.equal(loaded(inputs), saved(inputs))
    assert (loaded.config, loaded.model_hash) == (saved.config, saved.model_hash)
    assert 'reduced_channels=8' in loaded.name


def test_a_loaded_network_without_initialisation_refuses_to_run():
    config = ModelConfig(crop_channels=160, clusters=2, reduced_channels=8)
    blank = VprModel(config, PREPROCESSING)
    blank.pooling.initialised = True
    with pytest.raises(WeightsError, match='reduction'):
        model_from_bytes(model_to_bytes(blank), 'here')(network_inputs(1))


def test_without_reduction_file_and_hash_are_those_of_before_there_was_one():
    """Old weights files and maps carry hashes over a configuration without this setting."""
    model = tiny_model()
    texts = model.describe_configuration()
    assert 'reduced_channels' not in json.loads(texts['config'])
    assert set(json.loads(texts['preprocessing'])) == {'width_px', 'height_px', 'mean', 'std'}
    assert not any(name.startswith('reduction') for name in model.state_dict())
    assert model_from_bytes(model_to_bytes(model), 'here').config.reduced_channels == 0


def test_more_channels_than_the_trunk_has_are_refused():
    with pytest.raises(ConfigError, match='at most crop_channels 160, found 200'):
        ModelConfig(crop_channels=160, reduced_channels=200)
