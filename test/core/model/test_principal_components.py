"""Principal components in blocks, exact or randomised, against numpy's SVD; memory is kept."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.config.model import PcaConfig
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.model.principal_components import principal_components
from ghost_vpr_ros.core.model.whitening import Whitening


def falling_spectrum(num: int, dim: int, rate: float = 0.9, seed: int = 0) -> np.ndarray:
    """(num, dim) float32 about a mean that is not zero; the k-th deviation is about rate^k."""
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
    rows = rng.standard_normal((num, dim)) * rate ** np.arange(dim) @ rotation + 0.5
    return rows.astype(np.float32)


def svd(rows: np.ndarray, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """Deviations (wanted,) and directions (wanted, dim) of an exact SVD in float64."""
    centred = rows.astype(np.float64) - rows.astype(np.float64).mean(axis=0)
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    return singular[:wanted] / np.sqrt(len(rows) - 1), directions[:wanted]


class Watched:
    """Rows that remember how many were asked for at once."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows
        self.shape = rows.shape
        self.most = 0

    def __getitem__(self, part: slice) -> np.ndarray:
        found = self.rows[part]
        self.most = max(self.most, len(found))
        return found


@pytest.mark.parametrize('method', ['exact', 'randomised'])
@pytest.mark.parametrize(('num', 'dim'), [(30, 50), (120, 50), (50, 50)])
def test_directions_and_deviations_are_those_of_an_exact_svd(method, num, dim):
    rows = falling_spectrum(num, dim)
    found = principal_components(rows, 8, PcaConfig(method=method))
    deviations, directions = svd(rows, 8)
    np.testing.assert_allclose(found.deviations, deviations, rtol=1e-4)
    alike = np.abs((found.directions * directions).sum(axis=1))
    np.testing.assert_allclose(alike, 1.0, atol=1e-4)
    np.testing.assert_allclose(found.directions @ found.directions.T, np.eye(8), atol=1e-4)
    np.testing.assert_allclose(found.mean, rows.mean(axis=0), atol=1e-5)


def test_power_iterations_find_the_directions_in_a_subspace_much_smaller_than_the_data():
    rows = falling_spectrum(300, 200, rate=0.8)
    config = PcaConfig(method='randomised', oversampling=6)
    found = principal_components(rows, 6, config)
    deviations, directions = svd(rows, 6)
    np.testing.assert_allclose(found.deviations, deviations, rtol=1e-3)
    alike = np.abs((found.directions * directions).sum(axis=1))
    np.testing.assert_allclose(alike, 1.0, atol=1e-3)


@pytest.mark.parametrize('method', ['exact', 'randomised'])
@pytest.mark.parametrize(('num', 'dim'), [(60, 2000), (3000, 40)])
def test_the_size_of_the_blocks_does_not_change_the_result(method, num, dim):
    rows = falling_spectrum(num, 40) if dim == 40 else falling_spectrum(dim, num).T.copy()
    whole = principal_components(rows, 5, PcaConfig(method=method))
    watched = Watched(rows)
    tight = PcaConfig(method=method, memory_gb=3e-3)
    blocked = principal_components(watched, 5, tight)
    assert watched.most < num
    np.testing.assert_allclose(blocked.deviations, whole.deviations, rtol=1e-4)
    np.testing.assert_allclose(blocked.directions, whole.directions, atol=2e-3)


@pytest.mark.parametrize('method', ['exact', 'randomised'])
@pytest.mark.parametrize(('num', 'dim', 'memory_mb'), [(300, 20_000, 14), (20_000, 200, 6)])
def test_no_more_memory_is_taken_than_allowed(tmp_path: Path, method, num, dim, memory_mb):
    """The descriptors would take 24 or 16 MB as float32."""
    rng = np.random.default_rng(0)
    path = tmp_path / 'descriptors.npy'
    np.save(path, rng.standard_normal((num, dim), np.float32).astype(np.float16))
    rows = np.load(path, mmap_mode='r')
    config = PcaConfig(method=method, memory_gb=memory_mb / 1e3, oversampling=16)
    tracemalloc.start()
    try:
        found = principal_components(rows, 8, config)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(found.deviations) == 8
    assert 0.2 * memory_mb * 1e6 < peak < memory_mb * 1e6


def test_too_little_memory_is_refused_with_what_would_do():
    rows = falling_spectrum(30, 50)
    wide = np.broadcast_to(np.float16(1.0), (100_000, 60_000))
    config = PcaConfig(method='randomised', memory_gb=0.1)
    with pytest.raises(ConfigError, match=r'at least 0\.\d+ GB for 100000 descriptors of 60000'):
        principal_components(wide, 128, config)
    assert principal_components(rows, 4, config).deviations.shape == (4,)


def test_auto_is_exact_up_to_the_stated_side_and_randomised_beyond():
    rows = falling_spectrum(60, 40, rate=0.97)
    few = {'oversampling': 1, 'iterations': 1}
    exact, randomised = (
        principal_components(rows, 8, PcaConfig(method=method, **few))
        for method in ('exact', 'randomised')
    )
    assert not np.allclose(exact.deviations, randomised.deviations, rtol=1e-3)
    for side, expected in ((40, exact), (39, randomised)):
        auto = principal_components(rows, 8, PcaConfig(exact_side=side, **few))
        np.testing.assert_array_equal(auto.directions, expected.directions)


def test_the_randomised_directions_follow_from_the_seed():
    rows = falling_spectrum(60, 40, rate=0.97)
    config = PcaConfig(method='randomised', oversampling=1, iterations=1)
    first, again, other = (principal_components(rows, 8, config, s).directions for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize('method', ['exact', 'randomised'])
def test_a_smaller_whitening_is_the_prefix_of_a_larger_one(method):
    rows = falling_spectrum(200, 60)
    queries = torch.from_numpy(falling_spectrum(5, 60, seed=1))
    small, large = Whitening(60, 4), Whitening(60, 16)
    for layer in (small, large):
        layer.fit(rows, PcaConfig(method=method))
    with torch.no_grad():
        prefix = torch.nn.functional.normalize(large(queries)[:, :4], dim=1)
        torch.testing.assert_close(small(queries), prefix, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ('power', 'expected'), [(1.0, [1, 1]), (0.0, [3, 2]), (0.5, [3**0.5, 2**0.5])]
)
def test_the_power_is_the_share_of_the_deviation_that_is_taken_out(power, expected):
    """Four points on two axes: deviations 3 and 2, worked by hand."""
    a, b = 3 * 1.5**0.5, 2 * 1.5**0.5
    rows = np.array([[a, 0, 1], [-a, 0, 1], [0, b, 1], [0, -b, 1]], np.float32)
    layer = Whitening(3, 2)
    layer.fit(rows, power=power)
    projected = (rows - layer.mean.detach().numpy()) @ layer.projection.detach().numpy().T
    np.testing.assert_allclose(projected.std(axis=0, ddof=1), expected, rtol=1e-5)


def test_descriptors_may_be_half_precision_on_disk(tmp_path: Path):
    rows = falling_spectrum(60, 40).astype(np.float16)
    np.save(tmp_path / 'd.npy', rows)
    layer, other = Whitening(40, 8), Whitening(40, 8)
    layer.fit(np.load(tmp_path / 'd.npy', mmap_mode='r'))
    other.fit(torch.from_numpy(rows.astype(np.float32)))
    torch.testing.assert_close(layer.projection, other.projection)
