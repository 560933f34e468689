"""Large maps: descriptors of one byte a dimension in lists, the best of them compared exactly.

The descriptors are divided among lists by their nearest centre (k-means); a query looks into the
lists of the nearest centres only. What is found there is ranked by quantised descriptors (8 bits
a dimension), and the best of these by the exact ones, which stay on the disk: in the map itself.
`docs/scale.md` compares this with other kinds of index.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import faiss
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.index_cache import read_cache, write_cache
from ghost_vpr_ros.core.ranking import Found
from ghost_vpr_ros.core.row_reader import RowReader
from ghost_vpr_ros.core.sampling import evenly_spaced

BuildProgress = Callable[[str, int, int], object]
"""Called with what is being done, how much of it is done, and how much there is."""

_LISTS_PER_ROOT = 4
"""Lists for each unit of the square root of the number of rows."""

_TRAINED_ON = 40
"""Descriptors for each list from which its centre is found, at most; faiss asks for 39."""

_TRAINING_ROUNDS = 8

_LOOKED_INTO = 32
"""Lists that a query looks into."""

_COMPARED_EXACTLY = 32
"""Best rows by quantised descriptors that are read from the map, at least."""

_READ_AT_ONCE = 10_000


class QuantisedRanking:
    """A faiss index with inverted lists, over a map that holds the descriptors themselves."""

    def __init__(self, index: faiss.IndexIVF, place_map: RowReader) -> None:
        """Of an index whose rows are the first ones of a map."""
        self._index = index
        self._map = place_map

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def add(self, descriptors: NDArray[np.float32]) -> None:
        """Append descriptors (n, D) which the map has, or will have, as its next rows."""
        self._index.add(descriptors)

    def best(self, queries: NDArray[np.float32], count: int) -> Found:
        """(Q, count) rows for queries (Q, D); the similarities of the best of them are exact.

        Those behind the first 32 are right to about 0.001.
        """
        rows, similarities = self._shortlist(
            queries, min(max(count, _COMPARED_EXACTLY), len(self))
        )
        ranked = rows[:, :_COMPARED_EXACTLY]
        for number, query in enumerate(queries):
            similarities[number, : ranked.shape[1]] = self.descriptors(ranked[number]) @ query
        order = np.argsort(-similarities, axis=1, kind='stable')[:, :count]
        return (
            np.take_along_axis(rows, order, axis=1),
            np.take_along_axis(similarities, order, axis=1),
        )

    def descriptors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, D) of rows (n,), from the map."""
        return self._map.descriptors_at(rows)

    def _shortlist(self, queries: NDArray[np.float32], count: int) -> Found:
        """(Q, count) best rows by quantised descriptors: of more lists where they hold too few."""
        lists = min(_LOOKED_INTO, self._index.nlist)
        while True:
            chosen = faiss.SearchParametersIVF(nprobe=lists)
            similarities, rows = self._index.search(queries, count, params=chosen)
            if lists == self._index.nlist or (rows >= 0).all():
                return rows, similarities
            lists = min(2 * lists, self._index.nlist)


def open_quantised(
    place_map: RowReader, *, cache: bool, progress: BuildProgress | None
) -> QuantisedRanking:
    """The ranking of all rows of a map that is not empty: from its cache, or built anew.

    Args:
        place_map: the map.
        cache: read and write `<map>.faiss`. One that was made when the map had fewer rows is
            continued with the new ones.
        progress: called while it is built.

    Raises:
        MapError: the map's file was damaged since it was opened.
    """
    kind = f'IVF,SQ8 {_LISTS_PER_ROOT} {_TRAINED_ON} {_TRAINING_ROUNDS}'
    found = read_cache(place_map, kind, may_be_older=True) if cache else None
    if found is not None and found.is_current:
        return QuantisedRanking(found.index, place_map)
    index = _trained(place_map, progress) if found is None else found.index
    _fill(index, place_map, progress)
    if cache:
        write_cache(place_map, kind, index)
        # What is read has no room to spare, which takes a third of the memory.
        found = read_cache(place_map, kind)
        index = index if found is None else found.index
    return QuantisedRanking(index, place_map)


def _trained(place_map: RowReader, progress: BuildProgress | None) -> faiss.IndexIVF:
    """An empty index with the centres of the map's lists and the range of each dimension."""
    rows, dim = len(place_map), place_map.descriptor_dim
    lists = min(2 ** round(math.log2(_LISTS_PER_ROOT * math.sqrt(rows))), rows)
    chosen = np.array(evenly_spaced(rows, _TRAINED_ON * lists), np.int64)
    sample = np.empty((len(chosen), dim), np.float32)
    for start in range(0, len(chosen), _READ_AT_ONCE):
        _tell(progress, 'reading a sample', start, len(chosen))
        part = chosen[start : start + _READ_AT_ONCE]
        sample[start : start + len(part)] = place_map.descriptors_at(part)
    _tell(progress, 'training', 0, 1)
    index = faiss.index_factory(dim, f'IVF{lists},SQ8', faiss.METRIC_INNER_PRODUCT)
    index.cp.niter = _TRAINING_ROUNDS
    # The sample is as large as was wanted: that is no reason to warn on the console.
    index.cp.min_points_per_centroid = 1
    index.train(sample)
    _tell(progress, 'training', 1, 1)
    return index


def _fill(index: faiss.IndexIVF, place_map: RowReader, progress: BuildProgress | None) -> None:
    """Add the rows of the map that the index lacks."""
    for block in place_map.descriptor_blocks(index.ntotal):
        _tell(progress, 'building', index.ntotal, len(place_map))
        index.add(block)
    _tell(progress, 'building', index.ntotal, len(place_map))


def _tell(progress: BuildProgress | None, what: str, done: int, of: int) -> None:
    if progress is not None:
        progress(what, done, of)
