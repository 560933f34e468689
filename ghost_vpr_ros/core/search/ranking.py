"""Large maps: all rows are compared by codes, the best by finer codes, close ones exactly.

Every descriptor has two codes in memory: half a byte for each group of up to eight dimensions
(product quantisation, scanned in registers), and one byte for each dimension. The descriptors
themselves stay in the map on disk. Unlike inverted lists or graphs, this skips no row: whitened
descriptors of one place are too far apart for those. `docs/lab/scale.md` compares them.
"""

from __future__ import annotations

import math
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
    """Finds the rows of the most similar descriptors."""

    def __len__(self) -> int: ...

    def add(self, descriptors: NDArray[np.float32]) -> None:
        """Append descriptors (n, D): the next rows."""
        ...

    def best(self, queries: NDArray[np.float32], count: int) -> Found:
        """(Q, n) best rows for queries (Q, D), n >= count, in any order.

        There are at least `count` rows, and Q is above 0.
        """
        ...

    def descriptors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, D) the descriptors of rows (n,), exactly."""
        ...


class ExactRanking:
    """All rows are compared; they are kept in memory."""

    def __init__(self, index: faiss.Index) -> None:
        """Wrap a flat faiss index by inner product."""
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

_GROUP_SIZES = (8, 4, 2, 1)
"""Dimensions that share half a byte: the first of these that gives enough groups."""

_LEAST_GROUPS = 64
"""Least number of groups, so that short descriptors have short codes that are long enough."""

_TRAINED_ON = 20_000

_LEAST_SHORTLIST = 384
"""Least number of rows, the best by short codes, that are compared by long codes."""

_SHORTLIST_SHARE = 1000
"""Or one in this many rows: larger parts have more rows about as similar as the best one."""

_SHORTLIST_FACTOR = 4
"""Or this many for each requested row."""

_COMPARED_EXACTLY = 16
"""Most rows that are read from the map: those that may be the best by their long codes."""

_DOUBT = 8.0
"""Rows this close to the best may be better, in standard deviations of the long codes' error."""

_STEPS = 255
"""Steps of a long code in each dimension."""

_ROWS_OF_A_THREAD = 200_000
"""A map with more rows is searched in two parts at once."""


class QuantisedRanking:
    """Consecutive parts of a map in faiss indexes; the last one grows."""

    def __init__(self, parts: Sequence[faiss.Index], place_map: MapReader) -> None:
        """Use indexes whose rows, one part after the other, are the first rows of a map."""
        self._parts = parts
        self._firsts = np.cumsum([0, *(part.ntotal for part in parts[:-1])]).tolist()
        self._map = place_map
        self._doubt = _DOUBT * _code_error(parts[0])
        self._threads = ThreadPoolExecutor(len(parts) - 1) if len(parts) > 1 else None

    def __len__(self) -> int:
        return int(self._firsts[-1] + self._parts[-1].ntotal)

    def add(self, descriptors: NDArray[np.float32]) -> None:
        """Append descriptors (n, D) which the map has, or will have, as its next rows."""
        self._parts[-1].add(descriptors)

    def best(self, queries: NDArray[np.float32], count: int) -> Found:
        """(Q, n) best rows for queries (Q, D), n >= count; the similarity of the best is exact.

        So are those of rows that could be the best. The others are accurate to about 0.001.
        """
        rows, similarities = self._by_codes(queries, max(count, _COMPARED_EXACTLY))
        for query, found, similarity in zip(queries, rows, similarities, strict=True):
            chosen = np.flatnonzero(similarity >= similarity.max() - self._doubt)
            if len(chosen) > _COMPARED_EXACTLY:
                order = np.argsort(-similarity[chosen], kind='stable')
                chosen = chosen[order[:_COMPARED_EXACTLY]]
            similarity[chosen] = self.descriptors(found[chosen]) @ query
        return rows, similarities

    def descriptors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, D) of rows (n,), from the map."""
        return self._map.descriptors_at(rows)

    def _by_codes(self, queries: NDArray[np.float32], count: int) -> Found:
        """(Q, n) best rows of each part by their codes, `count` of each or all of it."""
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
        similarities = [each for _, each in found]
        return np.concatenate(rows, axis=1), np.concatenate(similarities, axis=1)


def open_quantised(
    place_map: MapReader, *, cache: bool, progress: BuildProgress | None
) -> QuantisedRanking:
    """The ranking of all rows of a map that is not empty, from its cache or newly built.

    Args:
        place_map: the map.
        cache: read and write `<map>.faiss`. A cache with fewer rows is extended by the new ones.
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
        # An index that was read has no spare capacity, which takes up to half of the memory.
        found = read_cache(place_map, kind)
        parts = parts if found is None else found.parts
    return QuantisedRanking(parts, place_map)


def _recipe(dim: int) -> str:
    """The index as a description for faiss."""
    sizes = (size for size in _GROUP_SIZES if dim % size == 0 and dim // size >= _LEAST_GROUPS)
    return f'PQ{dim // next(sizes, 1)}x4fs,Refine(SQ8)'


def _new_parts(place_map: MapReader, progress: BuildProgress | None) -> list[faiss.Index]:
    """Empty indexes, trained on the descriptors of the map."""
    _tell(progress, 'training', 0, len(place_map))
    chosen = np.array(evenly_spaced(len(place_map), _TRAINED_ON), np.int64)
    sample = place_map.descriptors_at(chosen)
    index: Any = faiss.index_factory(
        place_map.descriptor_dim, _recipe(place_map.descriptor_dim), faiss.METRIC_INNER_PRODUCT
    )
    # There is no larger sample, so faiss need not warn about its size.
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
    """(Q, c) best rows of one part, c = count or all of its rows."""
    count = min(count, part.ntotal)
    chosen = faiss.IndexRefineSearchParameters(
        k_factor=shortlist_length(part.ntotal, count) / count  # type: ignore[call-arg]
    )
    similarities, rows = part.search(queries, count, params=chosen)
    return rows, similarities


def _code_error(part: faiss.Index) -> float:
    """Standard deviation of similarities by long codes, from the rounding of each step."""
    codes: Any = faiss.downcast_index(part.refine_index)  # type: ignore[attr-defined]
    _, ranges = faiss.vector_to_array(codes.sq.trained).reshape(2, -1)
    return float(ranges.max()) / _STEPS / math.sqrt(12.0)


def shortlist_length(rows: int, count: int) -> int:
    """How many rows of a part, the best by short codes, are compared by long codes.

    Args:
        rows: of the part.
        count: requested rows.
    """
    return max(_LEAST_SHORTLIST, rows // _SHORTLIST_SHARE, _SHORTLIST_FACTOR * count)


def _tell(progress: BuildProgress | None, what: str, done: int, of: int) -> None:
    if progress is not None:
        progress(what, done, of)
