"""Patch-NetVLAD: patches against NetVLAD itself, matches and scores by hand, planted shifts."""

import copy

import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.model.netvlad import NetVLAD
from ghost_vpr_ros.core.model.whitening import Whitening
from ghost_vpr_ros.core.preprocessing import pixel_batch, preprocess
from ghost_vpr_ros.core.verification.patch_features import mutual_nearest
from ghost_vpr_ros.replay.config import PatchNetVladConfig
from ghost_vpr_ros.replay.evaluation.patch_netvlad import (
    ImagePatches,
    PatchDescriber,
    PatchGrid,
    compare,
    consistent_patches,
    integral_residuals,
    patch_sizes,
    patch_vlads,
    rapid_score,
)
from test.core.model.tiny_model import pictures, tiny_model

SIDE = 12


@pytest.fixture(scope='module')
def pooling() -> NetVLAD:
    layer = NetVLAD(channels=5, clusters=3)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for each in layer.parameters():
            each.copy_(torch.randn(each.shape, generator=generator))
    layer.initialised = True
    return layer


@pytest.mark.parametrize('sharpness', [1.0, 6.0])
@pytest.mark.parametrize('size', [1, 2, 4, 6])
@torch.no_grad()
def test_each_patch_is_netvlad_of_its_cells(pooling, size, sharpness):
    """Sharp assignments leave some clusters next to nothing, which counts as much as the rest."""
    pooling = copy.deepcopy(pooling)
    pooling.assignment.weight *= sharpness
    cells = torch.randn(1, 5, 6, 8, generator=torch.Generator().manual_seed(1))
    found = patch_vlads(integral_residuals(pooling, cells), size)
    assert found.shape == (6 - size + 1, 8 - size + 1, 15)
    for y in range(found.shape[0]):
        for x in range(found.shape[1]):
            expected = pooling(cells[:, :, y : y + size, x : x + size])[0]
            torch.testing.assert_close(found[y, x], expected, atol=1e-4, rtol=0.0)


def test_matches_are_each_others_nearest():
    a = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], np.float32)
    b = np.array([[0.8, 0.6], [0.0, 1.0]], np.float32)
    # Nearest of a: 0, 1, 0; nearest of b: 2, 1. So a's first one is left alone.
    rows, columns = mutual_nearest(a @ b.T)
    assert (rows.tolist(), columns.tolist()) == ([1, 2], [1, 0])


def test_rapid_score_of_a_shift_is_the_most_that_its_matches_can_give():
    query = np.array([[0.0, 0.0], [2.0, 1.0]])
    # Residuals are 0: 2 matches of 3^2 + 2^2, by 4 patches.
    assert rapid_score(query, query + (1.0, 0.0), (3, 2), 4) == pytest.approx(6.5)


def test_rapid_score_falls_with_a_match_that_moves_otherwise():
    query = np.zeros((3, 2))
    reference = np.array([[1.0, 0.0], [1.0, 0.0], [4.0, 0.0]])
    # Mean 2, residuals 1, 1, 2: (2^2 + 2^2) + (2^2 + 2^2) + (1^2 + 2^2), by 4 patches.
    assert rapid_score(query, reference, (3, 2), 4) == pytest.approx(5.25)


def test_nothing_matched_scores_nothing():
    assert rapid_score(np.zeros((0, 2)), np.zeros((0, 2)), (3, 3), 9) == 0.0


def grid(world: np.ndarray, row: int, column: int, weight: float = 1.0) -> PatchGrid:
    """A view of a (H, W, D) world of patches, SIDE x SIDE, from that row and column on."""
    cells = world[row : row + SIDE, column : column + SIDE].reshape(SIDE * SIDE, -1)
    y, x = np.mgrid[:SIDE, :SIDE]
    points = np.column_stack([x.ravel(), y.ravel()]) + 0.5
    return PatchGrid(cells.astype(np.float32), points, (SIDE - 1, SIDE - 1), weight)


def world(seed: int) -> np.ndarray:
    cells = np.random.default_rng(seed).standard_normal((20, 20, 64))
    return cells / np.linalg.norm(cells, axis=2, keepdims=True)


def image(*grids: PatchGrid) -> ImagePatches:
    return ImagePatches(grids, SIDE, SIDE)


