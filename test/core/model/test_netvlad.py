"""NetVLAD against numbers worked by hand, its limits, and its invariances."""

import copy
import math

import pytest
import torch
from torch import Tensor

from ghost_vpr_ros.core.errors import SourceError, WeightsError
from ghost_vpr_ros.core.model.netvlad import NetVLAD

LN_100 = math.log(100.0)


def unit_features(count: int, channels: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(count, channels, generator=generator)
    return torch.nn.functional.normalize(features, dim=1)


def some_clusters(clusters: int, channels: int) -> Tensor:
    """Centres off the unit sphere, as k-means gives them, of different lengths."""
    return unit_features(clusters, channels, seed=7) * torch.linspace(0.5, 0.9, clusters)[:, None]


def initialised(clusters: int = 5, channels: int = 6, version: str = 'v2') -> NetVLAD:
    layer = NetVLAD(channels, clusters, version)
    layer.initialise(some_clusters(clusters, channels), unit_features(200, channels))
    return layer


def feature_map(channels: int = 6, size: tuple[int, int] = (3, 4), seed: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, channels, *size, generator=generator)


def by_hand_layer(version: str) -> NetVLAD:
    """C = 2, K = 2, centres (1, 0) and (0, 0.5), alpha = 2: w and b typed in from the equations.

    v2: w = 2 alpha c = (4, 0), (0, 2); b = -alpha ||c||^2 = -2, -0.5.
    v1: w = alpha c / ||c|| = (2, 0), (0, 2); no bias.
    """
    layer = NetVLAD(2, 2, version)
    weight = [[4.0, 0.0], [0.0, 2.0]] if version == 'v2' else [[2.0, 0.0], [0.0, 2.0]]
    with torch.no_grad():
        layer.centres.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.5]]))
        layer.assignment.weight.copy_(torch.tensor(weight)[:, :, None, None])
        if layer.assignment.bias is not None:
            layer.assignment.bias.copy_(torch.tensor([-2.0, -0.5]))
    layer.initialised = True
    return layer


def assert_matches_hand_numbers(layer: NetVLAD, exponents: list[tuple[float, float]]) -> None:
    """Two locations, (3, 4) and (0, 2), whose unit vectors are (0.6, 0.8) and (0, 1)."""
    blocks = [[0.0, 0.0], [0.0, 0.0]]
    for (x, y), (s_1, s_2) in zip([(0.6, 0.8), (0.0, 1.0)], exponents, strict=True):
        a_1 = math.exp(s_1) / (math.exp(s_1) + math.exp(s_2))
        a_2 = 1.0 - a_1
        blocks[0][0] += a_1 * (x - 1.0)
        blocks[0][1] += a_1 * (y - 0.0)
        blocks[1][0] += a_2 * (x - 0.0)
        blocks[1][1] += a_2 * (y - 0.5)
    # Each block to unit norm, then both together: a division by the square root of 2.
    expected = [v / math.hypot(*block) / math.sqrt(2.0) for block in blocks for v in block]
    found = layer(torch.tensor([[[[3.0, 0.0]], [[4.0, 2.0]]]]))
    torch.testing.assert_close(found, torch.tensor([expected]))


def test_v2_gives_the_numbers_worked_by_hand():
    # -alpha ||x - c_k||^2, without the common -alpha ||x||^2:
    # x = (0.6, 0.8): 4 * 0.6 - 2 = 0.4 and 2 * 0.8 - 0.5 = 1.1; x = (0, 1): -2 and 1.5.
    assert_matches_hand_numbers(by_hand_layer('v2'), [(0.4, 1.1), (-2.0, 1.5)])


def test_v1_gives_the_numbers_worked_by_hand():
    # alpha times the cosine to each centre: 2 * 0.6 and 2 * 0.8; 0 and 2 * 1.
    assert_matches_hand_numbers(by_hand_layer('v1'), [(1.2, 1.6), (0.0, 2.0)])


def test_v2_assigns_by_the_softmax_of_squared_distances_to_the_centres():
    layer = initialised()
    x = unit_features(30, 6, seed=5)
    alpha = -layer.assignment.bias[0] / layer.centres[0].square().sum()
    distances = torch.stack([(x - c).square().sum(dim=1) for c in layer.centres], dim=1)
    torch.testing.assert_close(assignments(layer, x), (-alpha * distances).softmax(dim=1))


def assignments(layer: NetVLAD, features: Tensor) -> Tensor:
    """(N, K) of (N, C), from the layer's own convolution."""
    with torch.no_grad():
        return layer.assignment(features[:, :, None, None]).flatten(1).softmax(dim=1)


def test_v2_sets_weight_and_bias_from_alpha_and_the_centres():
    layer = NetVLAD(6, 5)
    centres = some_clusters(5, 6)
    alpha = layer.initialise(centres, unit_features(200, 6))
    torch.testing.assert_close(layer.assignment.weight[:, :, 0, 0], 2.0 * alpha * centres)
    torch.testing.assert_close(layer.assignment.bias, -alpha * centres.norm(dim=1) ** 2)
    torch.testing.assert_close(layer.centres.data, centres)


