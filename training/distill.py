"""Teach a trunk the feature maps of a trained network, on photos without any label.

python -m training.distill --config training/configs/NAME.yaml --out RUN [--resume]
torchrun --nproc-per-node 2 -m training.distill ...      # each process a batch of its own
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch.distributed as dist
from torch.utils.data import DataLoader, Subset
from tqdm import tqdm

from ghost_vpr_ros.core.errors import GhostVprError, WeightsError
from ghost_vpr_ros.core.model.weights import save_model
from training.augmentation import AugmentationConfig
from training.distillation import Distillation
from training.experiment import Experiment, read_experiment
from training.photo_views import ViewBatches, open_photos
from training.run_folder import RunFolder
from training.teacher import open_teacher

LOG_EVERY = 20


def distill(experiment: Experiment, folder: RunFolder, rank: int, world: int) -> None:
    """Run to the end, from the folder's checkpoint where there is one, and write the weights.

    Raises:
        GhostVprError: photos, teacher or checkpoint cannot be used, or the loss is not finite.
    """
    run = Distillation(experiment, open_teacher(_teacher_name(experiment)))
    if folder.checkpoint.exists():
        run.restore(folder.checkpoint)
    if world > 1:
        run.share()
    batches = _batches(experiment, run, rank)
    losses: list[float] = []
    bar = tqdm(batches, 'distill', initial=run.step, total=run.config.steps, disable=None)
    for clean, changed in bar:
        losses.append(run.advance(clean, changed))
        if not np.isfinite(losses[-1]):
            raise WeightsError(
                f'distillation: the loss of step {run.step} is {losses[-1]}; the last checkpoint '
                'is intact: resume with a smaller distillation.learning_rate'
            )
        last = run.step == run.config.steps
        if rank == 0 and (run.step % LOG_EVERY == 0 or last):
            rate = run.config.rate_at(run.step - 1)
            folder.log(run.step, {'loss': float(np.mean(losses)), 'learning_rate': rate})
            bar.set_postfix(loss=f'{np.mean(losses):.4f}')
            losses.clear()
        if rank == 0 and (run.step % run.config.checkpoint_every == 0 or last):
            run.save(folder.checkpoint)
    if rank == 0:
        save_model(run.result(), folder.weights)


def _teacher_name(experiment: Experiment) -> str:
    from training.distillation import DistillationConfig

    return experiment.section(DistillationConfig).teacher


def _batches(experiment: Experiment, run: Distillation, rank: int) -> DataLoader:
    """Batches of the steps that are left, made by a process beside this one."""
    dataset = ViewBatches(
        open_photos(run.config.photos),
        run.config.view_sizes(),
        run.config.batch_size,
        experiment.seed,
        experiment.section(AugmentationConfig),
        experiment.preprocessing,
        rank,
    )
    left = Subset(dataset, range(run.step, len(dataset)))
    return DataLoader(left, batch_size=None, num_workers=1, prefetch_factor=4)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 after a known error, which is one line on stderr."""
    parser = argparse.ArgumentParser(prog='training.distill', description=__doc__)
    parser.add_argument('--config', type=Path, required=True, help='experiment, YAML')
    parser.add_argument('--out', type=Path, required=True, help='folder of the run')
    parser.add_argument('--resume', action='store_true', help='continue an interrupted run')
    parser.add_argument(
        '--set', action='append', default=[], metavar='SECTION.KEY=VALUE', help='change a setting'
    )
    args = parser.parse_args(arguments)
    rank, world = int(os.environ.get('RANK', 0)), int(os.environ.get('WORLD_SIZE', 1))
    try:
        experiment = read_experiment(args.config, args.set)
        resume = args.resume or rank > 0
        folder = RunFolder(args.out, experiment.to_dict(), resume=resume)
        if world > 1:
            dist.init_process_group('gloo')
        distill(experiment, folder, rank, world)
        folder.close()
    except GhostVprError as error:
        sys.stderr.write(f'training.distill: error: {error}\n')
        return 1
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
    if rank == 0:
        sys.stdout.write(f'{folder.weights}: the distilled trunk\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
