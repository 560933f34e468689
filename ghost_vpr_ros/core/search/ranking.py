"""Large maps: all rows are compared by codes, the best by finer codes, the best of these exactly.

Every descriptor is kept twice: in half a byte for each group of its dimensions (product
quantisation, scanned in registers) and in one byte for each dimension. The descriptors themselves
stay on the disk, in the map. Nothing is left out, as it is by lists or graphs: the whitened
descriptors of a place seen again are too far apart for these. `docs/lab/scale.md` compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeAlias

import faiss
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.map.reader import MapReader
from ghost_vpr_ros.core.sampling import evenly_spaced
from ghost_vpr_ros.core.search.cache import read_cache, write_cache

Found: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Rows and their similarities, in arrays of one shape."""


class Ranking(Protocol):
    """Descriptors by row that can be searched for the most similar ones."""

    def __len__(self) -> int: ...

    def add(self, descriptors: NDArray[np.float32]) -> None:
        """Append descriptors (n, D): the next rows."""
        ...

    def best(self, queries: NDArray[np.float32], count: int) -> Found:
        """(Q, count) best rows for queries (Q, D), with at least `count` rows and Q above 0."""
        ...

    def descriptors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, D) the descriptors of rows (n,), exactly."""
        ...


class ExactRanking:
    """All rows are compared; they are kept in memory."""

    def __init__(self, index: faiss.Index) -> None:
        """Of a flat faiss index by inner product."""
        self._index = index

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def add(self, descriptors: NDArray[np.float32]) -> None:  # noqa: D102
        self._index.add(descriptors)

    def best(self, queries: NDArray[np.float32], count: int) -> Found:  # noqa: D102
        similarities, rows = self._index.search(queries, count)
        return rows, similarities

    def descriptors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:  # noqa: D102
        return np.asarray(self._index.reconstruct_batch(rows), np.float32)


BuildProgress = Callable[[str, int, int], object]
"""Called with the name of the task, how much of it is done, and its total."""

_GROUP_SIZES = (4, 2, 1)
"""Dimensions that share half a byte: the first of these that divides D."""

_TRAINED_ON = 20_000

_SHORTLIST = 256
"""Least number of rows, best by the short codes, that are compared by the long ones."""

_SHORTLIST_SHARE = 400
"""Or one in this many rows: larger parts have more rows as similar as the best one."""

_SHORTLIST_FACTOR = 4
"""Or this many for each requested row."""

_COMPARED_EXACTLY = 16
"""Best rows by the long codes that are read from the map."""

_ROWS_OF_A_THREAD = 50_000
"""A map of more rows is searched in two parts at once."""


class QuantisedRanking:
    """Consecutive parts of a map in faiss indexes; the last one grows."""

    def __init__(self, parts: Sequence[faiss.Index], place_map: MapReader) -> None:
        """Of indexes whose rows, part behind part, are the first ones of a map."""
        self._parts = parts
        self._firsts = np.cumsum([0, *(part.ntotal for part in parts[:-1])]).tolist()
        self._map = place_map
        self._threads = ThreadPoolExecutor(len(parts) - 1) if len(parts) > 1 else None

    def __len__(self) -> int:
        return int(self._firsts[-1] + self._parts[-1].ntotal)

    def add(self, descriptors: NDArray[np.float32]) -> None:
        """Append descriptors (n, D) which the map has, or will have, as its next rows."""
        self._parts[-1].add(descriptors)

    def best(self, queries: NDArray[np.float32], count: int) -> Found:
        """(Q, count) rows for queries (Q, D); the similarities of the best of them are exact.

        Those behind the first 16 are right to about 0.001.
        """
        wanted = max(count, min(_COMPARED_EXACTLY, len(self)))
        rows, similarities = self._by_codes(queries, wanted)
        ranked = rows[:, :_COMPARED_EXACTLY]
        for number, query in enumerate(queries):
            similarities[number, : ranked.shape[1]] = self.descriptors(ranked[number]) @ query
        return _ranked(rows, similarities, count)

    def descriptors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, D) of rows (n,), from the map."""
        return self._map.descriptors_at(rows)

    def _by_codes(self, queries: NDArray[np.float32], count: int) -> Found:
        """(Q, count) best rows by their codes, best first."""
        waiting = []
        if self._threads is not None:
            waiting = [
                self._threads.submit(_search, part, queries, count) for part in self._parts[:-1]
            ]
        last = _search(self._parts[-1], queries, count)
        found = [*(each.result() for each in waiting), last]
        if len(found) == 1:
            return last
        rows = [part + first for (part, _), first in zip(found, self._firsts, strict=True)]
        similarities = np.concatenate([each for _, each in found], axis=1)
        return _ranked(np.concatenate(rows, axis=1), similarities, count)


