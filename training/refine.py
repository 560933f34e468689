"""Refine a distilled and whitened network on places, with several views of each per batch.

python -m training.refine --config training/configs/NAME.yaml --init WEIGHTS --out RUN
python -m training.refine --out RUN --resume
torchrun --nproc-per-node 2 -m training.refine ...      # separate batches per process

Writes to RUN: config.yaml, log.csv and TensorBoard events, the bank of views,
checkpoint.safetensors and weights.safetensors. Measure the weights with training.evaluate.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Subset
from tqdm import tqdm

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import load_model, save_model
from training.command import add_run_options, run_experiment, run_in_folder
from training.datasets.data_config import expanded
from training.entry import finish, new_parser
from training.experiment import Experiment
from training.loop.augmentation import AugmentationConfig
from training.loop.describing import Describer
from training.loop.determinism import make_deterministic
from training.loop.image_batches import ImageStore, open_pool
from training.loop.parallel import Processes
from training.loop.run_folder import BANK_NAME, RunFolder
from training.loop.schedule import ScheduleConfig
from training.refinement.moved_view import MotionConfig
from training.refinement.place_sources import open_source_of_places
from training.refinement.place_views import PlaceBatches, PlaceViews
from training.refinement.refinement import MapsBefore, Refinement, RefinementConfig
from training.refinement.weak_pairs import PairConfig
from training.trunk.view_bank import ViewBank
from training.whiten import input_of

LOG_EVERY = 10


def refine(experiment: Experiment, folder: RunFolder, processes: Processes) -> None:
    """Train to the end, starting at the folder's checkpoint if there is one; write the weights.

    Raises:
        GhostVprError: places, weights or checkpoint cannot be used, or the loss is not finite.
    """
    make_deterministic(experiment.seed)
    if not experiment.init:
        raise ConfigError('init: expected weights to refine, found none; name them with --init')
    config = experiment.section(RefinementConfig)
    model = load_model(expanded(experiment.init))
    deployed = input_of(model, experiment)
    side_px = config.view_px or deployed.width_px
    model.preprocessing = replace(deployed, width_px=side_px, height_px=side_px)
    before = MapsBefore(model)
    views = _views(experiment, model, processes)
    count = config.groups * config.views_per_place
    bank = ViewBank(folder.path / BANK_NAME, views, before, count, processes)
    run = Refinement(experiment, model, views, processes)
    if folder.checkpoint.exists():
        run.restore(folder.checkpoint)
    _advance(run, _batches(experiment, run, bank, views), folder)
    if processes.writes:
        result = run.result()
        result.preprocessing = deployed
        save_model(result, folder.weights, half=config.half)


def _advance(run: Refinement, batches: PlaceBatches, folder: RunFolder) -> None:
    """Run the remaining steps."""
    left = Subset(batches, range(run.step, len(batches)))
    loaded = DataLoader(
        left, batch_size=None, num_workers=run.processes.loaders, prefetch_factor=2
    )
    losses: list[tuple[float, float]] = []
    bar = tqdm(loaded, 'refine', initial=run.step, total=len(batches), disable=None)
    for inputs, maps, groups in bar:
        losses.append(run.advance(inputs, maps, groups))
        is_last = run.step == len(batches)
        if run.processes.writes and (run.step % LOG_EVERY == 0 or is_last):
            places, anchor = (float(each) for each in np.mean(losses, axis=0))
            bar.set_postfix(places=f'{places:.4f}', anchor=f'{anchor:.4f}')
            folder.log(run.step, {'places_loss': places, 'anchor_loss': anchor})
            losses.clear()
        if run.processes.writes and (run.step % run.config.checkpoint_every == 0 or is_last):
            run.save(folder.checkpoint)


def _views(experiment: Experiment, model: VprModel, processes: Processes) -> PlaceViews:
    """The places of the bank's groups of views.

    Raises:
        ConfigError: no places are named.
    """
    config = experiment.section(RefinementConfig)
    if not config.places:
        raise ConfigError(
            'refinement.places: expected at least one source, found none; for example '
            '`1 photos my_photos`'
        )
    motion, pairs = experiment.section(MotionConfig), experiment.section(PairConfig)

    def describe(frames: Sequence[Frame]) -> NDArray[np.float32]:
        return _described(model, frames, experiment.section(ScheduleConfig), processes)

    sources = [open_source_of_places(text, motion, pairs, describe) for text in config.places]
    identity = [list(config.places), motion.to_dict(), pairs.to_dict()]
    return PlaceViews(
        sources,
        config.groups,
        config.views_per_place,
        model.preprocessing,
        experiment.seed,
        identity,
    )


def _described(
    model: VprModel, frames: Sequence[Frame], schedule: ScheduleConfig, processes: Processes
) -> NDArray[np.float32]:
    """(N, D) descriptors, unit norm, of frames; each process computes all of them."""
    alone = Processes(0, 1, processes.device)
    with open_pool(schedule.workers) as pool:
        store = ImageStore(frames, model.preprocessing, alone.device, 0.0, pool)
        describe = Describer(model, store, alone, schedule.describe_batch)
        found = torch.from_numpy(describe(np.arange(len(frames))))
    with torch.no_grad():
        whitened: NDArray[np.float32] = model.whitening(found.to(alone.device)).cpu().numpy()
    return whitened


def _batches(
    experiment: Experiment, run: Refinement, bank: ViewBank, views: PlaceViews
) -> PlaceBatches:
    config = run.config
    return PlaceBatches(
        bank,
        views,
        experiment.section(AugmentationConfig),
        (config.steps, config.places_per_batch),
        (experiment.seed, run.processes.rank),
    )


def _run(args: argparse.Namespace) -> str:
    experiment = run_experiment(args, [f'init={args.init}'] if args.init else [])

    def work(folder: RunFolder, processes: Processes) -> str:
        refine(experiment, folder, processes)
        return f'{folder.weights}: the refined network\n'

    return run_in_folder(args, experiment, work)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 after a known error, which is one line on stderr."""
    parser = new_parser('refine', __doc__)
    add_run_options(parser)
    parser.add_argument('--init', help='weights to refine: distilled, clustered and whitened')
    args = parser.parse_args(arguments)
    return finish('refine', lambda: _run(args))


if __name__ == '__main__':
    sys.exit(main())
