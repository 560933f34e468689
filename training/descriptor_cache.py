"""The descriptors of all training images on disk, each valid for the network it came from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray


class DescriptorCache:
    """(N, D) float16 in a folder, memory-mapped.

    Raises:
        OutputError: the disk has not enough free space, or the folder cannot be written.
    """

    def __init__(self, path: Path, size: int, dim: int) -> None:
        raise NotImplementedError

    def start_refresh(self, refresh: str) -> None:
        """Rows are valid from now on only if they were filled under the same text."""
        raise NotImplementedError

    def missing(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of the rows that are not valid now."""
        raise NotImplementedError

    def fill(self, rows: NDArray[np.int64], descriptors: NDArray[np.float32]) -> None:
        """Store (n, D) descriptors of (n,) rows."""
        raise NotImplementedError

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, D) float32 descriptors of valid rows."""
        raise NotImplementedError
