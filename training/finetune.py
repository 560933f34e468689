"""Fit a network's projection to your own places, and keep it only if it finds more of them.

python -m training.finetune my_photos --out my.safetensors
python -m training.finetune drive_1.mcap drive_2.mcap --out my.safetensors       # from bags
python -m training.finetune photos --queries-where time=180000..055959 --out my.safetensors

Part of the area, with a margin around it, is held out: nothing of it is trained on, and recall
there before and after decides. Where nothing got better the file holds the weights as they were,
and the first line of the output states which. After an interruption the same command goes on.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import fcntl
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from ghost_vpr_ros.cli.options import add_settings, config_from
from ghost_vpr_ros.core.errors import OutputError, SourceError, WeightsError
from ghost_vpr_ros.core.model.default_weights import default_weights_path
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import load_model, save_model
from ghost_vpr_ros.core.model.whitening import Whitening
from ghost_vpr_ros.replay.evaluation.evaluator import rank_database
from ghost_vpr_ros.replay.evaluation.ground_truth import GroundTruth
from ghost_vpr_ros.replay.output_files import check_writable
from training.command import add_device_option
from training.datasets.command_options import add_source, data_config
from training.datasets.open_place_set import open_place_set
from training.datasets.place_set import PlaceSet
from training.datasets.positives import TupleConfig, weak_labels
from training.entry import finish, new_parser
from training.head.provenance import without
from training.head.trained_projection import ProjectionConfig, train_projection
from training.head.unwhitened import unwhitened_descriptors
from training.loop.schedule import ScheduleConfig
from training.places.selection import place_set_truth

HELD_OUT_SHARE = 0.3
"""Share of the images, at one end of the area's longer side, that judge."""


@dataclass(frozen=True)
class Outcome:
    """The effect of a fine-tuning on the part held out.

    Attributes:
        before: recall@1 in percent.
        after: of the trained projection.
        gained: queries that only the trained one answers rightly.
        lost: queries that only the former one does.
        queries: held-out queries with a positive.
    """

    before: float
    after: float
    gained: int
    lost: int
    queries: int

    @property
    def is_better(self) -> bool:
        """Whether the trained projection is kept."""
        return self.gained > self.lost

    def sentence(self) -> str:
        """The result in words."""
        found = (
            f'held-out part, {self.queries} queries: recall@1 {self.before:.1f} % before, '
            f'{self.after:.1f} % after ({self.gained} gained, {self.lost} lost)'
        )
        if self.is_better:
            return f'{found}; the trained projection is kept'
        return f'{found}; nothing got better, so the weights are as they were'


def finetune(
    model: VprModel,
    places: PlaceSet,
    descriptors: NDArray[np.floating],
    tuples: TupleConfig,
    config: ProjectionConfig,
    seed: int = 0,
) -> tuple[VprModel, Outcome]:
    """The model with a projection fitted to these places, or unchanged where that is no better.

    Args:
        model: with whitening; it is not changed.
        places: N images with positions.
        descriptors: (N, K * C) of them before the whitening.
        tuples: what counts as a positive and as a negative in training and in judging.
        config: of the training.
        seed: of everything random.

    Raises:
        SourceError: fewer than two places, no revisits, or nothing left to judge by.
        WeightsError: the model has no whitening, or the loss is not finite.
    """
    if not isinstance(model.whitening, Whitening):
        raise WeightsError(
            'finetune: expected weights with whitening, whose projection is trained, found none; '
            'run python -m training.whiten first'
        )
    fitted, judged = held_out(places, tuples.negative_distance_m)
    labels = weak_labels(fitted, tuples)
    with tqdm(total=config.steps, desc='projection', disable=None) as bar:
        trained = train_projection(
            model.whitening, descriptors, labels, config, seed, progress=bar.update
        )
    outcome = _judged(model.whitening, trained, descriptors, judged, tuples)
    result = copy.deepcopy(model)
    if outcome.is_better:
        result.whitening = trained
        before = without(model.provenance, 'projection')
        learnt_from = f'{len(labels.queries)} queries of {places.name}'
        result.provenance = f'{before}; projection trained on {learnt_from}'
    return result.eval(), outcome


def held_out(places: PlaceSet, margin_m: float) -> tuple[PlaceSet, PlaceSet]:
    """The set to train on and the set to judge by: areas with a margin between them.

    Rows stay those of the whole set.

    Raises:
        SourceError: all images are at one place.
    """
    used = np.union1d(places.queries, places.database)
    points = places.positions_m[used] - places.positions_m[used].mean(axis=0)
    spread = np.linalg.svd(points, full_matrices=False)
    along = points @ spread.Vh[0]
    if not np.ptp(along) > 2.0 * margin_m:
        raise SourceError(
            f'{places.name}: expected places that lie more than {2.0 * margin_m:g} m apart, found '
            f'{np.ptp(along):.1f} m in all; a part is held out to judge by, so add photos of a '
            'larger area'
        )
    border = np.quantile(along, 1.0 - HELD_OUT_SHARE)
    return (
        _part(places, used[along < border - margin_m], 'to train on'),
        _part(places, used[along >= border], 'held out'),
    )


