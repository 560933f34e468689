"""Hard VLAD, GhostVLAD, SRALNet, CRN and SPE-NetVLAD: limits that are NetVLAD, and by hand."""

import math

import pytest
import torch

from ghost_vpr_ros.core.errors import ConfigError, SourceError, WeightsError
from ghost_vpr_ros.core.model.label_maps import DYNAMIC, STATIC, VOID
from ghost_vpr_ros.core.model.netvlad import vlad
from ghost_vpr_ros.core.model.poolings.crn import CRN
from ghost_vpr_ros.core.model.poolings.ghostvlad import GhostVLAD
from ghost_vpr_ros.core.model.poolings.hard_vlad import HardVLAD, hard_vlad
from ghost_vpr_ros.core.model.poolings.netvlad_fc import NetVLADFC
from ghost_vpr_ros.core.model.poolings.pooling import LocalSample
from ghost_vpr_ros.core.model.poolings.semantic_start import least_typical
from ghost_vpr_ros.core.model.poolings.spe_netvlad import SPENetVLAD
from ghost_vpr_ros.core.model.poolings.sralnet import SRALNet
from test.core.model.poolings.layers import (
    CHANNELS,
    CLUSTERS,
    feature_map,
    plain,
    started,
    unit_features,
)

VERSIONS = pytest.mark.parametrize('version', ['v1', 'v2'])


def test_hard_vlad_sums_residuals_to_the_nearest_centre():
    centres = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    # Unit vectors (0.8, 0.6) and (0.6, 0.8), longer by any factor.
    found = hard_vlad(torch.tensor([[[[8.0, 1.2]], [[6.0, 1.6]]]]), centres)
    first = torch.tensor([-0.2, 0.6]) / math.hypot(0.2, 0.6)
    second = torch.tensor([0.6, -0.2]) / math.hypot(0.2, 0.6)
    torch.testing.assert_close(found[0], torch.cat([first, second]) / 2**0.5)


def test_hard_vlad_is_the_limit_of_netvlad_for_a_large_alpha():
    hard, soft = started(HardVLAD(CHANNELS, CLUSTERS)), plain()
    assert torch.equal(hard.centres, soft.centres)
    x = feature_map().double()
    assert not torch.allclose(hard(x), soft(x), atol=1e-3)
    with torch.no_grad():
        soft.assignment.weight.mul_(1e6)
        soft.assignment.bias.mul_(1e6)
    torch.testing.assert_close(hard(x), soft(x))


@VERSIONS
@pytest.mark.parametrize(('variant', 'none_more'), [(GhostVLAD, 0), (SRALNet, 0), (SPENetVLAD, 1)])
def test_without_ghosts_shadows_or_further_levels_it_is_netvlad(version, variant, none_more):
    layer = started(variant(CHANNELS, CLUSTERS, version, none_more))
    x = feature_map().double()
    torch.testing.assert_close(layer(x), plain(version)(x))


def test_ghosts_take_a_share_of_each_location_and_give_nothing():
    layer = started(GhostVLAD(CHANNELS, CLUSTERS, 'v2', 2))
    with torch.no_grad():
        layer.assignment.weight[CLUSTERS:] *= 0.0
        layer.assignment.bias[CLUSTERS:] = torch.tensor([0.5, -0.5])
    x = torch.nn.functional.normalize(feature_map().double(), dim=1)
    scores = layer.assignment(x)[:, :CLUSTERS].exp()
    ghosts = math.exp(0.5) + math.exp(-0.5)
    shares = scores / (scores.sum(dim=1, keepdim=True) + ghosts)
    expected = vlad(x.flatten(2), shares.flatten(2), layer.centres)
    torch.testing.assert_close(layer(x), expected)


def test_sralnet_weighs_each_cluster_by_the_share_of_its_representative():
    """C = 1, K = 2, S = 1, one location: Eqs. 3-4 with scores typed in."""
    layer = SRALNet(1, 2, 'v2', 1)
    with torch.no_grad():
        layer.assignment.weight.zero_()
        layer.assignment.bias.copy_(torch.tensor([1.0, 2.0, 3.0, -1.0]))
    x = torch.ones(1, 1, 1, 1)
    e = math.exp
    alpha = [e(1) / (e(1) + e(2)), e(2) / (e(1) + e(2))]
    beta = [e(1) / (e(1) + e(3)), e(2) / (e(2) + e(-1))]
    expected = torch.tensor([alpha[0] * beta[0], alpha[1] * beta[1]])
    torch.testing.assert_close(layer.weights(x, x).flatten(), expected)


