"""Whitening against numpy's SVD, and the properties that its users lean on."""

import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.errors import ConfigError, WeightsError
from ghost_vpr_ros.core.model.whitening import Whitening

NUM, IN_DIM = 60, 40


def training_descriptors(num: int = NUM, rank: int = IN_DIM, seed: int = 0) -> np.ndarray:
    """(num, 40) float64 of unit norm about a mean that is not zero; spread falls by direction."""
    rng = np.random.default_rng(seed)
    spread = np.zeros(IN_DIM)
    spread[:rank] = 0.9 ** np.arange(rank)
    rotation = np.linalg.qr(rng.standard_normal((IN_DIM, IN_DIM)))[0]
    rows = rng.standard_normal((num, IN_DIM)) * spread @ rotation
    if rank == IN_DIM:
        rows = rows + 0.5
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def fitted(out_dim: int, descriptors: np.ndarray) -> Whitening:
    layer = Whitening(IN_DIM, out_dim)
    layer.fit(torch.from_numpy(descriptors).float())
    return layer


def svd_whitening(descriptors: np.ndarray, out_dim: int) -> np.ndarray:
    """(out_dim, IN_DIM) float64: principal directions over their standard deviations."""
    centred = descriptors - descriptors.mean(axis=0)
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    deviations = singular / np.sqrt(len(descriptors) - 1)
    return directions[:out_dim] / deviations[:out_dim, None]


def same_signs(rows: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The rows, each turned so that it points along its reference: PCA leaves the sign open."""
    return rows * np.sign((rows * reference).sum(axis=1, keepdims=True))


@pytest.mark.parametrize('out_dim', [1, 8, 30])
@pytest.mark.parametrize('num', [35, NUM])
def test_the_projection_is_that_of_an_exact_svd(num, out_dim):
    descriptors = training_descriptors(num)
    layer = fitted(out_dim, descriptors)
    exact = svd_whitening(descriptors, out_dim)
    found = same_signs(layer.projection.detach().numpy(), exact)
    np.testing.assert_allclose(found, exact, atol=2e-4 * np.abs(exact).max())
    np.testing.assert_allclose(layer.mean.detach(), descriptors.mean(axis=0), atol=1e-6)


def test_whitened_training_descriptors_have_the_identity_as_covariance():
    descriptors = training_descriptors()
    layer = fitted(30, descriptors)
    with torch.no_grad():
        projected = (torch.from_numpy(descriptors).float() - layer.mean) @ layer.projection.T
    np.testing.assert_allclose(np.cov(projected.numpy().T), np.eye(30), atol=2e-3)


def test_a_query_is_whitened_as_numpy_would_and_brought_to_unit_norm():
    descriptors = training_descriptors()
    queries = training_descriptors(5, seed=1)
    layer = fitted(8, descriptors)
    exact = svd_whitening(descriptors, 8)
    signs = np.sign((layer.projection.detach().numpy() * exact).sum(axis=1))
    expected = (queries - descriptors.mean(axis=0)) @ (exact * signs[:, None]).T
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    with torch.no_grad():
        found = layer(torch.from_numpy(queries).float())
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_smaller_dimension_is_the_prefix_of_a_larger_one():
    descriptors = training_descriptors()
    queries = torch.from_numpy(training_descriptors(5, seed=1)).float()
    with torch.no_grad():
        small, large = (fitted(d, descriptors)(queries) for d in (8, 16))
    prefix = torch.nn.functional.normalize(large[:, :8], dim=1)
    torch.testing.assert_close(small, prefix)


def test_a_whitening_can_be_cut_to_a_prefix():
    large, small = fitted(16, training_descriptors()), fitted(8, training_descriptors())
    queries = torch.from_numpy(training_descriptors(5, seed=1)).float()
    with torch.no_grad():
        torch.testing.assert_close(large.prefix(8)(queries), small(queries))


@pytest.mark.parametrize(('num', 'rank', 'found'), [(NUM, 5, 5), (10, IN_DIM, 9)])
def test_more_dimensions_than_the_descriptors_span_are_refused(num, rank, found):
    with pytest.raises(ConfigError, match=f'at least D = 12 directions, found {found} in {num}'):
        fitted(12, training_descriptors(num, rank))


@pytest.mark.parametrize('num', [1, 4])
def test_descriptors_that_are_all_alike_are_refused(num):
    with pytest.raises(ConfigError, match='found 0'):
        fitted(1, np.full((num, IN_DIM), 0.25))


def test_fitting_again_replaces_what_was_learned():
    layer = fitted(8, training_descriptors(seed=1))
    layer.fit(torch.from_numpy(training_descriptors()).float())
    torch.testing.assert_close(layer.projection, fitted(8, training_descriptors()).projection)


def test_without_fitting_the_layer_refuses_to_run():
    with pytest.raises(WeightsError, match='whitening'):
        Whitening(IN_DIM, 8)(torch.ones(1, IN_DIM))


def test_shrinkage_moves_variances_towards_their_mean() -> None:
    rng = np.random.default_rng(0)
    scale = np.array([4.0, 2.0, 1.0])
    rows = (rng.standard_normal((4000, 3)) * scale).astype(np.float32)
    plain, half, whole = (Whitening(3, 3) for _ in range(3))
    plain.fit(rows)
    half.fit(rows, shrinkage=0.5)
    whole.fit(rows, shrinkage=1.0)
    lengths = [each.projection.norm(dim=1).detach().numpy() for each in (plain, half, whole)]
    variances = lengths[0] ** -2.0
    np.testing.assert_allclose(lengths[1] ** -2.0, (variances + variances.mean()) / 2, rtol=1e-4)
    np.testing.assert_allclose(lengths[2], lengths[2][0], rtol=1e-4)
