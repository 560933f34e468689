"""Learn the whitening of trained weights on training images, and write the weights with it.

python -m training.whiten --config training/configs/NAME.yaml --weights IN --out OUT [--dim 512]
    [--images 'PATH [COLUMN=VALUE ...]' ...]

Without --images, the configuration's images are used: `whitening.images`, or else the database
images of `data.train`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import ConfigError, OutputError
from ghost_vpr_ros.core.model.provenance import without
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import load_model, save_model
from ghost_vpr_ros.core.sampling import evenly_spaced
from ghost_vpr_ros.replay.output_files import check_writable
from training.command import add_device_option, add_experiment_options
from training.datasets.open_place_set import open_database
from training.entry import finish, new_parser
from training.experiment import Experiment, read_experiment
from training.head.condition_shifts import shift_directions
from training.head.unwhitened import unwhitened_descriptors
from training.head.whitening import DeploymentConfig, WhiteningConfig, whitened
from training.loop.augmentation import AugmentationConfig, augment
from training.loop.schedule import ScheduleConfig
from training.loop.trunk_memory import add_maps_option, remember_trunk
from training.trunk.photo_views import open_unweighted


def whiten(model: VprModel, experiment: Experiment, folder: Path, device: str) -> VprModel:
    """The model with a whitening, learned on the experiment's images.

    Args:
        model: with or without a whitening, which is replaced.
        experiment: images, settings, seed.
        folder: for the descriptors, 2 N K C bytes.
        device: cpu, cuda, cuda:N, or auto.

    Raises:
        GhostVprError: images cannot be used, or the descriptors span fewer than D directions.
    """
    config = experiment.section(WhiteningConfig)
    model.preprocessing = input_of(model, experiment)
    # The few images of the conditions come first, so that mistakes in them show at once.
    removed = removed_directions(model, experiment, folder, device)
    (first, *changed), source = training_descriptors(model, experiment, folder, device)
    result = whitened(
        model.cpu(),
        first,
        config.dim,
        config,
        experiment.seed,
        changed=changed[0] if changed else None,
        removed=removed,
    )
    before = without(model.provenance, 'whitening', 'projection')
    result.provenance = (
        f'{before}; whitening to {config.dim} dimensions learned on {len(first)} images of '
        f'{source}'
    )
    if removed is not None:
        result.provenance += f', without the shift between {" and ".join(config.conditions)}'
    return result


def removed_directions(
    model: VprModel, experiment: Experiment, folder: Path, device: str
) -> NDArray[np.float32] | None:
    """Directions (k, K * C) between the experiment's conditions; None if it names none.

    Raises:
        ConfigError: a single condition, or a text of another form.
        GhostVprError: images cannot be used, or the folder cannot be written.
    """
    sources = experiment.section(WhiteningConfig).conditions
    if not sources:
        return None
    if len(sources) == 1:
        raise ConfigError(
            f'whitening.conditions: expected at least two sources, found only {sources[0]!r}; '
            'name, for example, the photos by day and those by night'
        )
    schedule = experiment.section(ScheduleConfig)
    described = [
        unwhitened_descriptors(
            model, open_unweighted([each]), each, folder / f'condition_{number}', schedule, device
        )
        for number, each in enumerate(sources)
    ]
    return shift_directions(described)


def training_descriptors(
    model: VprModel, experiment: Experiment, folder: Path, device: str
) -> tuple[list[NDArray[np.float16]], str]:
    """The descriptors to learn the whitening from, (N, K * C), and the sources of the images.

    One array; with `light_pairs` a second one, of the same images under other light.

    Raises:
        GhostVprError: images cannot be used, or the folder cannot be written.
    """
    frames, source = whitening_frames(experiment)
    sets = [(frames, source)]
    if experiment.section(WhiteningConfig).light_pairs:
        sets.append(under_other_light(frames, source, experiment))
    schedule = experiment.section(ScheduleConfig)
    described = [
        unwhitened_descriptors(model, each, what, folder / str(number), schedule, device)
        for number, (each, what) in enumerate(sets)
    ]
    return described, source


def input_of(model: VprModel, experiment: Experiment) -> PreprocessingConfig:
    """The input of the experiment's section `deployment`; without it, that of the weights."""
    return deployed_input(experiment) or model.preprocessing


