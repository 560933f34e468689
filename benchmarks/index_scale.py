"""Scaling of search, map and filter from a thousand places to a million.

Maps of any size are generated from the descriptors of real images (by `map_of_size.py`; the report
compares their similarities). Every kind of index gets the same queries, and then whole maps are
opened, searched and extended. Writes `index_scale.json` and `index_scale.md`.

    python -m benchmarks.index_scale --data DATA --descriptors FILE --out OUT

The descriptors of the real images are computed once, with the shipped weights, and cached in FILE.
With `--keep FOLDER` the generated maps, queries and indexes are kept for later runs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks import index_kinds, map_scale
from benchmarks.command_line import add_data_option, new_parser
from benchmarks.index_kinds import KINDS, JudgedQueries, Kind
from benchmarks.index_report import as_markdown
from benchmarks.map_of_size import Grower
from benchmarks.map_scale import Prepared
from benchmarks.real_descriptors import real_images

_PERCENTILES = [5, 25, 50, 75, 95]


def options() -> argparse.Namespace:
    """The command line."""
    parser = new_parser(__doc__)
    add_data_option(parser)
    parser.add_argument('--descriptors', type=Path, required=True, help='.npz of real images')
    parser.add_argument('--out', type=Path, required=True, help='folder for the results')
    parser.add_argument('--sizes', type=int, nargs='+', default=[10**n for n in (3, 4, 5, 6)])
    parser.add_argument('--queries', type=int, default=1000)
    parser.add_argument('--threads', type=int, default=1, help='of faiss')
    parser.add_argument('--keep', type=Path, help='folder to keep the maps in; default: not kept')
    parser.add_argument(
        '--kinds', nargs='+', help='only kinds of index whose name contains one of these words'
    )
    parser.add_argument('--only', choices=('kinds', 'maps'), help='only one half of the figures')
    return parser.parse_args()


@dataclass(frozen=True)
class Grown:
    """Descriptors (N, D) of a map, its queries, and statistics of their similarities."""

    rows: NDArray[np.float32]
    judged: JudgedQueries
    likeness: dict[str, list[float]]

    @classmethod
    def of(cls, chosen: argparse.Namespace, size: int) -> Grown:
        """A map with `size` rows, generated from the real images."""
        grower = Grower(real_images(chosen.descriptors, chosen.data, _say))
        rows = grower.grown(size)
        judged = JudgedQueries.of(rows, grower.queries_for(rows, chosen.queries))
        return cls(rows, judged, _likeness(grower, rows, judged))


def _likeness(
    grower: Grower, rows: NDArray[np.float32], judged: JudgedQueries
) -> dict[str, list[float]]:
    """Percentiles of similarities of real images and of the generated map."""
    rng = np.random.default_rng(3)
    places = rows[rng.integers(len(rows), size=500)]
    own = faiss.knn(places, rows, 2, metric=faiss.METRIC_INNER_PRODUCT)[0][:, 1]
    half = len(judged.queries) // 2
    found = {
        'real map: image to its nearest neighbour': grower.between_places.similarities,
        'grown map: row to its nearest neighbour': own,
        'real pictures of one place': grower.between_visits.similarities,
        'real queries: best match in the grown map': judged.similarities[:half],
        'second visits: best match in the grown map': judged.similarities[half:],
    }
    return {name: np.percentile(each, _PERCENTILES).tolist() for name, each in found.items()}


def measure(chosen: argparse.Namespace, size: int, results: dict[str, Any], folder: Path) -> None:
    """Add the figures of one size to the results; files are written to `folder`."""
    path = folder / f'{size}.map'
    prepared = Prepared.read(path)
    if prepared is None or chosen.only != 'maps':
        grown = Grown.of(chosen, size)
        results['likeness'][size] = grown.likeness
        for kind in _kinds(chosen, size):
            found = index_kinds.measured(kind, grown.rows, grown.judged, folder)
            results['kinds'].append(found)
            _say(kind.name, size)
        if prepared is None and chosen.only != 'kinds':
            facts = {'likeness': grown.likeness}
            prepared = Prepared.of(path, grown.rows, grown.judged, facts)
            _say('prepared', size)
    if prepared is not None and chosen.only != 'kinds':
        results['likeness'][size] = prepared.facts['likeness']
        results['maps'].append(map_scale.measured(prepared))


def _kinds(chosen: argparse.Namespace, size: int) -> list[Kind]:
    """The kinds of index to measure for maps of this size."""
    words = chosen.kinds or ['']
    return [
        kind
        for kind in (KINDS if chosen.only != 'maps' else [])
        if size <= kind.most and any(word in kind.name for word in words)
    ]


def main() -> None:
    """Measure every size; results are written after each, in case a later one fails."""
    chosen = options()
    faiss.omp_set_num_threads(chosen.threads)
    chosen.out.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {
        'faiss': faiss.__version__, 'simd': faiss.get_compile_options().strip(),
        'cores': os.cpu_count(), 'threads': chosen.threads,
        'kinds': [], 'maps': [], 'likeness': {}, 'load': {},
    }  # fmt: skip
    for size in chosen.sizes:
        with contextlib.ExitStack() as stack:
            folder = chosen.keep or Path(
                stack.enter_context(tempfile.TemporaryDirectory(dir=chosen.out))
            )
            folder.mkdir(parents=True, exist_ok=True)
            measure(chosen, size, results, folder)
        results['load'][size] = os.getloadavg()[0]
        (chosen.out / 'index_scale.json').write_text(json.dumps(results, indent=1) + '\n')
        (chosen.out / 'index_scale.md').write_text(as_markdown(results))
        _say('size', size)


def _say(*what: object) -> None:
    print(*what, flush=True)


if __name__ == '__main__':
    main()
