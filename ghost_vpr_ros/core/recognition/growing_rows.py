"""An array that rows are appended to, one after the other, without a copy of it each time."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

ValueT = TypeVar('ValueT', bound=np.generic)

_LEAST_SPARE = 256


class GrowingRows(Generic[ValueT]):
    """Rows of one shape and type; the array is theirs, not a list of Python objects."""

    def __init__(self, rows: NDArray[ValueT]) -> None:
        """Begin with a copy of rows (n, ...)."""
        self._buffer = np.array(rows)
        self._count = len(self._buffer)

    def __len__(self) -> int:
        return self._count

    @property
    def rows(self) -> NDArray[Any]:
        """(n, ...) all rows: a view, to write to as well, until the next `append`."""
        return self._buffer[: self._count]

    def append(self, row: ArrayLike) -> int:
        """Append one row; returns its number."""
        if self._count == len(self._buffer):
            spare = max(self._count, _LEAST_SPARE)
            grown = np.empty((self._count + spare, *self._buffer.shape[1:]), self._buffer.dtype)
            grown[: self._count] = self._buffer
            self._buffer = grown
        self._buffer[self._count] = row
        self._count += 1
        return self._count - 1