def test_v1_sets_the_weight_to_alpha_times_the_centre_of_unit_length():
    layer = NetVLAD(6, 5, 'v1')
    centres = some_clusters(5, 6)
    alpha = layer.initialise(centres, unit_features(200, 6))
    expected = alpha * centres / centres.norm(dim=1, keepdim=True)
    torch.testing.assert_close(layer.assignment.weight[:, :, 0, 0], expected)
    assert layer.assignment.bias is None


@pytest.mark.parametrize('version', ['v1', 'v2'])
def test_the_two_largest_assignments_differ_by_a_factor_of_100_on_average(version):
    features = unit_features(200, 6)
    layer = NetVLAD(6, 5, version)
    layer.initialise(some_clusters(5, 6), features)
    largest = assignments(layer.double(), features.double()).topk(2, dim=1).values
    log_ratio = (largest[:, 0] / largest[:, 1]).log().mean().item()
    assert log_ratio == pytest.approx(LN_100, rel=1e-4)


def test_weight_bias_and_centres_are_independent_parameters():
    names = {name for name, _ in NetVLAD(6, 5).named_parameters()}
    assert names == {'assignment.weight', 'assignment.bias', 'centres'}
    assert {name for name, _ in NetVLAD(6, 5, 'v1').named_parameters()} == names - {
        'assignment.bias'
    }


def test_a_large_alpha_gives_vlad_with_hard_assignment():
    layer = initialised()
    with torch.no_grad():
        layer.assignment.weight.mul_(1e4)
        layer.assignment.bias.mul_(1e4)
    inputs = feature_map()
    found = layer(inputs)
    for image, descriptor in zip(inputs, found, strict=True):
        torch.testing.assert_close(descriptor, hard_vlad(image, layer.centres.data))


def hard_vlad(image: Tensor, centres: Tensor) -> Tensor:
    """Eq. 1 of the paper by loops: residuals to the nearest centre, intra-normalised."""
    blocks = torch.zeros_like(centres)
    for location in image.flatten(1).T:
        x = location / location.norm()
        nearest = int((centres - x).norm(dim=1).argmin())
        blocks[nearest] += x - centres[nearest]
    norms = blocks.norm(dim=1, keepdim=True)
    blocks = torch.where(norms > 0, blocks / norms, blocks)
    return blocks.flatten() / blocks.norm()


def test_the_order_of_locations_does_not_matter():
    layer = initialised()
    inputs = feature_map(size=(1, 12))
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(layer(inputs[:, :, :, order]), layer(inputs))


def test_the_length_of_a_local_feature_does_not_matter():
    layer = initialised()
    inputs = feature_map()
    lengths = torch.rand(2, 1, 3, 4, generator=torch.Generator().manual_seed(2)) + 0.1
    torch.testing.assert_close(layer(inputs * lengths), layer(inputs))


@pytest.mark.parametrize('version', ['v1', 'v2'])
def test_every_cluster_has_an_equal_share_of_the_norm(version):
    descriptors = initialised(version=version)(feature_map())
    blocks = descriptors.reshape(2, 5, 6).norm(dim=2)
    torch.testing.assert_close(blocks, torch.full((2, 5), 1.0 / math.sqrt(5.0)))


@pytest.mark.parametrize('version', ['v1', 'v2'])
def test_descriptors_have_unit_norm_and_k_times_c_numbers(version):
    descriptors = initialised(version=version)(feature_map())
    assert descriptors.shape == (2, 30)
    torch.testing.assert_close(descriptors.norm(dim=1), torch.ones(2))


def test_images_of_a_batch_do_not_mix():
    layer = initialised()
    inputs = feature_map()
    apart = torch.cat([layer(image[None]) for image in inputs])
    torch.testing.assert_close(layer(inputs), apart)


def test_a_dark_feature_map_gives_finite_numbers():
    assert initialised()(torch.zeros(1, 6, 3, 4)).isfinite().all()


def test_without_clusters_the_layer_refuses_to_run():
    with pytest.raises(WeightsError, match='clusters are not initialised'):
        NetVLAD(6, 5)(feature_map())


@pytest.mark.parametrize('version', ['v1', 'v2'])
def test_gradients_of_input_and_parameters_match_finite_differences(version):
    layer = initialised(clusters=3, channels=4, version=version).double()
    # Gentle assignments: at the initial alpha most of them have no gradient to speak of.
    with torch.no_grad():
        layer.assignment.weight.mul_(0.1)
    inputs = feature_map(channels=4, size=(2, 2)).double().requires_grad_()
    names, values = zip(*layer.named_parameters(), strict=True)

    def descriptors(x: Tensor, *parameters: Tensor) -> Tensor:
        named = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(layer, named, x)

    assert torch.autograd.gradcheck(descriptors, (inputs, *values))


def test_a_copy_is_as_initialised_as_the_original():
    layer = initialised()
    torch.testing.assert_close(copy.deepcopy(layer)(feature_map()), layer(feature_map()))


@pytest.mark.parametrize('version', ['v1', 'v2'])
def test_local_features_that_are_all_alike_cannot_set_alpha(version):
    alike = torch.tensor([[1.0, 0.0]])
    with pytest.raises(SourceError, match='expected local features that differ'):
        NetVLAD(2, 3, version).initialise(alike.repeat(3, 1), alike.repeat(20, 1))
