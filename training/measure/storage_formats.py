"""Storage formats of descriptors, from 4 bytes down to 1 bit per number.

Queries are rounded in the same way before the comparison. Similarity is the cosine after rounding;
the norm is not stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LARGEST_INT8 = 127


@dataclass(frozen=True)
class StorageFormat:
    """One way to store unit-norm descriptors.

    Attributes:
        name: in tables.
        bits: per number.
        encode: (N, D) float32 -> stored array (N, ...).
        decode: stored array, and D -> (N, D) float32, not normalised.
    """

    name: str
    bits: int
    encode: Callable[[NDArray[np.float32]], NDArray[Any]]
    decode: Callable[[NDArray[Any], int], NDArray[np.float32]]

    def bytes_per_place(self, dim: int) -> int:
        """Bytes of one descriptor of D numbers."""
        return -(-dim * self.bits // 8)

    def stored(self, descriptors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, D) float32 unit-norm descriptors after storage in this format."""
        decoded = self.decode(self.encode(descriptors), descriptors.shape[1])
        norms = np.linalg.norm(decoded, axis=1, keepdims=True)
        return np.asarray(decoded / np.maximum(norms, np.finfo(np.float32).tiny), np.float32)


def _to_int8(descriptors: NDArray[np.float32]) -> NDArray[np.int8]:
    """Scale each descriptor to a largest absolute value of 127; the scale is not stored."""
    largest = np.abs(descriptors).max(axis=1, keepdims=True)
    scale = _LARGEST_INT8 / np.where(largest > 0.0, largest, 1.0)
    return np.rint(descriptors * scale).astype(np.int8)


def _to_bits(descriptors: NDArray[np.float32]) -> NDArray[np.uint8]:
    """One sign bit per number."""
    return np.packbits(descriptors > 0.0, axis=1)


def _from_bits(packed: NDArray[np.uint8], dim: int) -> NDArray[np.float32]:
    """+1 and -1: their cosine is 1 - 2 h / D, where h is the Hamming distance."""
    return np.unpackbits(packed, axis=1, count=dim).astype(np.float32) * 2.0 - 1.0


def _widened(stored: NDArray[Any], dim: int) -> NDArray[np.float32]:
    return stored.astype(np.float32)


FORMATS = {
    each.name: each
    for each in (
        StorageFormat('float32', 32, lambda descriptors: descriptors, _widened),
        StorageFormat('float16', 16, lambda descriptors: descriptors.astype(np.float16), _widened),
        StorageFormat('int8', 8, _to_int8, _widened),
        StorageFormat('binary', 1, _to_bits, _from_bits),
    )
}
"""All formats by name, the largest first."""
