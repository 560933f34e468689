"""Cache of the descriptors of all training images on disk, each valid for one network state.

Source: NetVLAD (journal version), Section 5.1, "Caching".
"""

from __future__ import annotations

import hashlib
import shutil
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.errors import OutputError
from ghost_vpr_ros.core.whole_file import reserve

_Array = np.memmap[Any, Any]

_HEADER_BYTES = 128
"""Header of an .npy file with a two-dimensional shape."""

_NEVER = np.uint64(0)
"""Mark of a row that was never filled."""

_CRC_BITS = np.uint64(32)
"""The lower bits of a mark are the CRC-32 of the row, the upper bits a digest of the refresh."""

_ROWS_AT_ONCE = 4096


def cache_bytes(size: int, dim: int) -> int:
    """Size on disk of a cache of N descriptors, at most.

    2 N D for the float16 descriptors, 8 N for the marks of validity, and two headers.
    """
    return size * dim * 2 + size * 8 + 2 * _HEADER_BYTES


class DescriptorCache:
    """(N, D) float16 in a folder, memory-mapped, with a validity mark for each row.

    A row is valid only for the refresh (a text that identifies the network's state) in which it
    was filled, and only if its checksum matches. Descriptors are written to disk before their
    marks, so a killed process leaves no invalid row marked as valid. Damaged files, and files of
    another shape, are replaced by empty ones.
    """

    def __init__(self, path: Path, size: int, dim: int) -> None:
        """Open or create the cache of a folder.

        Args:
            path: folder.
            size: N, number of images.
            dim: D.

        Raises:
            OutputError: too little free disk space, or the folder cannot be written.
        """
        self.path = path
        self._mark = _NEVER
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._descriptors, self._marks = _opened(path, size, dim)
        except OSError as error:
            raise OutputError(
                f'{path}: the descriptor cache cannot be written ({error.strerror}); choose '
                'another folder'
            ) from error

    def start_refresh(self, refresh: str) -> None:
        """Set the current refresh: only rows filled under the same text are valid.

        Rows filled earlier are checked against their checksums; damaged ones become missing.
        """
        digest = hashlib.blake2b(refresh.encode(), digest_size=4).digest()
        self._mark = np.uint64(int.from_bytes(digest, 'little') or 1)
        found = np.flatnonzero(self._are_valid(np.arange(len(self._marks))))
        for start in range(0, len(found), _ROWS_AT_ONCE):
            rows = found[start : start + _ROWS_AT_ONCE]
            damaged = rows[self._marks[rows] != self._marks_of(self._descriptors[rows])]
            self._marks[damaged] = _NEVER

    def missing(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The given rows that are not valid in this refresh, in order."""
        return rows[~self._are_valid(rows)]

    def fill(self, rows: NDArray[np.int64], descriptors: NDArray[np.float32]) -> None:
        """Store the (n, D) descriptors of (n,) rows, durably.

        Raises:
            ValueError: no refresh was started.
        """
        if self._mark == _NEVER:
            raise ValueError('start_refresh comes before fill')
        self._marks[rows] = _NEVER
        self._marks.flush()
        self._descriptors[rows] = descriptors
        self._descriptors.flush()
        self._marks[rows] = self._marks_of(np.asarray(descriptors, self._descriptors.dtype))
        self._marks.flush()

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, D) float32 descriptors of valid rows.

        Raises:
            ValueError: a row is not valid in this refresh.
        """
        if not self._are_valid(rows).all():
            raise ValueError('rows of the descriptor cache were read before they were filled')
        return np.asarray(self._descriptors[rows], np.float32)

    def array(self) -> NDArray[np.float16]:
        """(N, D) float16 descriptors of all rows, read-only, memory-mapped.

        Raises:
            ValueError: a row is not valid in this refresh.
        """
        if not self._are_valid(np.arange(len(self._marks))).all():
            raise ValueError('the descriptor cache was read before all of it was filled')
        view = np.asarray(self._descriptors).view()
        view.flags.writeable = False
        return view

    def _are_valid(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        valid: NDArray[np.bool_] = np.asarray(self._marks[rows]) >> _CRC_BITS == self._mark
        return valid & (self._mark != _NEVER)

    def _marks_of(self, descriptors: NDArray[np.float16]) -> NDArray[np.uint64]:
        """(n,) marks of (n, D) rows in this refresh."""
        checksums = [zlib.crc32(row.tobytes()) for row in descriptors]
        return np.array(checksums, np.uint64) | (self._mark << _CRC_BITS)


def _opened(path: Path, size: int, dim: int) -> tuple[_Array, _Array]:
    """The two arrays of the folder, or new zeros if one is damaged or has another shape.

    Their disk blocks are reserved at once: if the disk filled up later, writing to a mapped array
    would end the process with a signal.
    """
    files = {
        path / 'descriptors.npy': ((size, dim), np.float16),
        path / 'marks.npy': ((size,), np.uint64),
    }
    arrays = [_kept(file, *what) for file, what in files.items()]
    if any(array is None for array in arrays):
        for file in files:
            file.unlink(missing_ok=True)
        _check_space(path, cache_bytes(size, dim))
        arrays = [
            np.lib.format.open_memmap(file, mode='w+', dtype=kind, shape=shape)
            for file, (shape, kind) in files.items()
        ]
    for file in files:
        reserve(file)
    descriptors, marks = arrays
    assert descriptors is not None and marks is not None
    return descriptors, marks


def _kept(file: Path, shape: tuple[int, ...], kind: type[Any]) -> _Array | None:
    try:
        array = np.load(file, mmap_mode='r+', allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    fits = isinstance(array, np.memmap) and array.shape == shape and array.dtype == kind
    return array if fits else None


def _check_space(path: Path, size: int) -> None:
    free = shutil.disk_usage(path).free
    if size > free:
        raise OutputError(
            f'{path}: expected {size / 1e9:.3g} GB of free space for the descriptor cache, found '
            f'{free / 1e9:.3g} GB; free some space, name another folder, or choose a smaller '
            'descriptor'
        )
