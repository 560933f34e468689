"""Shared by the training commands: options, and running work in a run folder."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from ghost_vpr_ros.core.errors import ConfigError
from training.experiment import Experiment, read_experiment
from training.loop.parallel import Processes
from training.loop.run_folder import CONFIG_NAME, RunFolder


def add_experiment_options(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add `--config` and `--set`.

    Args:
        parser: of a command that reads an experiment.
        required: False for commands whose interrupted run has its own configuration.
    """
    text = 'experiment, YAML' if required else 'experiment, YAML; not needed with --resume'
    parser.add_argument('--config', type=Path, required=required, help=text)
    parser.add_argument(
        '--set', action='append', default=[], metavar='SECTION.KEY=VALUE', help='change a setting'
    )


def add_device_option(parser: argparse.ArgumentParser) -> None:
    """Add `--device`."""
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda, cuda:1, ...')


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a run that has a folder and can be resumed."""
    add_experiment_options(parser, required=False)
    parser.add_argument('--out', type=Path, required=True, help='folder of the run')
    parser.add_argument('--resume', action='store_true', help='continue an interrupted run')
    add_device_option(parser)


def run_experiment(args: argparse.Namespace, changes: Sequence[str] = ()) -> Experiment:
    """The experiment of `--config`, or of an interrupted run's own file.

    Raises:
        ConfigError: neither exists, or it cannot be used.
    """
    if args.config is None and not args.resume:
        raise ConfigError('--config: expected an experiment, found none; add --config or --resume')
    return read_experiment(args.config or args.out / CONFIG_NAME, [*args.set, *changes])


def run_in_folder(
    args: argparse.Namespace, experiment: Experiment, work: Callable[[RunFolder, Processes], str]
) -> str:
    """Run `work` in its folder on all processes; returns the text of the first process.

    Raises:
        OutputError: the folder cannot be written, or holds another run.
        ConfigError: it belongs to another experiment.
        GhostVprError: as `work`.
    """
    processes = Processes.start(args.device)
    config = experiment.to_dict()
    if processes.writes:
        folder = RunFolder(args.out, config, resume=args.resume)
    # The other processes open the folder that the first one created.
    processes.wait()
    if not processes.writes:
        folder = RunFolder(args.out, config, resume=True)
    with folder:
        text = work(folder, processes)
    processes.leave()
    return text if processes.writes else ''
