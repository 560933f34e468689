"""Whitening of the differences between two images of a view, instead of all variance.

Source: Mikolajczyk and Matas, "Improving descriptors for fast tree matching by optimal linear
projection" (2007), as used for retrieval by Radenovic et al. (2018): the differences inside pairs
are whitened, then the directions of the largest remaining variance are kept.

Deviation: the pairs are not found by geometry: each is an image and itself under other light, so
    that the effect of light is suppressed. Measured against plain PCA whitening (NetVLAD, Section
    6.2) in docs/training.md.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ghost_vpr_ros.core.config.model import PcaConfig
from ghost_vpr_ros.core.model.principal_components import (
    Rows,
    SpanError,
    principal_components,
)

_BLOCK_ROWS = 256


class Stacked:
    """The concatenated rows of two sets, in the form that `principal_components` reads."""

    def __init__(self, first: Rows, second: Rows) -> None:
        self._first = first
        self._second = second
        self.shape = (first.shape[0] + second.shape[0], first.shape[1])

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        """(n, M) float32 of n rows."""
        start, stop, _ = rows.indices(self.shape[0])
        middle = self._first.shape[0]
        parts = [
            np.asarray(self._first[slice(start, min(stop, middle))], np.float32),
            np.asarray(self._second[slice(max(start - middle, 0), max(stop - middle, 0))]),
        ]
        return np.concatenate([np.asarray(part, np.float32) for part in parts])


def pair_projection(
    descriptors: Rows,
    changed: Rows,
    dim: int,
    *,
    subspace: int,
    shrinkage: float,
    pca: PcaConfig,
    seed: int = 0,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean (M,) and projection (dim, M) float32, best rows first.

    Args:
        descriptors: (N, M) of N images.
        changed: (N, M) of the same images under other light, row by row.
        dim: D.
        subspace: number of directions of largest variance in which pairs are compared; fewer if
            the descriptors do not span as many.
        shrinkage: share of the identity in the covariance of the differences, 0 .. 1; with 1 the
            result is PCA without whitening.
        pca: method and memory.
        seed: of the randomised method.

    Raises:
        SpanError: the descriptors span fewer than D directions.
    """
    found = principal_components(Stacked(descriptors, changed), subspace, pca, seed)
    if len(found.deviations) < dim:
        raise SpanError(dim, len(found.deviations), descriptors.shape[0])
    directions = torch.from_numpy(found.directions)
    first, second = (
        torch.cat(
            [(block - torch.from_numpy(found.mean)) @ directions.T for block in _blocks(rows)]
        )
        for rows in (descriptors, changed)
    )
    whitener = _inverse_root(_shrunk(_covariance(first - second), shrinkage))
    spread = first.double() @ whitener
    best = torch.linalg.eigh(_covariance(spread)).eigenvectors.flip(1)[:, :dim]
    projection = (best.T @ whitener).float() @ directions
    return found.mean, projection.numpy()


def _blocks(rows: Rows) -> Iterator[Tensor]:
    for start in range(0, rows.shape[0], _BLOCK_ROWS):
        yield torch.from_numpy(np.asarray(rows[slice(start, start + _BLOCK_ROWS)], np.float32))


def _covariance(vectors: Tensor) -> Tensor:
    """(M, M) float64 second moment about 0 of (N, M) vectors."""
    wide = vectors.double()
    return wide.T @ wide / len(wide)


def _shrunk(covariance: Tensor, share: float) -> Tensor:
    """The covariance, shrunk towards the multiple of the identity with the same trace."""
    mean = covariance.trace() / len(covariance)
    return (1.0 - share) * covariance + share * mean * torch.eye(len(covariance)).double()


def _inverse_root(covariance: Tensor) -> Tensor:
    """(M, M) symmetric inverse square root; directions without variance keep their scale."""
    values, vectors = torch.linalg.eigh(covariance)
    floor = torch.finfo(values.dtype).eps * len(values) * values[-1]
    scale = torch.where(values > floor, values.clamp(min=floor).rsqrt(), torch.zeros_like(values))
    if not bool((values > floor).any()):
        return torch.eye(len(values)).double()
    return vectors @ torch.diag(scale) @ vectors.T