def test_ransac_counts_the_planted_shift_and_no_outlier():
    query, reference = grid(world(0), 1, 2), grid(world(0), 0, 0)
    # Every sixth patch of the reference becomes another one's twin, far from where it belongs.
    planted = reference.descriptors.copy()
    planted[::6] = np.roll(reference.descriptors[::6], 7, axis=0)
    spoilt = PatchGrid(planted, reference.points, reference.extent, 1.0)
    found = compare(image(query), image(spoilt), 'ransac')
    shift = found.reference - found.query
    assert (np.abs(shift - (2.0, 1.0)).max(axis=1) <= 1.0).all()
    exact = (SIDE - 1) * (SIDE - 2)
    lost = sum(1 for i in range(0, SIDE * SIDE, 6) if i % SIDE >= 2 and i >= SIDE)
    assert found.matches > len(found.query)
    assert found.score == pytest.approx((exact - lost) / SIDE**2, abs=2.5 / SIDE**2)
    assert found.score == pytest.approx(len(found.query) / SIDE**2)


@pytest.mark.parametrize('scoring', ['ransac', 'rapid'])
def test_the_same_place_scores_above_another(scoring):
    query = image(grid(world(0), 1, 2))
    same, other = (compare(query, image(grid(w, 0, 0)), scoring) for w in (world(0), world(1)))
    assert same.score > 2.5 * other.score


def test_the_sizes_are_weighed():
    one, other = grid(world(0), 0, 0, 0.45), grid(world(1), 0, 0, 0.15)
    query = image(one, other)
    assert compare(query, query, 'ransac').score == pytest.approx(1.0)
    elsewhere = image(one, grid(world(2), 0, 0, 0.15))
    assert compare(query, elsewhere, 'ransac').score == pytest.approx(0.75, abs=0.03)


def describer(model, components=None, **settings) -> PatchDescriber:
    """Of a model whose feature map has 4 x 5 cells (h, w)."""
    model.preprocessing = PreprocessingConfig(width_px=160, height_px=128)
    config = PatchNetVladConfig(**{'patch_map_side': 0, **settings})
    return PatchDescriber(model, create_engine(model), config, components)


def test_patches_of_an_image_are_whitened_and_centred():
    model = tiny_model(descriptor_dim=6)
    found = describer(model, patch_sizes=(1, 2, 9), patch_weights=(0.5, 0.0, 2.0))(pictures(1)[0])
    small, whole = found.grids
    # The size without weight is left out, the one beyond the map is its shorter side.
    assert (found.width, found.height, len(small), len(whole)) == (5, 4, 20, 2)
    np.testing.assert_allclose(small.points[[0, 1, 5]], [[0.5, 0.5], [1.5, 0.5], [0.5, 1.5]])
    np.testing.assert_allclose(whole.points, [[2.0, 2.0], [3.0, 2.0]])
    assert (small.extent, whole.extent) == ((4, 3), (1, 0))
    np.testing.assert_allclose(np.linalg.norm(small.descriptors, axis=1), 1.0, rtol=1e-5)


def test_a_prefix_of_the_descriptor_has_unit_norm():
    model = tiny_model(descriptor_dim=6)
    (first, *_), (whole, *_) = (
        describer(model, patch_sizes=(1, 2, 2), patch_dim=dim)(pictures(1)[0]).grids
        for dim in (3, 0)
    )
    short = whole.descriptors[:, :3]
    expected = short / np.linalg.norm(short, axis=1, keepdims=True)
    np.testing.assert_allclose(first.descriptors, expected, rtol=1e-4)


def square(model) -> None:
    """Let one patch be the whole map of 3 x 3 cells."""
    model.preprocessing = PreprocessingConfig(width_px=96, height_px=96)


def of_whole_map(model, **settings) -> PatchGrid:
    square(model)
    config = PatchNetVladConfig(patch_sizes=(9, 1, 1), patch_map_side=0, **settings)
    return PatchDescriber(model, create_engine(model), config)(pictures(1)[0]).grids[0]


def test_without_whitening_a_patch_is_a_whole_vlad():
    image, model = pictures(1)[0], tiny_model(descriptor_dim=6)
    whole = of_whole_map(model, patch_whitening=False)
    batch = torch.from_numpy(preprocess(image, model.preprocessing))
    with torch.no_grad():
        expected = model.describe_unwhitened(batch)
    np.testing.assert_allclose(whole.descriptors, expected, atol=1e-4)


def test_without_whitening_there_is_no_prefix():
    with pytest.raises(ConfigError, match='patch_dim: expected 0 without patch_whitening'):
        PatchNetVladConfig(patch_whitening=False, patch_dim=64)


