"""Train for place recognition from GPS tags: weakly supervised ranking loss on mined tuples.

python -m training.train --config training/configs/NAME.yaml --out RUN [--init WEIGHTS]
python -m training.train --out RUN --resume
torchrun --nproc-per-node 4 -m training.train ...     # splits each batch of tuples

Writes to RUN: config.yaml, log.csv and TensorBoard events, curves.png, metrics.json,
MODEL_CARD.md, checkpoint.safetensors, and weights.safetensors with the best validation recall.
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ghost_vpr_ros.replay.output_files import write_file, write_json
from ghost_vpr_ros.replay.places.place_set import PlaceSet
from training.command import add_run_options, run_experiment, run_in_folder
from training.datasets.joined_sets import join_sets
from training.datasets.open_place_set import open_place_set
from training.entry import finish, new_parser
from training.experiment import Experiment
from training.head.starting_model import interrupted_model, starting_model
from training.loop.curves import draw_curves
from training.loop.determinism import make_deterministic
from training.loop.optimiser import OptimiserConfig
from training.loop.parallel import Processes
from training.loop.run_folder import CACHE_NAME, LOG_NAME, METRICS_NAME, RunFolder
from training.loop.trunk_memory import add_maps_option, check_frozen
from training.model_card import run_card
from training.places.parts import TrainingParts, assemble
from training.places.run import TrainingRun

CARD_NAME = 'MODEL_CARD.md'
CURVES_NAME = 'curves.png'
_KIB = 1024


def train(
    experiment: Experiment, folder: RunFolder, processes: Processes, maps: Path | None = None
) -> dict[str, Any]:
    """Train to the end, starting at the folder's checkpoint if there is one.

    Args:
        experiment: all settings.
        folder: of the run.
        processes: rank and device of this process.
        maps: folder to cache the feature maps of a frozen trunk in; None: no cache.

    Returns:
        The content of metrics.json.

    Raises:
        GhostVprError: data, weights or checkpoint cannot be used, the loss is not finite, the
            network has collapsed, or the disk is full.
    """
    make_deterministic(experiment.seed)
    check_frozen(experiment.section(OptimiserConfig).train_from, maps)
    train_set, val_set = (_open_part(experiment, part) for part in ('train', 'val'))
    if folder.checkpoint.exists():
        model = interrupted_model(experiment)
    else:
        database = [train_set.frames[row] for row in train_set.database]
        model = starting_model(experiment, database, maps, source=train_set.name)
    cache = folder.path / CACHE_NAME / str(processes.rank)
    parts = assemble(experiment, processes, train_set, val_set, model, cache)
    with contextlib.closing(parts):
        run = TrainingRun(parts, folder)
        ended = run.run()
    metrics = _metrics(parts, run, ended)
    if processes.writes:
        write_json(folder.path / METRICS_NAME, metrics)
        draw_curves(folder.path / LOG_NAME, folder.path / CURVES_NAME)
        write_file(folder.path / CARD_NAME, run_card(experiment, folder.weights, metrics))
    _remove(cache)
    return metrics


def _remove(cache: Path) -> None:
    """Delete this process's descriptors; the last process also removes their folder."""
    shutil.rmtree(cache, ignore_errors=True)
    with contextlib.suppress(OSError):
        cache.parent.rmdir()


def _open_part(experiment: Experiment, part: str) -> PlaceSet:
    return join_sets([open_place_set(config) for config in experiment.data_part(part)])


def _metrics(parts: TrainingParts, run: TrainingRun, ended: str) -> dict[str, Any]:
    device = parts.processes.device
    on_gpu = torch.cuda.max_memory_allocated(device) if device.type == 'cuda' else 0
    return {
        'val_recall': {str(n): value for n, value in parts.selection.best.items()},
        'best_epoch': parts.selection.best_epoch,
        'epochs': run.state.epoch,
        'steps': run.state.step,
        'ended': ended,
        'elapsed_s': run.state.elapsed_s,
        'passes': parts.miner.counter.to_dict(),
        'peak_memory_gb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB / 1e9,
        'peak_gpu_memory_gb': on_gpu / 1e9,
        'device': str(device),
        'processes': parts.processes.world,
        'threads': torch.get_num_threads(),
        'torch': torch.__version__,
        'seed': parts.experiment.seed,
        'data': parts.sentence,
    }


def _run(args: argparse.Namespace) -> str:
    experiment = run_experiment(args, [f'init={args.init}'] if args.init else [])

    def work(folder: RunFolder, processes: Processes) -> str:
        metrics = train(experiment, folder, processes, args.maps)
        recall = ', '.join(f'r@{n} {value:.1f}' for n, value in metrics['val_recall'].items())
        return f'{folder.weights}: {recall} on the validation set; {metrics["ended"]}\n'

    return run_in_folder(args, experiment, work)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 after a known error, which is one line on stderr."""
    parser = new_parser('train', __doc__)
    add_run_options(parser)
    parser.add_argument('--init', help='weights to start from; default: an untrained network')
    add_maps_option(parser)
    args = parser.parse_args(arguments)
    return finish('train', lambda: _run(args))


if __name__ == '__main__':
    sys.exit(main())