def test_shadows_belong_to_their_own_cluster():
    """Rows behind the K are the first cluster's S shadows, then the second's."""
    layer = started(SRALNet(CHANNELS, CLUSTERS, 'v2', 2))
    x = torch.nn.functional.normalize(feature_map().double(), dim=1)
    before = layer.weights(x, x)
    with torch.no_grad():
        layer.assignment.bias[CLUSTERS + 2 : CLUSTERS + 4] += 50.0
    after = layer.weights(x, x)
    torch.testing.assert_close(after[:, [0, 2]], before[:, [0, 2]])
    assert after[:, 1].max() < 1e-6


def test_crn_with_a_mask_of_ones_is_netvlad():
    layer = started(CRN(CHANNELS, CLUSTERS, 'v2'))
    x = feature_map().double()
    assert not torch.allclose(layer(x), plain()(x), atol=1e-3)
    with torch.no_grad():
        layer.accumulate.weight.zero_()
        layer.accumulate.bias.fill_(1.0)
    torch.testing.assert_close(layer(x), plain()(x))


def test_the_mask_of_crn_weighs_locations():
    layer = started(CRN(CHANNELS, CLUSTERS, 'v2'))
    layer.mask = lambda _: torch.tensor([[[[1.0, 0.0]]]], dtype=torch.float64)
    x = feature_map(1, 2).double()
    torch.testing.assert_close(layer(x), plain()(x[:, :, :, :1]))


def test_the_mask_of_crn_is_a_relu_of_its_filters_upsampled():
    """One filter of 3 x 3 that passes channel 0 of its middle on, on a map that is constant."""
    layer = CRN(CHANNELS, CLUSTERS, 'v2')
    with torch.no_grad():
        for each in (*layer.context, layer.accumulate):
            each.weight.zero_()
            each.bias.zero_()
        layer.context[0].weight[0, 0, 1, 1] = 2.0
        layer.accumulate.weight[0, 0] = 3.0
        layer.accumulate.bias.fill_(-1.0)
    x = torch.full((1, CHANNELS, 5, 4), 0.5)
    torch.testing.assert_close(layer.mask(x), torch.full((1, 1, 5, 4), 2.0))
    assert layer.mask(-x).max() == 0.0


def test_spe_netvlad_stacks_the_netvlads_of_its_cells():
    layer = started(SPENetVLAD(CHANNELS, CLUSTERS, 'v2', 2))
    x = feature_map(4, 6).double()
    cells = [x, x[:, :, :2, :3], x[:, :, :2, 3:], x[:, :, 2:, :3], x[:, :, 2:, 3:]]
    expected = torch.cat([plain()(cell) for cell in cells], dim=1) / 5**0.5
    assert layer.out_dim == 5 * CLUSTERS * CHANNELS
    torch.testing.assert_close(layer(x), expected)


def test_the_least_typical_lie_farthest_from_their_centre():
    centres = torch.eye(2)
    angles = torch.linspace(0.0, math.pi / 4.0, 30)
    features = torch.stack([angles.cos(), angles.sin()], dim=1)
    assert torch.equal(least_typical(features, centres, 0), features[[29, 28, 27]])
    assert len(least_typical(features, centres, 20)) == 20
    assert len(least_typical(features, centres, 40)) == 30


def street() -> torch.Tensor:
    """(2000, 32) local features, unit norm: 8 tight clusters and a tenth that fits none."""
    centres = unit_features(8, seed=1, channels=32)
    typical = centres.repeat(225, 1) + 0.2 * unit_features(1800, seed=2, channels=32)
    return torch.nn.functional.normalize(
        torch.cat([typical, unit_features(200, seed=3, channels=32)]), dim=1
    )


@VERSIONS
@pytest.mark.parametrize('kind', [GhostVLAD, SRALNet])
def test_what_is_left_out_is_alive_from_the_first_step(kind, version):
    """Ghosts and shadows take more than 1 % in, and their gradients are like the others'."""
    layer, features = kind(32, 8, version, 4), street()
    layer.initialise_from(LocalSample(features), 0)
    cells = features.T.reshape(1, 32, 40, 50)
    all_of_it = layer.assignment(cells)[:, :8].softmax(dim=1).sum()
    kept = layer.weights(cells, cells).sum()
    assert 0.01 < 1.0 - kept / all_of_it < 0.3
    (layer(cells)[0, :100].sum()).backward()
    rows = layer.assignment.weight.grad.flatten(1).norm(dim=1)
    assert rows[8:].mean() > 1e-2 * rows[:8].mean()


