"""Distil the feature maps of a trained network into a trunk, on unlabelled photos.

python -m training.distill --config training/configs/NAME.yaml --out RUN [--resume]
torchrun --nproc-per-node 2 -m training.distill ...      # a separate batch per process
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset, Subset
from tqdm import tqdm

from ghost_vpr_ros.core.errors import WeightsError
from ghost_vpr_ros.core.model.weights import save_model
from training.command import add_run_options, run_experiment, run_in_folder
from training.entry import finish, new_parser
from training.experiment import Experiment
from training.loop.augmentation import AugmentationConfig
from training.loop.determinism import make_deterministic
from training.loop.parallel import Processes
from training.loop.run_folder import BANK_NAME, RunFolder
from training.trunk.distillation import Distillation, DistillationConfig, open_teachers
from training.trunk.photo_views import ViewBatches, open_photos
from training.trunk.teacher import Teacher, Teachers
from training.trunk.view_bank import BankBatches, ViewBank

LOG_EVERY = 20
PCA_BATCHES = 16
"""The reduction is learned on the views of this many last steps."""


def distill(experiment: Experiment, folder: RunFolder, processes: Processes) -> None:
    """Train to the end, starting at the folder's checkpoint if there is one; write the weights.

    Raises:
        GhostVprError: photos, teacher or checkpoint cannot be used, or the loss is not finite.
    """
    make_deterministic(experiment.seed)
    config = experiment.section(DistillationConfig)
    run = Distillation(experiment, _teacher(config), processes)
    if folder.checkpoint.exists():
        run.restore(folder.checkpoint)
    views = _views(experiment, run, processes.rank)
    dataset = _batches(experiment, run, views, folder, processes)
    left: Dataset[Any] = Subset(dataset, range(run.step, len(dataset)))
    batches = DataLoader(left, batch_size=None, num_workers=processes.loaders, prefetch_factor=4)
    losses: list[float] = []
    bar = tqdm(batches, 'distill', initial=run.step, total=run.config.steps, disable=None)
    for first, changed in bar:
        targets = first if isinstance(first, list) else run.targets(first)
        losses.append(run.advance(targets, changed))
        if not math.isfinite(losses[-1]):
            raise WeightsError(
                f'distillation: the loss of step {run.step} is {losses[-1]}; the last checkpoint '
                'is intact: resume with a smaller distillation.learning_rate'
            )
        if processes.writes and run.is_due(LOG_EVERY):
            bar.set_postfix(loss=f'{np.mean(losses):.4f}')
            folder.log(run.step, {'loss': float(np.mean(losses)), 'learning_rate': run.rate})
            losses.clear()
        if processes.writes and run.is_due(run.config.checkpoint_every):
            run.save(folder.checkpoint)
    if processes.writes:
        steps = range(max(0, len(views) - PCA_BATCHES), len(views))
        save_model(run.result(views[step][0] for step in steps), folder.weights)


def _teacher(config: DistillationConfig) -> Teacher | Teachers:
    """The teacher, or all teachers joined."""
    opened = open_teachers(config)
    return opened[0] if len(opened) == 1 else Teachers(opened)


def _batches(
    experiment: Experiment,
    run: Distillation,
    views: ViewBatches,
    folder: RunFolder,
    processes: Processes,
) -> ViewBatches | BankBatches:
    """The batches of all steps of this process: new views, or views from the run's bank."""
    if not run.config.bank_views:
        return views
    bank = ViewBank(folder.path / BANK_NAME, views, run.teacher, run.config.bank_views, processes)
    seed = (experiment.seed, processes.rank)
    return BankBatches(bank, views, experiment.section(AugmentationConfig), seed)


def _views(experiment: Experiment, run: Distillation, rank: int) -> ViewBatches:
    """New views for all steps of this process."""
    return ViewBatches(
        open_photos(run.config.photos),
        run.config.view_sizes(),
        run.config.batch_size,
        experiment.seed,
        experiment.section(AugmentationConfig),
        experiment.preprocessing,
        rank,
    )


def _run(args: argparse.Namespace) -> str:
    experiment = run_experiment(args)

    def work(folder: RunFolder, processes: Processes) -> str:
        distill(experiment, folder, processes)
        return f'{folder.weights}: the distilled trunk\n'

    return run_in_folder(args, experiment, work)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 after a known error, which is one line on stderr."""
    parser = new_parser('distill', __doc__)
    add_run_options(parser)
    args = parser.parse_args(arguments)
    return finish('distill', lambda: _run(args))


if __name__ == '__main__':
    sys.exit(main())
