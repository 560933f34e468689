"""An experiment's YAML file: seed, architecture, data and one section per part of the recipe.

Each section is a `Config` class in the module that reads it; `SECTIONS` locates these classes.
Absent sections keep their defaults. Each command reads the sections that it needs.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ghost_vpr_ros.cli.options import MOST_SEED
from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.config.settings import Config, ConfigT, check_keys
from ghost_vpr_ros.core.errors import ConfigError
from training.datasets.data_config import DataConfig
from training.yaml_text import read_yaml

SECTIONS = {
    'tuples': 'ghost_vpr_ros.replay.config:TupleConfig',
    'mining': 'training.places.mining:MiningConfig',
    'loss': 'training.places.loss:LossConfig',
    'optimiser': 'training.loop.optimiser:OptimiserConfig',
    'schedule': 'training.loop.schedule:ScheduleConfig',
    'selection': 'training.places.selection:SelectionConfig',
    'alarm': 'training.places.alarm:AlarmConfig',
    'augmentation': 'training.loop.augmentation:AugmentationConfig',
    'distillation': 'training.trunk.distillation:DistillationConfig',
    'refinement': 'training.refinement.refinement:RefinementConfig',
    'similarity': 'training.refinement.similarity:SimilarityConfig',
    'motion': 'training.refinement.moved_view:MotionConfig',
    'pairs': 'training.refinement.weak_pairs:PairConfig',
    'classification': 'training.trunk.classification:ClassificationConfig',
    'whitening': 'training.head.whitening:WhiteningConfig',
    'deployment': 'training.head.whitening:DeploymentConfig',
    'semantics': 'training.head.semantics:SemanticsConfig',
}
"""Section of the YAML file -> MODULE:CLASS of its configuration."""

DATA_PARTS = ('train', 'val')
"""Data sets of an experiment: to train on, and to select the best weights on."""

_KNOWN = ['seed', 'init', 'backbone_weights', 'preprocessing', 'model', 'data', *SECTIONS]


@dataclass(frozen=True)
class Experiment:
    """The content of a YAML file.

    Attributes:
        seed: of everything random.
        preprocessing: the network's input.
        model: the architecture.
        data: data sets of each of `DATA_PARTS`; several are joined.
        sections: the other sections in the file, by name.
        init: weights file to start from; empty: an untrained network.
        backbone_weights: torchvision state dict to start the trunk from; empty: none.
    """

    seed: int
    preprocessing: PreprocessingConfig
    model: ModelConfig
    data: Mapping[str, tuple[DataConfig, ...]] = field(default_factory=dict)
    sections: Mapping[str, Config] = field(default_factory=dict)
    init: str = ''
    backbone_weights: str = ''

    def section(self, kind: type[ConfigT]) -> ConfigT:
        """The section of this class; its defaults if the file does not have it."""
        found = next((s for s in self.sections.values() if isinstance(s, kind)), None)
        return kind() if found is None else found

    def data_part(self, part: str) -> tuple[DataConfig, ...]:
        """The data sets of a part, at least one.

        Raises:
            ConfigError: the file does not have it.
        """
        if part not in self.data:
            raise ConfigError(
                f'data.{part}: expected a data set, found none; add `data: {{{part}: {{path: '
                '[...]}}` to the configuration'
            )
        return self.data[part]

    def to_dict(self) -> dict[str, Any]:
        """Plain values as in YAML, without sections that the file does not have."""
        return {
            'seed': self.seed,
            'init': self.init,
            **({'backbone_weights': self.backbone_weights} if self.backbone_weights else {}),
            'preprocessing': self.preprocessing.to_dict(),
            'model': self.model.to_dict(),
            'data': {part: [each.to_dict() for each in sets] for part, sets in self.data.items()},
            **{name: config.to_dict() for name, config in self.sections.items()},
        }


def read_experiment(path: Path, changes: Sequence[str] = ()) -> Experiment:
    """The experiment of a YAML file; absent keys keep the defaults.

    Args:
        path: the file.
        changes: `SECTION.KEY=VALUE` each, which override the file; VALUE is YAML.

    Raises:
        ConfigError: no such file, not YAML, an unknown key (the nearest known one is named), or a
            value out of its range.
    """
    values = read_mapping(path)
    for change in changes:
        _apply(values, change)
    try:
        return _assemble(values)
    except ConfigError as error:
        raise ConfigError(f'{path}: {error}') from error


def _assemble(values: Mapping[str, Any]) -> Experiment:
    check_keys(values, _KNOWN, '')
    seed = values.get('seed', 0)
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= MOST_SEED:
        raise ConfigError(f'seed: expected an integer of 0 .. {MOST_SEED}, found {seed!r}')
    init, backbone_weights = (_path(values, key) for key in ('init', 'backbone_weights'))
    if init and backbone_weights:
        raise ConfigError(
            f'backbone_weights: expected only one of init and backbone_weights, found init '
            f'{init!r} as well; remove one of the two'
        )
    data = _section(values, 'data')
    check_keys(data, list(DATA_PARTS), 'data')
    preprocessing = _configured(PreprocessingConfig, values, 'preprocessing')
    for name, varies in (
        ('preprocessing', preprocessing.varies),
        ('deployment', _section(values, 'deployment').get('fit') in ('inside', 'own')),
    ):
        if varies:
            raise ConfigError(
                f'{name}.fit: expected stretch or pad, because all images of a batch need one '
                'size, found inside or own; use these in evaluation (`fit` of a protocol)'
            )
    return Experiment(
        seed,
        preprocessing,
        _configured(ModelConfig, values, 'model'),
        {part: _data_sets(part, data[part]) for part in data},
        {
            name: _configured(_config_class(name), values, name)
            for name in SECTIONS
            if name in values
        },
        init,
        backbone_weights,
    )


def _path(values: Mapping[str, Any], key: str) -> str:
    path = values.get(key) or ''
    if not isinstance(path, str):
        raise ConfigError(f'{key}: expected the path of a weights file, found {path!r}')
    return path


def _data_sets(part: str, values: Any) -> tuple[DataConfig, ...]:
    """One data set as a mapping, or several as a list of mappings."""
    sets = values if isinstance(values, list) else [values]
    if not sets or not all(isinstance(each, Mapping) for each in sets):
        raise ConfigError(
            f'data.{part}: expected a mapping of keys or a list of them, found {values!r}'
        )
    return tuple(_configured(DataConfig, {part: each}, part, f'data.{part}') for each in sets)


def _configured(
    kind: type[ConfigT], values: Mapping[str, Any], name: str, shown: str = ''
) -> ConfigT:
    """A section; several sections have a key of the same name, so errors name theirs."""
    section = _section(values, name)
    try:
        return kind.from_dict(section)
    except ConfigError as error:
        raise ConfigError(f'section {shown or name}: {error}') from error


def _config_class(section: str) -> type[Config]:
    module, name = SECTIONS[section].split(':')
    kind: type[Config] = getattr(importlib.import_module(module), name)
    return kind


def _apply(values: dict[str, Any], change: str) -> None:
    """Set `a.b=value` inside nested mappings."""
    name, equals, text = change.partition('=')
    if not equals or not name:
        raise ConfigError(f'expected SECTION.KEY=VALUE, found {change!r}')
    *sections, key = name.split('.')
    for section in sections:
        values[section] = dict(_section(values, section))
        values = values[section]
    try:
        values[key] = read_yaml(text)
    except ValueError as error:
        raise ConfigError(f'{name}: expected a YAML value, found {text!r}') from error


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        ConfigError: no such file, not YAML, or no mapping.
    """
    try:
        values = read_yaml(path.read_text('utf-8-sig'))
    except OSError as error:
        raise ConfigError(f'{path}: not readable ({error.strerror}); check the path') from error
    except UnicodeDecodeError as error:
        raise ConfigError(f'{path}: expected YAML in UTF-8, found others ({error})') from error
    except ValueError as error:
        raise ConfigError(f'{path}: expected YAML, found a fault ({error})') from error
    if not isinstance(values, Mapping):
        raise ConfigError(f'{path}: expected a mapping of keys, found {type(values).__name__}')
    return dict(values)


def _section(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = values.get(name) or {}
    if not isinstance(section, Mapping):
        raise ConfigError(f'{name}: expected a mapping of keys, found {section!r}')
    return section