def deployed_input(experiment: Experiment) -> PreprocessingConfig | None:
    """The input of the experiment's section `deployment`, if it has one."""
    if 'deployment' not in experiment.sections:
        return None
    return PreprocessingConfig.from_dict(experiment.section(DeploymentConfig).to_dict())


def whitening_frames(experiment: Experiment) -> tuple[list[Frame], str]:
    """The images to learn the experiment's whitening on, in order, and their sources.

    Raises:
        ConfigError: the experiment has none.
        SourceError: a source cannot be read.
    """
    config = experiment.section(WhiteningConfig)
    if config.images:
        frames, source = open_unweighted(config.images), ', '.join(config.images)
    else:
        frames, source = open_database(experiment.data_part('train'))
    return [frames[i] for i in evenly_spaced(len(frames), config.max_images)], source


def under_other_light(
    frames: Sequence[Frame], source: str, experiment: Experiment
) -> tuple[list[Frame], str]:
    """The frames changed by the experiment's augmentation, and a description of them.

    Each change depends on the seed and the row only.
    """
    config = experiment.section(AugmentationConfig)

    def load(row: int, frame: Frame) -> NDArray[np.uint8]:
        return augment(frame.load(), np.random.default_rng((experiment.seed, row)), config)

    changed = [replace(frame, load=partial(load, row, frame)) for row, frame in enumerate(frames)]
    return changed, f'{source}, seed {experiment.seed}, {config.to_dict()}'


def add_whitening_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `read_whitening_experiment`, and `--device`."""
    add_experiment_options(parser)
    parser.add_argument('--images', nargs='+', help='training images, PATH [COLUMN=VALUE ...]')
    add_device_option(parser)


def read_whitening_experiment(args: argparse.Namespace) -> Experiment:
    """The experiment of `--config`, with the whitening options of the command line.

    Raises:
        ConfigError: it cannot be read, or has a bad value.
    """
    experiment = read_experiment(args.config, args.set)
    config = experiment.section(WhiteningConfig)
    given = {'dim': getattr(args, 'dim', None), 'images': args.images}
    changed = {**config.to_dict(), **{k: v for k, v in given.items() if v is not None}}
    sections = {**experiment.sections, 'whitening': WhiteningConfig.from_dict(changed)}
    return replace(experiment, sections=sections)


def _run(args: argparse.Namespace) -> str:
    if args.out.exists():
        raise OutputError(f'{args.out}: exists already and is not changed; name another')
    check_writable(args.out.parent)
    experiment = read_whitening_experiment(args)
    model = load_model(args.weights)
    remember_trunk(model, args.maps)
    if args.cache is not None:
        result = whiten(model, experiment, args.cache, args.device)
    else:
        with tempfile.TemporaryDirectory(prefix='.whiten-', dir=args.out.parent) as folder:
            result = whiten(model, experiment, Path(folder), args.device)
    save_model(result, args.out, half=args.half)
    size_mb = args.out.stat().st_size / 1e6
    return f'{args.out}: {load_model(args.out).name}, {size_mb:.1f} MB, {result.provenance}\n'


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 after a known error, which is one line on stderr."""
    parser = new_parser('whiten', __doc__)
    add_whitening_options(parser)
    parser.add_argument('--weights', type=Path, required=True, help='trained weights')
    parser.add_argument('--out', type=Path, required=True, help='weights file to write')
    parser.add_argument('--dim', type=int, help='size of the descriptor; default: whitening.dim')
    parser.add_argument('--half', action='store_true', help='round all weights to float16')
    parser.add_argument('--cache', type=Path, help='folder to keep the descriptors in')
    add_maps_option(parser)
    args = parser.parse_args(arguments)
    return finish('whiten', lambda: _run(args))


if __name__ == '__main__':
    sys.exit(main())