def open_quantised(
    place_map: MapReader, *, cache: bool, progress: BuildProgress | None
) -> QuantisedRanking:
    """The ranking of all rows of a map that is not empty: from its cache, or built.

    Args:
        place_map: the map.
        cache: read and write `<map>.faiss`. One that was made when the map had fewer rows is
            continued with the new ones.
        progress: called while it is built.

    Raises:
        MapError: the map's file was damaged since it was opened.
    """
    kind = f'{_recipe(place_map.descriptor_dim)} {_TRAINED_ON}'
    found = read_cache(place_map, kind, may_be_older=True) if cache else None
    if found is not None and found.is_current:
        return QuantisedRanking(found.parts, place_map)
    parts = _new_parts(place_map, progress) if found is None else found.parts
    _fill(parts, place_map, progress)
    if cache:
        write_cache(place_map, kind, parts)
        # What is read has no room to spare, which takes up to half of the memory.
        found = read_cache(place_map, kind)
        parts = parts if found is None else found.parts
    return QuantisedRanking(parts, place_map)


def _recipe(dim: int) -> str:
    """The index in faiss's words."""
    size = next(size for size in _GROUP_SIZES if dim % size == 0)
    return f'PQ{dim // size}x4fs,Refine(SQ8)'


def _new_parts(place_map: MapReader, progress: BuildProgress | None) -> list[faiss.Index]:
    """Empty indexes, trained on the descriptors of the map."""
    _tell(progress, 'training', 0, len(place_map))
    chosen = np.array(evenly_spaced(len(place_map), _TRAINED_ON), np.int64)
    sample = place_map.descriptors_at(chosen)
    index: Any = faiss.index_factory(
        place_map.descriptor_dim, _recipe(place_map.descriptor_dim), faiss.METRIC_INNER_PRODUCT
    )
    # A small sample is all that there is: no reason for faiss to warn on the console.
    codes: Any = faiss.downcast_index(index.base_index)
    codes.pq.cp.min_points_per_centroid = 1
    index.train(sample)
    count = 1 if len(place_map) <= _ROWS_OF_A_THREAD else 2
    return [index, *(faiss.clone_index(index) for _ in range(count - 1))]


def _fill(
    parts: Sequence[faiss.Index], place_map: MapReader, progress: BuildProgress | None
) -> None:
    """Add the rows of the map that the parts lack; each part holds at most its share."""
    share = len(place_map) // len(parts)
    done = sum(part.ntotal for part in parts)
    for block in place_map.descriptor_blocks(done):
        _tell(progress, 'building', done, len(place_map))
        is_new = parts[-1].ntotal == 0
        room = share - parts[0].ntotal if is_new and len(parts) > 1 else 0
        first, rest = block[: max(room, 0)], block[max(room, 0) :]
        if len(first):
            parts[0].add(first)
        if len(rest):
            parts[-1].add(rest)
        done += len(block)
    _tell(progress, 'building', done, len(place_map))


def _search(part: faiss.Index, queries: NDArray[np.float32], count: int) -> Found:
    """(Q, c) best rows of one part, c = count or all that it has."""
    count = min(count, part.ntotal)
    shortlist = max(_SHORTLIST, part.ntotal // _SHORTLIST_SHARE, _SHORTLIST_FACTOR * count)
    chosen = faiss.IndexRefineSearchParameters(
        k_factor=shortlist / count  # type: ignore[call-arg]
    )
    similarities, rows = part.search(queries, count, params=chosen)
    return rows, similarities


def _ranked(rows: NDArray[np.int64], similarities: NDArray[np.float32], count: int) -> Found:
    """The first columns by similarity."""
    order = np.argsort(-similarities, axis=1, kind='stable')[:, :count]
    return (
        np.take_along_axis(rows, order, axis=1),
        np.take_along_axis(similarities, order, axis=1),
    )


def _tell(progress: BuildProgress | None, what: str, done: int, of: int) -> None:
    if progress is not None:
        progress(what, done, of)