def _part(places: PlaceSet, rows: NDArray[np.int64], what: str) -> PlaceSet:
    queries = np.intersect1d(places.queries, rows)
    database = np.intersect1d(places.database, rows)
    if not (len(queries) and len(database)):
        raise SourceError(
            f'{places.name}: expected queries and database images in the part {what}, found '
            f'{len(queries)} and {len(database)}; add photos, or check who is query'
        )
    return replace(places, queries=queries, database=database, name=f'{places.name} ({what})')


def _judged(
    before: Whitening,
    after: Whitening,
    descriptors: NDArray[np.floating],
    places: PlaceSet,
    tuples: TupleConfig,
) -> Outcome:
    truth = place_set_truth(places, tuples.positive_distance_m)
    first, second = (_right_at_1(each, descriptors, places, truth) for each in (before, after))
    return Outcome(
        100.0 * float(first.mean()),
        100.0 * float(second.mean()),
        int((second & ~first).sum()),
        int((first & ~second).sum()),
        len(first),
    )


@torch.no_grad()
def _right_at_1(
    whitening: Whitening,
    descriptors: NDArray[np.floating],
    places: PlaceSet,
    truth: GroundTruth,
) -> NDArray[np.bool_]:
    """(Q,) whether the first answer is right, of each query with a positive."""
    queries, database = (
        whitening(torch.from_numpy(np.asarray(descriptors[rows], np.float32))).numpy()
        for rows in (places.queries, places.database)
    )
    rows, _ = rank_database(queries, database, truth)
    right: NDArray[np.bool_] = truth.positives.mask(rows)[truth.positives.counts() > 0, 0]
    return right


@contextlib.contextmanager
def _work_folder(out: Path) -> Iterator[Path]:
    """Where descriptors are kept until the result is written; an interrupted run leaves them.

    Raises:
        OutputError: another run is writing the same result.
    """
    folder, is_done = out.parent / f'.{out.name}.finetune', False
    folder.mkdir(exist_ok=True)
    with (folder / 'lock').open('ab') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(
                f'{out}: another run is writing it; wait for that one, or name another file'
            ) from error
        try:
            yield folder
            is_done = True
        finally:
            if is_done or not any(folder.glob('*.npy')):
                shutil.rmtree(folder)


def _run(args: argparse.Namespace) -> str:
    check_writable(args.out.parent)
    with _work_folder(args.out) as folder:
        return _fit_and_write(args, folder)


def _fit_and_write(args: argparse.Namespace, folder: Path) -> str:
    if args.out.exists():
        raise OutputError(f'{args.out}: exists already and is not changed; name another')
    model = load_model(args.weights)
    places = open_place_set(data_config(args))
    tuples = config_from(args, TupleConfig)
    used = np.union1d(places.queries, places.database)
    if len(used) < 4:
        raise SourceError(
            f'{places.name}: expected at least 4 images of at least two places, found '
            f'{len(used)}; add photos'
        )
    # All that can be refused, before the images are described.
    fitted, judged = held_out(places, tuples.negative_distance_m)
    weak_labels(fitted, tuples)
    place_set_truth(judged, tuples.positive_distance_m)
    descriptors = unwhitened_descriptors(
        model, places.frames, places.name, folder, ScheduleConfig(), args.device
    )
    config = config_from(args, ProjectionConfig)
    result, outcome = finetune(model.cpu(), places, descriptors, tuples, config, args.seed)
    save_model(result, args.out, half=True)
    return f'{outcome.sentence()}\n{args.out}: {result.name}\n'


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 after a known error, which is one line on stderr."""
    parser = new_parser('finetune', __doc__)
    add_source(parser)
    for kind in (TupleConfig, ProjectionConfig):
        add_settings(parser, kind)
    parser.add_argument(
        '--weights',
        type=Path,
        default=default_weights_path(),
        help='weights to start from; default: those of the package',
    )
    parser.add_argument('--out', type=Path, required=True, help='weights file to write')
    parser.add_argument('--seed', type=int, default=0, help='of everything random')
    add_device_option(parser)
    args = parser.parse_args(arguments)
    return finish('finetune', lambda: _run(args))


if __name__ == '__main__':
    sys.exit(main())
