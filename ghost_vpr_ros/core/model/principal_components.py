"""Principal components of many long vectors, in bounded memory, a block of rows at a time.

Sources: exact: the eigenvectors of the Gram or the covariance matrix, whichever is smaller.
Randomised: Halko, Martinsson, Tropp, "Finding structure with randomness" (2011), Algorithm 4.4
(subspace iteration; here on A^T A, so that memory does not grow with the rows), then the
eigenvectors of A^T A inside the subspace.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.model import PcaConfig
from ghost_vpr_ros.core.errors import ConfigError

RELATIVE_FLOOR = 1e-6
"""Directions whose variance is below this share of the largest are not part of the data."""

_COLUMNS = 4096
"""Columns that are widened to float64 at once."""


class Rows(Protocol):
    """N vectors of M numbers, read in slices of rows: an array, a memmap, a CPU tensor."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, M)."""

    def __getitem__(self, rows: slice, /) -> object:
        """What `numpy.array` makes an (n, M) array of."""


class PrincipalComponents(NamedTuple):
    """The leading directions of N vectors of M numbers.

    Attributes:
        mean: (M,) float32.
        deviations: (R,) float64 standard deviations along the directions, falling; R is at most
            the requested number, and fewer where the vectors do not span as many.
        directions: (R, M) float32, orthonormal; the largest number of each is positive.
    """

    mean: NDArray[np.float32]
    deviations: NDArray[np.float64]
    directions: NDArray[np.float32]


class SpanError(ConfigError):
    """The vectors span fewer directions than requested.

    Attributes:
        found: how many they span.
    """

    def __init__(self, wanted: int, found: int, num: int) -> None:
        super().__init__(
            f'whitening: expected descriptors that span at least D = {wanted} directions, found '
            f'{found} in {num} images; use more images or a smaller D'
        )
        self.found = found


def principal_components(
    rows: Rows, wanted: int, config: PcaConfig, seed: int = 0
) -> PrincipalComponents:
    """The `wanted` directions of largest variance, or as many as there are.

    Args:
        rows: N vectors of M numbers; read several times.
        wanted: number of directions.
        config: method and memory.
        seed: of the randomised method.

    Raises:
        ConfigError: the memory does not suffice; the message states how much would.
    """
    num, dim = rows.shape
    side = min(num, dim)
    if config.method == 'exact' or (config.method == 'auto' and side <= config.exact_side):
        return _exact(rows, wanted, config.memory_gb)
    return _randomised(rows, wanted, config, seed)


def _exact(rows: Rows, wanted: int, memory_gb: float) -> PrincipalComponents:
    num, dim = rows.shape
    wanted, side = min(wanted, num, dim), min(num, dim)
    # The matrix, its eigenvectors and what LAPACK works in, all float64; then the directions.
    fixed = 5 * 8 * side**2 + 3 * 4 * wanted * dim + 3 * 8 * dim
    # Of a loop, the last and the next block.
    per_row = 3 * 4 * dim + 2 * 8 * (min(dim, _COLUMNS) if num <= dim else dim)
    reader = _Reader(rows, memory_gb, fixed, per_row)
    matrix = _gram(reader) if num <= dim else _covariance(reader)
    values, vectors = np.linalg.eigh(matrix)
    values, vectors = values[::-1][:wanted], vectors[:, ::-1][:, :wanted]
    rank = _rank(values)
    values, vectors = values[:rank], vectors[:, :rank]
    if num > dim:
        directions = vectors.T.astype(np.float32)
    else:
        # Right singular vectors are A^T u / s.
        scaled = (vectors / np.sqrt(values)).T.astype(np.float32)
        directions = np.zeros((rank, dim), np.float32)
        for start, block in reader.blocks():
            directions += scaled[:, start : start + len(block)] @ block
    return _components(reader, values, directions)


