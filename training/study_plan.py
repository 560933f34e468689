"""A study's YAML file, and the chain of commands that each of its runs is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.settings import nearest_hint
from training.experiment import read_mapping

STAGES = ('pretrain', 'distill', 'initialise', 'train', 'whiten')
"""Commands that make weights, in the only order in which they can follow each other."""

WEIGHTS_NAME = 'weights.safetensors'
_RUN_FOLDERS = ('pretrain', 'distill', 'train')
"""Stages that write a folder and can be resumed; the others write one file."""

RESULT_NAME = 'recall.json'
_KEYS = ['name', 'question', 'base', 'seeds', 'protocols', 'variants']


@dataclass(frozen=True)
class Stage:
    """One command of a run.

    Attributes:
        name: of the stage, unique inside its run.
        command: module and arguments.
    """

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """One variant with one seed.

    Attributes:
        variant: its name.
        seed: of everything random.
        folder: where its stages write.
        stages: in order; the last one evaluates.
    """

    variant: str
    seed: int
    folder: Path
    stages: tuple[Stage, ...]


@dataclass(frozen=True)
class Variant:
    """What a variant changes.

    Attributes:
        stages: some of `STAGES`, in their order.
        changes: `SECTION.KEY=VALUE` each.
    """

    stages: tuple[str, ...]
    changes: tuple[str, ...]


@dataclass(frozen=True)
class Study:
    """What a study's file says.

    Attributes:
        name: of its table.
        question: what it answers, one sentence.
        base: experiment that all variants change.
        seeds: each variant runs with each of them.
        protocols: names of the evaluation protocols.
        variants: by name, in the table's order.
    """

    name: str
    question: str
    base: Path
    seeds: tuple[int, ...]
    protocols: tuple[str, ...]
    variants: Mapping[str, Variant]

    def runs(self, out: Path) -> list[Run]:
        """All runs, seed by seed, so that an interrupted study compares like with like."""
        return [
            _run(self, name, variant, seed, out / name.replace(' ', '_') / f'seed_{seed}')
            for seed in self.seeds
            for name, variant in self.variants.items()
        ]


def read_study(path: Path) -> Study:
    """The study of a YAML file; paths in it are relative to it.

    Raises:
        ConfigError: not readable, an unknown key or stage, or something is missing.
    """
    values = read_mapping(path)
    for key in values:
        if key not in _KEYS:
            raise ConfigError(f'{path}: unknown key {key!r}{nearest_hint(str(key), _KEYS)}')
    missing = [key for key in ('name', 'base', 'protocols', 'variants') if not values.get(key)]
    if missing:
        raise ConfigError(f'{path}: expected the key {missing[0]!r}, found none; add it')
    return Study(
        str(values['name']),
        str(values.get('question', '')),
        path.parent / values['base'],
        tuple(values.get('seeds', (0, 1, 2))),
        tuple(values['protocols']),
        {str(name): _variant(name, raw, path) for name, raw in values['variants'].items()},
    )


def _variant(name: str, raw: Mapping[str, Any], path: Path) -> Variant:
    stages = tuple(raw.get('stages', ()))
    order = [STAGES.index(stage) for stage in stages if stage in STAGES]
    if len(order) != len(stages) or not stages or order != sorted(order):
        raise ConfigError(
            f'{path}: variant {name!r}: expected stages among {", ".join(STAGES)} in this order, '
            f'found {list(stages)}'
        )
    return Variant(stages, tuple(raw.get('set', ())))


def _run(study: Study, name: str, variant: Variant, seed: int, folder: Path) -> Run:
    changes = (f'seed={seed}', *variant.changes)
    options = tuple(text for change in changes for text in ('--set', change))
    stages: list[Stage] = []
    weights: Path | None = None
    for stage in variant.stages:
        command, weights = _command(stage, study.base, folder, weights)
        stages.append(Stage(stage, (*command, *options)))
    evaluation = ('training.evaluate', '--weights', str(weights), '--only', *study.protocols)
    stages.append(Stage('evaluate', (*evaluation, '--out', str(folder / RESULT_NAME))))
    return Run(name, seed, folder, tuple(stages))


def _command(
    stage: str, base: Path, folder: Path, weights: Path | None
) -> tuple[tuple[str, ...], Path]:
    """A stage's command, and the weights that it leaves."""
    command = (f'training.{stage}', '--config', str(base))
    if stage not in _RUN_FOLDERS:
        out = made = folder / f'{stage}.safetensors'
    else:
        out, made = folder / stage, folder / stage / WEIGHTS_NAME
    option = '--weights' if stage == 'whiten' else '--init'
    given = () if weights is None else (option, str(weights))
    return (*command, *given, '--out', str(out)), made
