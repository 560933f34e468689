"""Fit the network to your own places, and keep the result only if it finds more of them.

Photos with GPS, a manifest with positions, or bags: places that were visited more than once.
Part of the area is held out: recall there before and after decides, and where nothing got better
the file holds the weights as they were. Interrupted, it continues when the same command is given
again. `ghost-vpr build-map SOURCE MAP --model FILE` uses the result.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ghost_vpr_ros.cli.model_options import add_engine_options, file_model
from ghost_vpr_ros.cli.options import add_settings, add_where, config_from, seed, where_from
from ghost_vpr_ros.cli.progress import progress_bar, say
from ghost_vpr_ros.cli.sources import opened
from ghost_vpr_ros.cli.table import add_json_option, print_result
from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.config.image import ImageConfig
from ghost_vpr_ros.core.errors import ConfigError, OutputError
from ghost_vpr_ros.core.model.shipped import DEFAULT, SHIPPED
from ghost_vpr_ros.replay.bags.topics import BagTopics
from ghost_vpr_ros.replay.config import ProjectionConfig, TupleConfig, VisitConfig
from ghost_vpr_ros.replay.output_files import check_output_file, make_output_folder

if TYPE_CHECKING:
    from ghost_vpr_ros.core.model.weights_file import StoredModel
    from ghost_vpr_ros.replay.fine_tuning.fitting import Outcome, Parts
    from ghost_vpr_ros.replay.places.place_set import PlaceSet

COMMON_OPTIONS = (
    *('--out', '--model', '--where', '--queries-where', '--database-where', '--steps'),
    *('--positive-distance-m', '--negative-distance-m', '--revisit-after-s'),
    *('--keyframe-distance-m', '--image-topic', '--position-topic', '--device', '--json'),
)
"""Shown by `--help`; the others by `--help-all`."""

_FEW_QUERIES = 30
"""With fewer held-out queries, recall is a rough estimate."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        'sources',
        metavar='SOURCE',
        nargs='+',
        help='folder of photos with GPS, CSV manifest, or bag; several are drives of one area',
    )
    parser.add_argument(
        '--out', required=True, metavar='FILE', type=Path, help='weights file to write'
    )
    parser.add_argument(
        '--model',
        metavar='WEIGHTS',
        help=f'weights to start from: a .safetensors file, {" or ".join(SHIPPED)} (default: '
        f'{DEFAULT})',
    )
    add_where(parser)
    add_where(parser, '--queries-where', ' that are searched for')
    add_where(parser, '--database-where', ' that are found')
    add_settings(parser, TupleConfig)
    add_settings(parser, VisitConfig)
    add_settings(parser, ProjectionConfig)
    parser.add_argument('--seed', type=seed, default=0, help='of everything random (default 0)')
    add_settings(parser, ImageConfig)
    add_settings(parser.add_argument_group('bags'), BagTopics)
    add_json_option(parser)
    add_engine_options(parser)


def run(args: argparse.Namespace) -> int:
    """Describe the images, train and judge, write the weights and print the effect."""
    check_output_file(args.out)
    if args.out.exists():
        raise OutputError(f'{args.out}: exists already and is not changed; name another file')
    stored = _starting_weights(args)
    with _work_folder(args.out) as folder:
        try:
            _fit_and_write(args, stored, folder)
        except KeyboardInterrupt:
            say('note: give the same command again to continue')
            raise
    return 0


def _starting_weights(args: argparse.Namespace) -> StoredModel:
    """The file that `--model` names, or the shipped one."""
    from ghost_vpr_ros.core.engine.networks_of_others import is_of_others
    from ghost_vpr_ros.core.model.default_weights import default_weights

    if args.model is None:
        return default_weights()
    if is_of_others(args.model):
        raise ConfigError(
            f'--model {args.model}: only the projection of networks of this package is trained; '
            'train foreign networks where they come from, and export them to ONNX again'
        )
    return file_model(args)


def _fit_and_write(args: argparse.Namespace, stored: StoredModel, folder: Path) -> None:
    from ghost_vpr_ros.core.model.weights import load_network, model_to_bytes, write_weights
    from ghost_vpr_ros.replay.fine_tuning.describing import unwhitened_descriptors
    from ghost_vpr_ros.replay.fine_tuning.fitting import check_trainable, divided, finetune

    model = load_network(stored)
    check_trainable(model, stored.where)
    places = _places(args)
    parts = divided(places, config_from(args, TupleConfig))
    _report_size(places, parts)
    descriptors = unwhitened_descriptors(
        model, places, folder, config_from(args, EngineConfig), _describe_bar
    )
    config = config_from(args, ProjectionConfig)
    with progress_bar(config.steps, 'train', 'step') as progress:
        result, outcome = finetune(model, parts, descriptors, config, args.seed, progress)
    write_weights(args.out, model_to_bytes(result) if outcome.is_better else stored.data)
    _print(args, outcome, result.model_hash)


def _describe_bar(total: int) -> Any:
    return progress_bar(total, 'describe')


def _places(args: argparse.Namespace) -> PlaceSet:
    """The images of all sources, as places.

    Raises:
        SourceError, BagError, ConfigError: as `own_places`, or a source is named twice.
    """
    from ghost_vpr_ros.replay.fine_tuning.own_places import own_places
    from ghost_vpr_ros.replay.places.drives import refuse_odometry, refuse_twice

    refuse_twice(args.sources)
    topics = config_from(args, BagTopics)
    where = where_from([*args.where, *args.database_where])
    sources = [opened(args, path, where=where, topics=topics) for path in args.sources]
    if not topics.position_topic:
        refuse_odometry(sources, '--position-topic')
    queries = None
    if args.queries_where or args.database_where:
        asked = where_from([*args.where, *args.queries_where])
        queries = opened(args, args.sources[0], where=asked, topics=topics)
    return own_places(sources, config_from(args, VisitConfig), queries)


def _report_size(places: PlaceSet, parts: Parts) -> None:
    """Print the sizes of both parts, and the number of images without a position."""
    missing = places.facts.get('images_without_position', 0)
    if missing:
        say(f'warning: {missing} images without a position are left out')
    judging = int((parts.truth.positives.counts() > 0).sum())
    say(
        f'{len(places)} images: {len(parts.labels.queries)} queries to train on, {judging} held '
        'out to judge by'
    )
    if judging < _FEW_QUERIES:
        say(f'warning: {judging} queries judge roughly; add photos for a result to rely on')


def _print(args: argparse.Namespace, outcome: Outcome, model_hash: str) -> None:
    if args.json:
        found = {**asdict(outcome), 'is_better': outcome.is_better}
        print_result({**found, 'weights': str(args.out), 'model_hash': model_hash}, True)
        return
    print(outcome.sentence())
    print(f'{args.out}: weights {model_hash[:12]}; use them with --model {args.out}')


@contextlib.contextmanager
def _work_folder(out: Path) -> Iterator[Path]:
    """The folder of descriptors; an interrupted run leaves it.

    Raises:
        OutputError: another run is writing the same result.
    """
    folder, is_done = make_output_folder(out.parent / f'.{out.name}.finetune'), False
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
            if is_done or not any(folder.glob('*/shards/*.npy')):
                shutil.rmtree(folder)
