"""Run the stages of a table's row with one seed, or reuse their results.

A stage is computed once for each digest of its inputs. Settings at their defaults are not part of
the digest, so that a new setting changes no digest. If the results of a command or its defaults
change, `RECIPE` must be increased.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import importlib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ghost_vpr_ros.core.config.settings import Config, settings_of
from ghost_vpr_ros.core.errors import ConfigError, SourceError
from ghost_vpr_ros.replay.output_files import read_object, write_json
from training.datasets.data_config import expanded
from training.experiment import Experiment, read_experiment
from training.head.whitening import WhiteningConfig
from training.loop.run_folder import CONFIG_NAME, LOG_NAME, WEIGHTS_NAME
from training.measure.protocols import read_protocols
from training.tables.plan import BASELINE, PlanRow, Table

RECIPE = 2
"""Version of the computations of the stages."""

_WHOLE_FILE_BYTES = 10**7
"""Files up to this size that are not images are identified by their content."""

_IMAGES = ('.jpg', '.jpeg', '.png', '.bmp', '.ppm', '.pgm')

_SECTIONS = {
    'pretrain': ('classification', 'augmentation'),
    'distill': ('distillation', 'augmentation'),
    'initialise': ('semantics',),
    'train': (
        'tuples',
        'mining',
        'loss',
        'optimiser',
        'schedule',
        'selection',
        'alarm',
        'augmentation',
        'semantics',
    ),
    'whiten': ('whitening', 'deployment', 'augmentation'),
    'refine': ('refinement', 'similarity', 'motion', 'pairs', 'augmentation'),
    'rootsift': ('whitening',),
}
"""Stage -> sections of the experiment that it reads."""

_USES_PLACES = ('initialise', 'train', 'whiten', 'rootsift')

RESULT_NAME = 'recall.json'
DONE_NAME = 'done.json'
MAPS_NAME = 'maps'

_RUN_FOLDERS = ('pretrain', 'distill', 'train', 'refine')
"""Stages that write a run folder and can be resumed; the others write one file."""

_KEEPS_TRUNK = ('initialise', 'train', 'whiten')
"""Stages that can use the cached maps of a frozen trunk, as the evaluation can."""

_OF_BASELINE = {'path', 'split', 'where', 'queries_where', 'database_where'}
"""Data settings that the baseline supports; it ignores the roles of queries."""


def digest_of(values: object) -> str:
    """16 hexadecimal digits of plain values."""
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def stage_inputs(stage: str, experiment: Experiment, before: str) -> dict[str, Any]:
    """The inputs of a stage's result, as plain values.

    Args:
        stage: name of a stage.
        experiment: with the row's changes and its seed.
        before: digest of the stage that produced its initial weights; empty: none.
    """
    values: dict[str, Any] = {
        'seed': experiment.seed,
        'preprocessing': changed_settings(experiment.preprocessing),
        'model': changed_settings(experiment.model),
    }
    for name, section in experiment.sections.items():
        if name in _SECTIONS[stage]:
            values[name] = changed_settings(section)
    if stage in _USES_PLACES:
        values['data'] = {
            part: [changed_settings(each) for each in sets]
            for part, sets in experiment.data.items()
        }
    starts = {} if before else {'init': experiment.init}
    starts['backbone_weights'] = experiment.backbone_weights
    values.update({name: path for name, path in starts.items() if path})
    files = {text: files_digest(expanded(text)) for text in _files_of(values)}
    return {'recipe': RECIPE, 'stage': stage, 'before': before, 'said': values, 'files': files}


def changed_settings(config: Config) -> dict[str, Any]:
    """The settings that are not at their defaults, as plain values."""
    plain = config.to_dict()
    default = {item.name: item.default for item in settings_of(type(config))}
    return {name: value for name, value in plain.items() if getattr(config, name) != default[name]}


def _files_of(values: Mapping[str, Any]) -> list[str]:
    """Files and folders in these values."""
    sets = [each for part in values.get('data', {}).values() for each in part]
    semantics, distillation = values.get('semantics', {}), values.get('distillation', {})
    photos = [text.split()[1] for text in distillation.get('photos', [])]
    images = [text.split()[0] for text in values.get('whitening', {}).get('images', [])]
    places = [text.split()[2] for text in values.get('refinement', {}).get('places', [])]
    named = [
        *photos,
        *places,
        *values.get('classification', {}).get('folders', []),
        *images,
        distillation.get('continue_from', ''),
        *(path for each in sets for path in each['path']),
        *(semantics.get(name, '') for name in ('images', 'labels', 'segmenter_weights')),
        *(values.get(name, '') for name in ('init', 'backbone_weights')),
    ]
    return sorted({text for text in named if text})


@cache
def files_digest(path: Path) -> str:
    """16 hexadecimal digits of a file's content, or of all files of a folder.

    Images are identified by name and size, other files (lists, manifests) by their content.
    """
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    digest = hashlib.sha256()
    for file in _files_below(path):
        size = file.stat().st_size
        digest.update(f'{file.relative_to(path)} {size}\n'.encode())
        if file.suffix.lower() not in _IMAGES and size <= _WHOLE_FILE_BYTES:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _files_below(path: Path) -> Sequence[Path]:
    found = (Path(folder) / name for folder, _, names in os.walk(path) for name in names)
    return sorted(found)


@dataclass(frozen=True)
class Stage:
    """One command and the location of its result.

    Attributes:
        name: of the stage.
        arguments: of the command `training.NAME`.
        folder: of its result, named by the digest of its inputs.
        inputs: that the digest covers.
    """

    name: str
    arguments: tuple[str, ...]
    folder: Path
    inputs: Mapping[str, Any]


def stages_of(table: Table, row: PlanRow, seed: int, out: Path) -> list[Stage]:
    """The stages of a row in order; the last one is the evaluation.

    Raises:
        ConfigError: contradictory settings of the row.
    """
    changes = (f'seed={seed}', *row.changes)
    base = row.base or table.base
    experiment = read_experiment(base, changes)
    options = tuple(text for change in changes for text in ('--set', change))
    maps = _maps_option(experiment, row, out)
    stages: list[Stage] = []
    weights, before = '', ''
    for name in row.stages:
        inputs = stage_inputs(name, experiment, before)
        before = digest_of(inputs)
        folder = out / 'stages' / f'{name}-{before}'
        arguments = ['--config', str(base), *options, *_start(name, weights)]
        arguments += maps if name in _KEEPS_TRUNK else ()
        if name == BASELINE:
            arguments = baseline_arguments(experiment)
        made = folder / 'run' if name in _RUN_FOLDERS else folder / WEIGHTS_NAME
        weights = str(made / WEIGHTS_NAME if name in _RUN_FOLDERS else made)
        stages.append(Stage(name, (*arguments, '--out', str(made)), folder, inputs))
    return [*stages, _evaluation(table, row, weights, before, maps, out)]


def baseline_arguments(experiment: Experiment) -> list[str]:
    """Arguments of `training.rootsift` for the images, input size and D of an experiment.

    Raises:
        ConfigError: the training data have other settings than path, split and conditions.
    """
    images = []
    for each in experiment.data['train']:
        others = sorted(set(changed_settings(each)) - _OF_BASELINE)
        if others:
            raise ConfigError(
                f'stage {BASELINE}: expected training data by path, split and conditions, found '
                f'{others[0]}; write them as a manifest with a column split'
            )
        chosen = f' split={each.split}' if each.split else ''
        chosen += ''.join(f' {condition}' for condition in each.where)
        images += [f'{path}{chosen}' for path in each.path]
    return [
        '--images',
        *images,
        '--dim',
        str(experiment.section(WhiteningConfig).dim),
        '--size-px',
        str(experiment.preprocessing.width_px),
        '--seed',
        str(experiment.seed),
    ]


def _start(stage: str, weights: str) -> tuple[str, ...]:
    if not weights:
        return ()
    return ('--weights' if stage == 'whiten' else '--init', weights)


def _maps_option(experiment: Experiment, row: PlanRow, out: Path) -> tuple[str, ...]:
    """The option `--maps`, if the trunk of given weights is not changed by any stage."""
    sections = experiment.to_dict()
    is_frozen = sections.get('optimiser', {}).get('train_from') == 'pooling'
    makes_trunk = 'distill' in row.stages or 'pretrain' in row.stages
    has_trunk = experiment.init and not makes_trunk and row.stages != (BASELINE,)
    kept = has_trunk and (is_frozen or 'train' not in row.stages)
    return ('--maps', str(out / MAPS_NAME)) if kept else ()


def _evaluation(
    table: Table, row: PlanRow, weights: str, before: str, maps: tuple[str, ...], out: Path
) -> Stage:
    protocols = read_protocols(table.protocols_file, table.protocols)
    paths = {path for each in protocols.values() for path in each.paths}
    inputs: dict[str, Any] = {
        'recipe': RECIPE,
        'before': before,
        'protocols': {name: changed_settings(each) for name, each in protocols.items()},
        'dims': row.dims or table.dims,
        'files': {str(path): files_digest(path) for path in sorted(paths)},
    }
    if row.evaluate:
        inputs['options'] = row.evaluate
    folder = out / 'stages' / f'evaluate-{digest_of(inputs)}'
    arguments = ['--weights', weights, '--protocols', str(table.protocols_file)]
    arguments += ['--only', *table.protocols, '--engine', 'torch', *row.evaluate, *maps]
    dims = row.dims or table.dims
    arguments += ['--dims', *map(str, dims)] if dims else []
    result = str(folder / RESULT_NAME)
    return Stage('evaluate', (*arguments, '--out', result), folder, inputs)


def run_stage(stage: Stage) -> float:
    """Run the stage unless it is done; returns the CPU seconds that it took.

    Raises:
        SourceError: the command failed; the message names its log.
    """
    done = stage.folder / DONE_NAME
    known = read_object(done).get('seconds')
    if isinstance(known, int | float):
        return float(known)
    stage.folder.mkdir(parents=True, exist_ok=True)
    write_json(stage.folder / 'inputs.json', dict(stage.inputs))
    start = _processor_seconds()
    _run_command(stage)
    seconds = round(_processor_seconds() - start, 1)
    write_json(done, {'seconds': seconds, 'command': f'training.{stage.name}'})
    return seconds


def command_of(stage: str) -> Callable[[Sequence[str]], int]:
    """`main` of the module of a stage."""
    main: Callable[[Sequence[str]], int] = importlib.import_module(f'training.{stage}').main
    return main


def _processor_seconds() -> float:
    """CPU time of this process and its ended children, which other load does not affect."""
    return sum(os.times()[:4])


def _run_command(stage: Stage) -> None:
    """Run the command in this process, with its output in `log.txt`; resumes interrupted runs."""
    log, arguments = stage.folder / 'log.txt', list(stage.arguments)
    made = Path(arguments[-1])
    if stage.name in _RUN_FOLDERS and (made / CONFIG_NAME).exists():
        arguments.append('--resume')
    elif made.is_file():
        made.unlink()  # Left by a command that was killed.
    main = command_of(stage.name)
    with (
        log.open('w') as stream,
        contextlib.redirect_stdout(stream),
        contextlib.redirect_stderr(stream),
    ):
        status = main(arguments)
    if status == 0:
        return
    lines = log.read_text().strip().splitlines() or ['no output']
    raise SourceError(
        f'{log}: stage {stage.name} failed ({lines[-1]}); fix the cause and start the table '
        'again, finished stages are kept'
    )


def result_of(stages: Sequence[Stage], seed: int) -> dict[str, Any]:
    """Run unfinished stages; returns recall by protocol and size, seconds, and the last loss.

    Raises:
        SourceError: a command failed; the message names its log.
    """
    seconds = {stage.name: run_stage(stage) for stage in stages}
    rows = json.loads((stages[-1].folder / RESULT_NAME).read_text())[0]['rows']
    return {'seed': seed, 'rows': rows, 'seconds': seconds, 'loss': _last_loss(stages)}


def _last_loss(stages: Sequence[Stage]) -> float | None:
    """Mean loss of the last tenth of a row's last training; None without training."""
    logs = [stage.folder / 'run' / LOG_NAME for stage in stages]
    trained = [log for log in logs if log.exists()]
    if not trained:
        return None
    with trained[-1].open(newline='') as file:
        losses = [float(line['loss']) for line in csv.DictReader(file) if line.get('loss')]
    if not losses:
        return None
    return float(np.mean(losses[-max(1, len(losses) // 10) :]))


def print_progress(text: str) -> None:
    """Print a line on stderr at once."""
    sys.stderr.write(f'{text}\n')
    sys.stderr.flush()
