"""Compare kinds of faiss indexes: time to build, load, add and search, size, and recall."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.search.ranking import shortlist_length

Floats = NDArray[np.float32]

_WANTED = 16
_TIMED, _ADDED = 300, 50
_TRAINED_ON = 100_000
_STRONG = 0.5
"""Least similarity of a strong match, which is mostly right, see `docs/lab/scale.md`."""

_PAGE_BYTES = 4096
_LISTED_CODES = 'IVF{lists},PQ128x4fs,Refine(SQ8)'
_ROUNDS = 8


@dataclass(frozen=True)
class Kind:
    """One kind of index.

    Attributes:
        recipe: faiss factory string; `{lists}` becomes 2 sqrt(N), as a power of 2.
        effort: share of the lists to search, or depth of the graph search.
        shortlist: share of rows to compare by finer codes; 0: there are none.
        most: largest number of rows to measure; graphs take long to build.
    """

    name: str
    recipe: str
    effort: float = 0.0
    shortlist: float = 0.0
    most: int = 10**6


KINDS = [
    Kind('exact', 'Flat'),
    Kind('fp16', 'SQfp16'),
    Kind('SQ8', 'SQ8'),
    *(Kind(f'IVF-SQ8, {s:.0%} of the lists', 'IVF{lists},SQ8', s) for s in (0.02, 0.3)),
    *(Kind(f'HNSW16-SQ8, depth {d}', 'HNSW16,SQ8', d, most=10**5) for d in (64, 256)),
    Kind('RaBitQ + SQ8', 'RaBitQfs,Refine(SQ8)', shortlist=1 / 400),
    Kind('IVF-PQ128x4 + SQ8, half of the lists', _LISTED_CODES, 0.5, 1 / 400),
    Kind('PQ128x4 + SQ8', 'PQ128x4fs,Refine(SQ8)', shortlist=1 / 400),
    Kind('PQ64x4 + SQ8 (chosen)', 'PQ64x4fs,Refine(SQ8)', shortlist=1 / 1000),
]


@dataclass(frozen=True)
class JudgedQueries:
    """Queries (Q, D), with their best rows (Q,) and similarities (Q,) by exact search."""

    queries: Floats
    best: NDArray[np.int64]
    similarities: Floats

    @classmethod
    def of(cls, rows: Floats, queries: Floats) -> JudgedQueries:
        """Search all rows (N, D) exactly."""
        similarities, best = faiss.knn(queries, rows, 1, metric=faiss.METRIC_INNER_PRODUCT)
        return cls(queries, best[:, 0], similarities[:, 0])


def measured(kind: Kind, rows: Floats, judged: JudgedQueries, folder: Path) -> dict[str, Any]:
    """Figures of one kind of index for one map."""
    lists = 2 ** round(np.log2(2 * np.sqrt(len(rows))))
    recipe = kind.recipe.format(lists=lists)
    index = faiss.index_factory(rows.shape[1], recipe, faiss.METRIC_INNER_PRODUCT)
    started = time.perf_counter()
    if recipe.startswith('IVF'):
        faiss.extract_index_ivf(index).cp.niter = _ROUNDS
    if not index.is_trained:
        step = max(1, len(rows) // _TRAINED_ON)
        index.train(rows[::step])
    trained = time.perf_counter()
    for start in range(0, len(rows), 20_000):
        index.add(rows[start : start + 20_000])
    built = time.perf_counter()
    file = folder / 'index.faiss'
    faiss.write_index(index, str(file))
    del index
    before = resident_bytes()
    loading = time.perf_counter()
    index = faiss.read_index(str(file))
    loaded = time.perf_counter()
    memory = resident_bytes() - before
    figures = {
        'kind': kind.name,
        'rows': len(rows),
        'train_s': trained - started,
        'add_all_s': built - trained,
        'load_s': loaded - loading,
        'bytes_written': file.stat().st_size / len(rows),
        'bytes_resident': memory / len(rows),
        **_searched(index, _parameters(kind, lists, len(rows)), judged),
        'add_one_ms': _added(index, judged.queries),
    }
    file.unlink()
    return figures


def _parameters(kind: Kind, lists: int, count: int) -> Any:
    """The search parameters of faiss."""
    library: Any = faiss  # Its type stubs lack some of these.
    base = None
    if kind.recipe.startswith('IVF'):
        base = library.SearchParametersIVF(nprobe=max(1, round(kind.effort * lists)))
    if kind.recipe.startswith('HNSW'):
        base = library.SearchParametersHNSW(efSearch=int(kind.effort))
    if not kind.shortlist:
        return base
    shortlist = max(shortlist_length(count, _WANTED), kind.shortlist * count)
    return library.IndexRefineSearchParameters(
        k_factor=shortlist / _WANTED, base_index_params=base
    )


def _searched(index: faiss.Index, parameters: Any, judged: JudgedQueries) -> dict[str, float]:
    """Time of one query, and recall of the exact best row in the results."""

    def search(queries: Floats) -> NDArray[np.int64]:
        return np.asarray(index.search(queries, _WANTED, params=parameters)[1])

    found = np.concatenate([search(judged.queries[n : n + 1]) for n in range(len(judged.queries))])
    is_found = (found == judged.best[:, np.newaxis]).any(axis=1)
    queries = judged.queries
    times = timed(lambda n: search(queries[n % len(queries) : n % len(queries) + 1]), _TIMED)
    return {**times, **recalls(is_found, judged)}


def recalls(is_found: NDArray[np.bool_], judged: JudgedQueries) -> dict[str, float]:
    """Share of queries whose best row was found: of all, and of those with a strong match."""
    strong = judged.similarities >= _STRONG
    return {
        'recall': float(is_found.mean()),
        'recall_strong': float(is_found[strong].mean()) if strong.any() else float('nan'),
        'strong_share': float(strong.mean()),
    }


def timed(run: Callable[[int], object], count: int) -> dict[str, float]:
    """Percentiles of the time of `run(0)` to `run(count - 1)`, and mean CPU time, ms."""
    wall = np.empty(count)
    processor = time.process_time()
    for number in range(count):
        started = time.perf_counter()
        run(number)
        wall[number] = time.perf_counter() - started
    processor = time.process_time() - processor
    p10, p50, p99 = 1e3 * np.percentile(wall, [10, 50, 99])
    return {'p10_ms': p10, 'p50_ms': p50, 'p99_ms': p99, 'cpu_ms': 1e3 * processor / count}


def resident_bytes() -> int:
    """Resident memory of this process."""
    gc.collect()
    return int(Path('/proc/self/statm').read_text().split()[1]) * _PAGE_BYTES


def _added(index: faiss.Index, queries: Floats) -> float:
    added = timed(lambda n: index.add(queries[n : n + 1]), _ADDED)
    return added['p50_ms']
