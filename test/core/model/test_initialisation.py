"""Networks without training: they follow from the seed and the images, and from nothing else."""

import math

import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.errors import ConfigError, SourceError
from ghost_vpr_ros.core.model import initialisation, kmeans
from ghost_vpr_ros.core.model.initialisation import (
    build_untrained,
    initialise_pooling,
    sample_local_features,
)
from ghost_vpr_ros.core.preprocessing import preprocess
from test.core.model.tiny_model import CHANNELS, PREPROCESSING, pictures, tiny_model


def network_inputs(count: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(
        np.concatenate([preprocess(image, PREPROCESSING) for image in pictures(count, seed)])
    )


@pytest.mark.parametrize('seed', [0, -1, -7, 2**31, 2**40])
def test_the_same_seed_and_images_give_the_same_model(seed):
    assert tiny_model(seed).model_hash == tiny_model(seed).model_hash


def test_other_seeds_give_other_models():
    assert len({tiny_model(seed).model_hash for seed in range(3)}) == 3


def test_torchs_global_random_numbers_have_no_part_in_it():
    torch.manual_seed(1)
    first = tiny_model(descriptor_dim=4).model_hash
    torch.manual_seed(2)
    assert tiny_model(descriptor_dim=4).model_hash == first


def test_torchs_global_random_numbers_are_left_alone():
    before = torch.get_rng_state()
    tiny_model(descriptor_dim=4)
    assert torch.equal(torch.get_rng_state(), before)


def test_other_images_move_the_clusters_and_leave_the_trunk():
    one, two = (
        build_untrained(ModelConfig(clusters=4), PREPROCESSING, pictures(6, seed))
        for seed in (0, 1)
    )
    trunks = zip(one.backbone.parameters(), two.backbone.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in trunks)
    assert not torch.equal(one.pooling.centres, two.pooling.centres)


def unit_features(model, inputs):
    features = sample_local_features(model.backbone, inputs, seed=0)
    return torch.nn.functional.normalize(features, dim=1)


@pytest.mark.parametrize('version', ['v1', 'v2'])
def test_the_two_largest_assignments_differ_by_a_factor_of_100_on_average(version):
    model = tiny_model(netvlad_version=version)
    inputs = network_inputs(12)
    initialise_pooling(model, inputs, seed=0)
    features = unit_features(model, inputs)
    with torch.no_grad():
        scores = model.pooling.assignment(features[:, :, None, None]).flatten(1)
    largest = scores.double().softmax(dim=1).topk(2, dim=1).values
    assert (largest[:, 0] / largest[:, 1]).log().mean().item() == pytest.approx(
        math.log(100.0), rel=1e-3
    )


def test_the_centres_are_means_of_the_local_features_nearest_to_them():
    model = tiny_model()
    features = unit_features(model, network_inputs(12))
    centres = model.pooling.centres.data
    nearest = torch.cdist(features, centres).argmin(dim=1)
    for k, centre in enumerate(centres):
        torch.testing.assert_close(features[nearest == k].mean(dim=0), centre, atol=1e-4, rtol=0)


def test_every_sampled_feature_takes_part_in_the_clustering(monkeypatch):
    """The faiss default would keep 256 a cluster and learn from those alone."""
    seen = {}

    class Spy(kmeans.faiss.Kmeans):
        def train(self, x):
            seen['all'] = len(x) <= self.k * self.cp.max_points_per_centroid
            return super().train(x)

    monkeypatch.setattr(kmeans.faiss, 'Kmeans', Spy)
    model = tiny_model()
    monkeypatch.setattr(
        initialisation, 'sample_local_features', lambda *_: torch.rand(1500, CHANNELS)
    )
    initialise_pooling(model, network_inputs(1), seed=0)
    assert seen['all']


def test_local_features_are_of_the_feature_map_each_at_most_once():
    model = tiny_model()
    inputs = network_inputs(3)
    features = sample_local_features(model.backbone, inputs, seed=0)
    assert features.shape == (3 * 4, CHANNELS)  # 64 x 64 pixels give 2 x 2 locations.
    with torch.no_grad():
        maps = model.backbone(inputs)
    everything = maps.flatten(2).transpose(1, 2).reshape(12, CHANNELS)
    matches = torch.cdist(features, everything) < 1e-5
    assert matches.sum(dim=0).tolist() == [1] * 12


def test_a_large_feature_map_gives_100_local_features():
    image_map = torch.rand(2, 8, 15, 20, generator=torch.Generator().manual_seed(0))
    features = sample_local_features(torch.nn.Identity(), image_map, seed=0)
    assert features.shape == (200, 8)
    first_image = image_map[0].flatten(1).T
    same = (features[:100, None] == first_image[None]).all(dim=2)
    assert same.any(dim=1).all()
    assert same.sum(dim=0).max() == 1


def test_the_model_is_in_evaluation_mode_with_unit_norm_descriptors():
    model = tiny_model(descriptor_dim=5)
    with torch.no_grad():
        descriptors = model(network_inputs(3, seed=9))
    assert not model.training
    assert descriptors.shape == (3, 5)
    torch.testing.assert_close(descriptors.norm(dim=1), torch.ones(3))


def test_the_provenance_names_seed_and_number_of_images():
    assert tiny_model(3, images=5).provenance == 'untrained, seed 3, 5 images'


def test_no_image_is_refused():
    with pytest.raises(SourceError, match='expected at least one image, found none'):
        build_untrained(ModelConfig(), PREPROCESSING, [])


def test_too_few_local_features_are_refused():
    with pytest.raises(SourceError, match='at least K = 64 local features, found 8;'):
        build_untrained(ModelConfig(), PREPROCESSING, pictures(2))


def test_too_few_images_for_the_whitening_are_refused():
    with pytest.raises(ConfigError, match='at least D = 12 directions, found 11 in 12 images'):
        tiny_model(descriptor_dim=12)


def test_images_that_are_all_alike_are_refused():
    grey = np.full((64, 64, 3), 128, np.uint8)
    small = PreprocessingConfig(width_px=32, height_px=32)
    with pytest.raises((SourceError, ConfigError)):
        build_untrained(ModelConfig(clusters=4, descriptor_dim=2), small, [grey] * 8)


def test_no_more_images_are_read_than_are_used(monkeypatch):
    monkeypatch.setattr(initialisation, 'MAX_INITIALISATION_IMAGES', 5)
    source = iter(pictures(9))
    model = build_untrained(ModelConfig(clusters=2), PREPROCESSING, source)
    assert model.provenance.endswith('5 images')
    assert len(list(source)) == 4
