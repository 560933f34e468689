"""Exact search for the most similar descriptors of a map (faiss), with a cache beside the map.

The index speaks in rows; `PlaceMap.keyframe_ids()` turns a row into a stable keyframe id.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import zlib
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.map_reader import MapReader

_MAGIC = b'ghost_vpr_ros search index 1\n'
_KIND = 'IndexFlatIP'


class SearchIndex:
    """Every descriptor compared with every query by the inner product of unit vectors.

    Args:
        descriptor_dim: D.
    """

    def __init__(self, descriptor_dim: int) -> None:
        self._index = faiss.IndexFlatIP(descriptor_dim)

    @classmethod
    def from_map(cls, place_map: MapReader, *, cache: bool = True) -> SearchIndex:
        """The index of all descriptors of a map; row i is row i of `place_map.descriptors()`.

        Args:
            place_map: an open map.
            cache: read and write `<map>.faiss` beside the map. One of another revision, damaged
                or unwritable is no error: the index is then built from the map.

        Raises:
            MapError: the map's file was damaged since it was opened.
        """
        index = cls(place_map.descriptor_dim)
        cache_path = place_map.path.with_name(place_map.path.name + '.faiss')
        key = _cache_key(place_map)
        cached = _read_cache(cache_path, key) if cache else None
        if cached is not None:
            index._index = cached
            return index
        if len(place_map) > 0:
            index._index.add(place_map.descriptors())
        if cache:
            _write_cache(cache_path, key, index._index)
        return index

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def descriptor_dim(self) -> int:
        """D."""
        return int(self._index.d)

    def add(self, descriptor: ArrayLike) -> int:
        """Append one descriptor (D,) of unit norm; returns its row.

        Raises:
            MapError: another D, or not finite.
        """
        self._index.add(self._checked(np.asarray(descriptor, dtype=np.float32)[None]))
        return len(self) - 1

    def search(self, queries: ArrayLike, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The k most similar rows for each query, best first; equal ones in the order of rows.

        Args:
            queries: (Q, D) float32, unit norm.
            k: how many, at least 1.

        Returns:
            rows (Q, k') int64 and similarities (Q, k') float32 in -1 .. 1, k' = min(k, N).

        Raises:
            MapError: another D, or not finite.
            ValueError: k is below 1.
        """
        if k < 1:
            raise ValueError(f'k must be at least 1, found {k}')
        array = self._checked(np.asarray(queries, dtype=np.float32))
        kept = min(k, len(self))
        if kept == 0 or len(array) == 0:
            empty = (len(array), kept)
            return np.empty(empty, dtype=np.int64), np.empty(empty, dtype=np.float32)
        similarities, rows = self._index.search(array, kept)
        order = np.lexsort((rows, -similarities), axis=1)
        return (
            np.take_along_axis(rows, order, axis=1),
            np.take_along_axis(similarities, order, axis=1),
        )

    def _checked(self, descriptors: NDArray[np.float32]) -> NDArray[np.float32]:
        if descriptors.ndim != 2 or descriptors.shape[1] != self.descriptor_dim:
            raise MapError(
                f'expected descriptors of shape (n, {self.descriptor_dim}), found '
                f'{descriptors.shape}; use the model that the map was built with'
            )
        if not np.isfinite(descriptors).all():
            raise MapError('expected finite descriptors, found NaN or infinity')
        return np.ascontiguousarray(descriptors)


def _cache_key(place_map: MapReader) -> dict[str, str | int]:
    return {
        'map': place_map.fingerprint,
        'rows': len(place_map),
        'descriptor_dim': place_map.descriptor_dim,
        'kind': _KIND,
        'faiss': faiss.__version__,
    }


def _read_cache(path: Path, key: dict[str, str | int]) -> faiss.Index | None:
    """The cached index if it is whole and of this very map, else None."""
    try:
        with path.open('rb') as file:
            if file.readline(len(_MAGIC)) != _MAGIC:
                return None
            header = json.loads(file.readline(4096))
            if header['key'] != key:
                return None
            payload = np.fromfile(file, dtype=np.uint8)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # faiss may crash on damaged bytes, so they are checked before it sees them.
    if len(payload) != header.get('size') or zlib.crc32(payload) != header.get('crc32'):
        return None
    index = faiss.deserialize_index(payload)
    return index if (index.ntotal, index.d) == (key['rows'], key['descriptor_dim']) else None


def _write_cache(path: Path, key: dict[str, str | int], index: faiss.Index) -> None:
    """Write the cache under its name in one step, or not at all (read-only place, full disk)."""
    payload = faiss.serialize_index(index)
    header = {'key': key, 'size': len(payload), 'crc32': zlib.crc32(payload)}
    unfinished = path.with_name(f'.{path.name}.{secrets.token_hex(4)}.unfinished')
    try:
        with unfinished.open('wb') as file:
            file.write(_MAGIC + json.dumps(header).encode() + b'\n')
            file.write(payload)
        unfinished.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