def test_the_reduction_starts_as_orthogonal_rows_behind_netvlad():
    layer = started(NetVLADFC(CHANNELS, CLUSTERS, 'v2', 5))
    weight = layer.layer.weight
    torch.testing.assert_close(
        weight @ weight.T, torch.eye(5, dtype=weight.dtype), atol=1e-5, rtol=0
    )
    x = feature_map().double()
    expected = torch.nn.functional.normalize(plain()(x) @ weight.T, dim=1)
    torch.testing.assert_close(layer(x), expected)


def test_the_reduction_only_makes_smaller():
    with pytest.raises(ConfigError, match='fc_dim: expected at most 18'):
        NetVLADFC(CHANNELS, CLUSTERS, 'v2', 19)


def labelled() -> LocalSample:
    """Static features along axes 0 and 1, dynamic ones along 2, 3 and 4, void along 5."""
    axes = torch.eye(CHANNELS)
    rows = [0] * 20 + [1] * 20 + [2] * 20 + [3] * 20 + [4] * 20 + [5] * 20
    jitter = 0.01 * unit_features(len(rows), seed=9)
    features = torch.nn.functional.normalize(axes[rows] + jitter, dim=1)
    roles = torch.tensor([STATIC] * 40 + [DYNAMIC] * 60 + [VOID] * 20, dtype=torch.uint8)
    return LocalSample(features, roles)


def centres_of(rows: torch.Tensor, alpha: float) -> torch.Tensor:
    """The axis that each row of a v2 assignment, 2 alpha c, lies nearest to."""
    return (rows[:, :, 0, 0] / (2.0 * alpha)).argmax(dim=1)


def alpha_of(layer) -> float:
    return (-layer.assignment.bias[0] / layer.centres[0].square().sum()).item()


def test_sralnet_sc_takes_static_centres_and_the_nearest_dynamic_shadows():
    sample = labelled()
    layer = SRALNet(CHANNELS, 2, 'v2', 1, semantic=True)
    # Dynamic features of axis 2 tilt towards 0 and those of axis 3 towards 1; there are no others.
    sample.features[40:60, 0] += 0.5
    sample.features[60:80, 1] += 0.5
    sample.roles[80:100] = VOID
    layer.initialise_from(sample, 0)
    alpha = alpha_of(layer)
    axes = layer.centres.argmax(dim=1).tolist()
    assert sorted(axes) == [0, 1]
    shadows = centres_of(layer.assignment.weight[2:], alpha).tolist()
    assert shadows == [{0: 2, 1: 3}[axis] for axis in axes]


def test_ghostvlad_sc_puts_its_ghosts_on_dynamic_features():
    layer = GhostVLAD(CHANNELS, 2, 'v2', 3, semantic=True)
    layer.initialise_from(labelled(), 0)
    assert sorted(layer.centres.argmax(dim=1).tolist()) == [0, 1]
    ghosts = centres_of(layer.assignment.weight[2:], alpha_of(layer))
    assert sorted(ghosts.tolist()) == [2, 3, 4]


@pytest.mark.parametrize(
    ('layer', 'sentence'),
    [
        (SRALNet(CHANNELS, 41, 'v2', 1, semantic=True), 'K = 41 local features of static classes'),
        (SRALNet(CHANNELS, 2, 'v2', 61, semantic=True), 'S = 61 local features of dynamic'),
        (GhostVLAD(CHANNELS, 2, 'v2', 61, semantic=True), 'K = 61 local features of dynamic'),
    ],
)
def test_too_few_features_of_a_role_are_refused(layer, sentence):
    with pytest.raises(SourceError, match=sentence):
        layer.initialise_from(labelled(), 0)
    assert not layer.initialised


@pytest.mark.parametrize(
    'layer',
    [
        HardVLAD(CHANNELS, CLUSTERS),
        GhostVLAD(CHANNELS, CLUSTERS, 'v2', 1),
        SRALNet(CHANNELS, CLUSTERS, 'v2', 1),
        CRN(CHANNELS, CLUSTERS, 'v2'),
        SPENetVLAD(CHANNELS, CLUSTERS, 'v2', 1),
    ],
)
def test_without_clusters_none_of_them_runs(layer):
    with pytest.raises(WeightsError, match=f'{layer.label}: the clusters are not initialised'):
        layer(feature_map())
