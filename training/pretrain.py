"""Train a trunk to classify scenes, from folders of labelled photos as in Places-365.

python -m training.pretrain --config training/configs/NAME.yaml --out RUN
python -m training.pretrain --out RUN --resume

Source: Ghost-dil-NetVLAD, Section 4.4.4. The result is a weights file whose clusters are not
initialised: `training.train --init` takes it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

import torch
from tqdm import tqdm

from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.model.weights import save_model
from ghost_vpr_ros.replay.output_files import write_json
from training.command import add_run_options, run_experiment
from training.datasets.data_config import expanded
from training.datasets.readers.scene_folders import SceneSet, read_scenes
from training.entry import finish, new_parser
from training.experiment import Experiment
from training.loop.determinism import make_deterministic
from training.loop.parallel import Processes
from training.loop.run_folder import METRICS_NAME, RunFolder
from training.trunk.classification import ClassificationConfig
from training.trunk.pretraining import Pretraining
from training.trunk.scene_batches import TrainingViews, WholeImages, load_batches


def pretrain(experiment: Experiment, folder: RunFolder, device: torch.device) -> Pretraining:
    """Train to the end, starting at the folder's checkpoint if there is one; write the weights.

    Raises:
        GhostVprError: scenes or checkpoint cannot be used, the loss is not finite, or the folder
            cannot be written.
    """
    make_deterministic(experiment.seed)
    config = experiment.section(ClassificationConfig)
    folders = [expanded(text) for text in config.folders]
    scenes = read_scenes(folders, config.val_share, experiment.seed)
    views = TrainingViews(scenes.train, experiment)
    run = Pretraining(experiment, scenes, len(views), device)
    if folder.checkpoint.exists():
        run.restore(folder.checkpoint)
    started_s = time.monotonic() - 60.0 * run.minutes
    bar = tqdm(desc='pretrain', initial=run.step, total=len(views), unit='step', disable=None)
    for batch in load_batches(views, range(run.step, len(views)), config.workers):
        if run.finished:
            break
        run.advance(batch)
        run.minutes = (time.monotonic() - started_s) / 60.0
        bar.update()
        _record(run, scenes, folder, epoch_ends=run.step % views.steps_in_epoch == 0)
    bar.close()
    save_model(run.result(), folder.weights)
    write_json(folder.path / METRICS_NAME, run.metrics())
    return run


def _record(run: Pretraining, scenes: SceneSet, folder: RunFolder, *, epoch_ends: bool) -> None:
    """Log, validate and save a checkpoint when due."""
    figures: dict[str, float] = {}
    if run.finished or epoch_ends or run.step % run.config.log_every == 0:
        figures = run.take_figures()
    if run.finished or epoch_ends:
        images = WholeImages(scenes.val, run.experiment)
        run.validate(load_batches(images, range(len(images)), run.config.workers))
        figures |= run.val
    if figures:
        folder.log(run.step, figures)
    if run.finished or run.step % run.config.checkpoint_every == 0:
        run.save(folder.checkpoint)


def _device(name: str) -> torch.device:
    """The device of the single process.

    Raises:
        DeviceError: no such device on this machine.
        ConfigError: torchrun started several processes.
    """
    processes = Processes.start(name)
    if processes.world > 1:
        processes.leave()
        raise ConfigError(
            f'classification trains in one process, found {processes.world}; start it without '
            'torchrun'
        )
    return processes.device


def _run(args: argparse.Namespace) -> str:
    experiment, device = run_experiment(args), _device(args.device)
    with RunFolder(args.out, experiment.to_dict(), resume=args.resume) as folder:
        run = pretrain(experiment, folder, device)
    if run.unreadable:
        sys.stderr.write(f'training.pretrain: {len(run.unreadable)} unreadable images skipped\n')
    return f'{folder.weights}: {run.provenance()}\n'


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 after a known error, which is one line on stderr."""
    parser = new_parser('pretrain', __doc__)
    add_run_options(parser)
    args = parser.parse_args(arguments)
    return finish('pretrain', lambda: _run(args))


if __name__ == '__main__':
    sys.exit(main())
