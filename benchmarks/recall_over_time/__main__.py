"""Recall@1 on the panel versus milliseconds per image on one core: a plot and a table.

    python -m benchmarks.recall_over_time                # everything that is not measured yet
    python -m benchmarks.recall_over_time --only recalls # slow; may run on a busy machine
    python -m benchmarks.recall_over_time --only times   # five minutes, on an idle machine

Recalls are cached by the hashes of weights and panel, so only new ones are measured. Times are
measured in one process on one core, all methods in turn in every round. The page and the plot are
written after the times, unless other processes take more than a tenth of the machine (see --busy).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import describe_machine, load_average, restart_with
from benchmarks.recall_over_time import page, times
from benchmarks.recall_over_time.method import Files, Method
from benchmarks.recall_over_time.networks import networks, untrained_networks
from benchmarks.recall_over_time.other_methods import other_methods
from benchmarks.recall_over_time.other_work import (
    BUSY_SHARE,
    OtherWork,
    cores_of_machine,
    share_of_others,
)
from benchmarks.recall_over_time.panel_recalls import (
    key_of,
    measure_recalls,
    panel_identity,
    read_recalls,
)
from ghost_vpr_ros.core.errors import GhostVprError, SourceError
from ghost_vpr_ros.core.sampling import evenly_spaced
from ghost_vpr_ros.core.whole_file import write_whole
from training.measure.panel import Panel, open_panel

MODULE = 'benchmarks.recall_over_time'
ROOT = Path(__file__).parents[2]
RESULTS = ROOT / 'benchmarks' / 'results' / 'recall'
PAGE = ROOT / 'docs' / 'lab' / 'recall_over_time.md'
PICTURE = ROOT / 'docs' / 'images' / 'recall_over_time.png'
FOLDER = ROOT / 'build' / 'recall_over_time'
TIMED_IMAGES = 24
QUICK_SECONDS = 1.0

ONE_THREAD = {'OMP_NUM_THREADS': '1', 'OPENBLAS_NUM_THREADS': '1', 'MKL_NUM_THREADS': '1'}
"""Environment variables that libraries read on loading."""


def methods(quick: bool = False) -> list[Method]:
    """All methods to compare; with `quick` two that need no data."""
    # Recalls are computed in this order: ours first, slow learners last.
    with_recall = [*networks(), *other_methods()]
    if quick:
        return [m for m in with_recall if m.group == 'thumbnail' or m.is_default]
    return [*with_recall, *untrained_networks()]


def whole_panel() -> Panel:
    """The panel.

    Raises:
        SourceError: a part of it has no data here.
    """
    panel = open_panel()
    if panel.missing:
        part, reason = next(iter(panel.missing.items()))
        raise SourceError(
            f'panel: expected all parts, found no {part} ({reason}); set GHOST_VPR_DATA'
        )
    return panel


def panel_images(panel: Panel) -> list[NDArray[np.uint8]]:
    """Images to measure times with: queries of all parts, spread evenly."""
    queries = [frame for each in panel.protocols for frame in each.queries]
    return [queries[row].load() for row in evenly_spaced(len(queries), TIMED_IMAGES)]


def random_images() -> list[NDArray[np.uint8]]:
    """Images of random blocks, to measure times without data."""
    from benchmarks.speed_worker import make_image

    rng = np.random.default_rng(0)
    return [make_image(320, 320, rng)[0] for _ in range(TIMED_IMAGES)]


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog=MODULE, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--only', choices=('recalls', 'times', 'page'), help='default: all')
    parser.add_argument('--recalls', type=Path, default=RESULTS / 'panel.json', help='JSON file')
    parser.add_argument(
        '--out',
        type=Path,
        default=RESULTS / 'times.json',
        help='JSON file of the times',
    )
    parser.add_argument('--page', type=Path, default=PAGE, help='Markdown file to write')
    parser.add_argument('--picture', type=Path, default=PICTURE, help='PNG file to write')
    parser.add_argument('--folder', type=Path, default=FOLDER, help='for graphs and vocabularies')
    parser.add_argument('--seconds', type=float, default=120.0, help='duration of timed rounds')
    parser.add_argument(
        '--busy', action='store_true', help='write the page even if the machine is busy'
    )
    parser.add_argument(
        '--quick', action='store_true', help='a trial: two methods, one second, no data'
    )
    options = parser.parse_args(arguments)
    if options.quick:
        options.seconds, options.busy = min(options.seconds, QUICK_SECONDS), True
    return options


def measure_times(options: argparse.Namespace) -> dict[str, Any]:
    """The times of all methods that can run, with the machine and its load.

    Raises:
        SourceError: the machine is busy, and --busy is not given.
    """
    before = quiet_share(options.busy)
    load_before = load_average()
    panel = None if options.quick else whole_panel()
    images = random_images() if panel is None else panel_images(panel)
    ready, skipped = times.prepare(
        methods(options.quick), images, Files(options.folder, learn=False)
    )
    core = min(os.sched_getaffinity(0))
    print(f'{len(ready)} methods ready; core {core}', file=sys.stderr, flush=True)
    work = OtherWork()
    rounds = times.measure(ready, images, options.seconds)
    identity = panel_identity(panel) if panel else ''
    return {
        'benchmark': 'recall_over_time',
        # This process is pinned to one core.
        'machine': {**describe_machine(), 'cores': cores_of_machine()},
        'rounds': rounds,
        'images': len(images),
        'map_images': times.MAP_IMAGES,
        'load_average': [load_before, load_average()],
        'share_of_others': [before, work.share()],
        'skipped': skipped,
        'rows': [
            {**times.figures(each), 'recall_key': key_of(each.method, each.describer, identity)}
            for each in ready
        ],
    }


def quiet_share(busy: bool) -> float:
    """The share of the machine that other processes take now.

    Raises:
        SourceError: the machine is busy, and `busy` is False.
    """
    share = share_of_others()
    print(
        f'other work: {share:.0%} of the machine, load average {load_average():.1f}',
        file=sys.stderr,
        flush=True,
    )
    check_quiet(share, busy)
    return share


def check_quiet(share: float, busy: bool) -> None:
    """Refuse times of a busy machine.

    Raises:
        SourceError: the machine is busy, and `busy` is False.
    """
    if share > BUSY_SHARE and not busy:
        raise SourceError(
            f'times: expected an idle machine, found other processes on {share:.0%} of it; wait '
            'for them to end, or give --busy, which adds a note to the page'
        )


def run(options: argparse.Namespace) -> None:
    """Measure recalls and times and write the page, as requested.

    Raises:
        GhostVprError: data is missing, or the machine is busy.
    """
    options.folder.mkdir(parents=True, exist_ok=True)
    for path in (options.recalls, options.out, options.page, options.picture):
        path.parent.mkdir(parents=True, exist_ok=True)
    if options.only in (None, 'recalls') and not options.quick:
        scored = [method for method in methods() if method.has_recall]
        measure_recalls(scored, whole_panel(), Files(options.folder), options.recalls)
    if options.only in (None, 'times'):
        report = measure_times(options)
        report['command'] = options.command
        check_quiet(report['share_of_others'][1], options.busy)
        write_whole(options.out, (json.dumps(report, indent=1) + '\n').encode(), durable=False)
    if options.only == 'recalls' and not options.out.is_file():
        page.write_recalls(read_recalls(options.recalls), options.page)
    if options.only != 'recalls':
        report = json.loads(options.out.read_text())
        page.write(report, read_recalls(options.recalls), options.page, options.picture)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 after a known error, which is one line on stderr."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    options = parse_arguments(words)
    options.command = ' '.join([f'python -m {MODULE}', *words])
    if options.only in (None, 'times'):
        restart_with(ONE_THREAD, MODULE, words)
    use_one_core()
    try:
        run(options)
    except GhostVprError as error:
        print(f'{MODULE}: error: {" ".join(str(error).split())}', file=sys.stderr)
        return 1
    return 0


def use_one_core() -> None:
    """Use one thread in every library, pinned to the last core of this process."""
    import cv2
    import faiss
    import torch

    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    faiss.omp_set_num_threads(1)


if __name__ == '__main__':
    sys.exit(main())