@pytest.mark.parametrize('dim', [0, 6])
def test_a_prefix_that_is_not_there_is_refused(dim):
    with pytest.raises(ConfigError, match='patch_dim: expected at most'):
        describer(tiny_model(descriptor_dim=dim), patch_dim=7)


@pytest.mark.parametrize(
    'changes', [{'pooling': 'gem', 'clusters': 64}, {'pooling': 'spe-netvlad'}]
)
def test_a_pooling_without_clusters_or_with_several_vlads_is_refused(changes):
    with pytest.raises(ConfigError, match=r'pools by clusters, as NetVLAD does, found Ghost-'):
        describer(tiny_model(**changes))


@pytest.mark.parametrize('pooling', ['vlad', 'ghostvlad', 'crn', 'sralnet'])
def test_one_patch_as_large_as_the_map_is_the_descriptor(pooling):
    """Also for relatives of NetVLAD; CRN's context would differ in a smaller patch."""
    model = tiny_model(pooling=pooling)
    whole = of_whole_map(model)
    batch = pixel_batch(pictures(1)[0], model.preprocessing)
    np.testing.assert_allclose(whole.descriptors, create_engine(model).describe(batch), atol=1e-4)


def test_weights_of_zero_alone_are_refused():
    with pytest.raises(ConfigError, match='patch_weights'):
        PatchNetVladConfig(patch_weights=(0.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ('cells', 'expected'),
    [
        ((30, 40), {2: 0.45, 5: 0.15, 8: 0.4}),
        ((20, 20), {1: 0.45, 3: 0.15, 5: 0.4}),
        ((15, 20), {1: 0.45, 3: 0.15, 4: 0.4}),
        ((7, 7), {1: 0.6, 2: 0.4}),
    ],
)
def test_sizes_follow_the_map(cells, expected):
    assert patch_sizes(PatchNetVladConfig(), cells) == pytest.approx(expected)


def test_sizes_may_stay_as_they_are():
    fixed = PatchNetVladConfig(patch_map_side=0)
    assert patch_sizes(fixed, (7, 9)) == {2: 0.45, 5: 0.15, 7: 0.4}


def test_a_map_without_room_is_refused():
    with pytest.raises(ConfigError, match='at least 8 patches, found 6 in a feature map of 3x2'):
        patch_sizes(PatchNetVladConfig(), (2, 3))


@pytest.mark.parametrize(('side', 'settings'), [(3, {}), (7, {}), (7, {'patch_map_side': 0})])
def test_an_image_agrees_with_itself_whatever_the_size_of_its_map(side, settings):
    model = tiny_model()
    model.preprocessing = PreprocessingConfig(width_px=32 * side, height_px=32 * side)
    config = PatchNetVladConfig(**settings)
    found = PatchDescriber(model, create_engine(model), config)(pictures(1)[0])
    assert compare(found, found, 'ransac').score == pytest.approx(1.0)


def test_a_size_with_too_few_patches_counts_for_nothing():
    one = grid(world(0), 0, 0, 0.45)
    few = PatchGrid(one.descriptors[:7], one.points[:7], (6, 0), 0.55)
    for scoring in ('ransac', 'rapid'):
        alone = compare(image(one), image(grid(world(1), 0, 0, 0.45)), scoring)
        both = compare(image(one, few), image(grid(world(1), 0, 0, 0.45), few), scoring)
        assert both.score == alone.score
        assert both.matches == alone.matches


def test_components_of_patches_replace_the_whitening():
    model = tiny_model(descriptor_dim=6)
    components = Whitening(model.pooling.out_dim, 3)
    components.set_projection(
        torch.zeros(model.pooling.out_dim), torch.eye(3, model.pooling.out_dim)
    )
    shown = pictures(1)[0]
    raw = describer(model, patch_whitening=False)(shown).grids[0].descriptors[:, :3]
    found = describer(model, components)(shown).grids[0].descriptors
    expected = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize('count', [0, 7, 40])
def test_points_that_tell_no_homography_do_not_agree(count):
    points = np.full((count, 2), 10.0)
    assert consistent_patches(points, points, 20.0).sum() == 0


def test_matches_agree_to_about_one_cell():
    rng = np.random.default_rng(0)
    query = rng.uniform(0.0, 280.0, (180, 2))
    keyframe = query + rng.uniform(-6.0, 6.0, (180, 2))
    keyframe[150:] += rng.choice([-1.0, 1.0], (30, 2)) * rng.uniform(60.0, 200.0, (30, 2))
    keep = consistent_patches(query, keyframe, 20.0)
    assert keep[:150].mean() > 0.95
    assert not keep[150:].any()
