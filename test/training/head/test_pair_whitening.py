import numpy as np
import pytest

from ghost_vpr_ros.core.config.model import PcaConfig
from ghost_vpr_ros.core.errors import ConfigError
from training.head.pair_whitening import Stacked, pair_projection

PCA = PcaConfig(method='exact')


def places_and_light() -> tuple[np.ndarray, np.ndarray]:
    """200 places in directions 0 and 1; light changes direction 2, and that ten times as much."""
    rng = np.random.default_rng(0)
    first = rng.normal(0.0, [1.0, 0.8, 10.0, 0.01], (200, 4)).astype(np.float32)
    second = first + rng.normal(0.0, [0.01, 0.01, 10.0, 0.01], (200, 4)).astype(np.float32)
    return first, second


def project(dim: int, shrinkage: float) -> np.ndarray:
    options = {'subspace': 4, 'shrinkage': shrinkage, 'pca': PCA}
    return pair_projection(*places_and_light(), dim, **options)[1]


def test_what_light_changes_is_suppressed() -> None:
    directions = project(2, 0.0)
    directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    assert np.abs(directions[:, 2]).max() < 0.01
    assert np.abs(directions[:, :2]).sum() > 1.9


def test_full_shrinkage_is_pca() -> None:
    direction = project(1, 1.0)[0]
    assert abs(direction[2]) / np.linalg.norm(direction) > 0.999


def test_a_smaller_size_is_the_prefix_of_a_larger_one() -> None:
    small, large = project(1, 0.3), project(3, 0.3)
    np.testing.assert_allclose(np.abs(small), np.abs(large[:1]), rtol=1e-4)


def test_equal_pairs_say_nothing() -> None:
    first, _ = places_and_light()
    mean, projection = pair_projection(first, first, 2, subspace=4, shrinkage=0.1, pca=PCA)
    np.testing.assert_allclose(mean, first.mean(axis=0), atol=1e-4)
    assert np.isfinite(projection).all()
    assert abs(projection[0, 2]) / np.linalg.norm(projection[0]) > 0.999


def test_too_few_directions_are_refused() -> None:
    first, second = places_and_light()
    with pytest.raises(ConfigError, match='at least D = 4 directions, found 1 in 200 images'):
        pair_projection(first[:, :1], second[:, :1], 4, subspace=4, shrinkage=0.1, pca=PCA)


def test_stacked_rows_are_read_across_the_seam() -> None:
    first, second = np.arange(6.0).reshape(3, 2), np.arange(6.0, 12.0).reshape(3, 2)
    stacked = Stacked(first, second)
    both = np.concatenate([first, second])
    assert stacked.shape == (6, 2)
    for start in range(6):
        for stop in range(start, 7):
            np.testing.assert_array_equal(stacked[start:stop], both[start:stop])