def _randomised(rows: Rows, wanted: int, config: PcaConfig, seed: int) -> PrincipalComponents:
    num, dim = rows.shape
    width = min(wanted + config.oversampling, num, dim)
    # The subspace, its image, and the QR decomposition of that.
    fixed = 4 * 4 * dim * width + 5 * 8 * width**2 + 3 * 8 * dim + 4 * min(dim, _COLUMNS) * width
    reader = _Reader(rows, config.memory_gb, fixed, per_row=2 * 4 * dim + 3 * 8 * width)
    subspace = np.random.default_rng(seed).standard_normal((dim, width), np.float32)
    for _ in range(config.iterations):
        image = np.zeros((dim, width), np.float32)
        for _, block in reader.blocks():
            _add_product(image, block, block @ subspace)
        # numpy's own would work in float64.
        subspace = torch.linalg.qr(torch.from_numpy(image))[0].numpy()
    inside = np.zeros((width, width))
    for _, block in reader.blocks():
        wide = (block @ subspace).astype(np.float64)
        inside += wide.T @ wide
    values, vectors = np.linalg.eigh(inside)
    values, vectors = values[::-1][:wanted], vectors[:, ::-1][:, :wanted]
    rank = _rank(values)
    directions = (subspace @ vectors[:, :rank].astype(np.float32)).T
    return _components(reader, values[:rank], directions)


def _add_product(
    total: NDArray[np.float32], block: NDArray[np.float32], factor: NDArray[np.float32]
) -> None:
    """`total += block.T @ factor` without a second array of the size of `total`."""
    for start in range(0, len(total), _COLUMNS):
        part = slice(start, start + _COLUMNS)
        total[part] += block[:, part].T @ factor


def _gram(reader: _Reader) -> NDArray[np.float64]:
    """(N, N) float64 inner products of centred rows, a pair of blocks at a time.

    In float32 its rounding would reach the variance of the weakest directions that are kept.
    """
    num = reader.num
    gram = np.zeros((num, num))
    for start, block in reader.blocks():
        own = slice(start, start + len(block))
        for other_start, other in reader.blocks(start):
            beside = slice(other_start, other_start + len(other))
            gram[own, beside] = _wide_product(block, other)
            gram[beside, own] = gram[own, beside].T
    return gram


def _wide_product(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float64]:
    product = np.zeros((len(left), len(right)))
    for start in range(0, left.shape[1], _COLUMNS):
        part = slice(start, start + _COLUMNS)
        product += left[:, part].astype(np.float64) @ right[:, part].astype(np.float64).T
    return product


def _covariance(reader: _Reader) -> NDArray[np.float64]:
    """(M, M) float64 sum of outer products of centred rows."""
    covariance = np.zeros((reader.dim, reader.dim))
    for _, block in reader.blocks():
        wide = block.astype(np.float64)
        covariance += wide.T @ wide
    return covariance


def _rank(values: NDArray[np.float64]) -> int:
    """How many of the falling squared singular values belong to the data."""
    return int((values > RELATIVE_FLOOR * values[0]).sum())


def _components(
    reader: _Reader, values: NDArray[np.float64], directions: NDArray[np.float32]
) -> PrincipalComponents:
    largest = np.abs(directions).argmax(axis=1)
    directions *= np.sign(directions[np.arange(len(directions)), largest])[:, None]
    deviations = np.sqrt(values / max(reader.num - 1, 1))
    return PrincipalComponents(reader.mean, deviations, directions)


class _Reader:
    """Centred blocks of rows, as many rows at once as the memory allows."""

    def __init__(self, rows: Rows, memory_gb: float, fixed: int, per_row: int) -> None:
        """Choose the size of a block and measure the mean in a first pass.

        Raises:
            ConfigError: not even one row fits beside the `fixed` bytes.
        """
        self._rows = rows
        self.num, self.dim = rows.shape
        self._size = min(int((memory_gb * 1e9 - fixed) // per_row), self.num)
        if self._size < 1:
            raise ConfigError(
                f'whitening: expected at least {(fixed + per_row) / 1e9:.3g} GB for '
                f'{self.num} descriptors of {self.dim} dimensions, found memory_gb '
                f'{memory_gb:g}; allow more, choose a smaller D, or another method'
            )
        self.mean = np.zeros(self.dim, np.float32)
        total = np.zeros(self.dim)
        for _, block in self.blocks():
            total += block.sum(axis=0, dtype=np.float64)
        self.mean = (total / self.num).astype(np.float32)

    def blocks(self, start: int = 0) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Number of the first row, and the centred rows (n, M) float32 from there on."""
        for first in range(start, self.num, self._size):
            block = np.asarray(self._rows[first : first + self._size]).astype(np.float32)
            block -= self.mean
            yield first, block
