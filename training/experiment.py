"""An experiment's YAML file: seed, preprocessing and architecture, checked key by key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ghost_vpr_ros.core.config import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.settings import nearest_hint


@dataclass(frozen=True)
class Experiment:
    """What a YAML file says.

    Attributes:
        seed: of everything random.
        preprocessing: the network's input.
        model: the architecture.
    """

    seed: int
    preprocessing: PreprocessingConfig
    model: ModelConfig


def read_experiment(path: Path) -> Experiment:
    """The experiment of a YAML file; absent keys keep the defaults.

    Raises:
        ConfigError: no such file, not YAML, an unknown key (the nearest known one is named), or a
            value out of its range.
    """
    values = _read_mapping(path)
    known = ['seed', 'preprocessing', 'model']
    for key in values:
        if key not in known:
            raise ConfigError(f'{path}: unknown key {key!r}{nearest_hint(str(key), known)}')
    seed = values.get('seed', 0)
    if not isinstance(seed, int) or seed < 0:
        raise ConfigError(f'{path}: seed: expected an integer from 0, found {seed!r}')
    try:
        return Experiment(
            seed,
            PreprocessingConfig.from_dict(_section(values, 'preprocessing')),
            ModelConfig.from_dict(_section(values, 'model')),
        )
    except ConfigError as error:
        raise ConfigError(f'{path}: {error}') from error


def _read_mapping(path: Path) -> Mapping[str, Any]:
    try:
        values = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f'{path}: not readable ({error.strerror}); check the path') from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = str(error).replace('\n', ' ')
        raise ConfigError(f'{path}: expected YAML, found a syntax error ({reason})') from error
    if not isinstance(values, Mapping):
        raise ConfigError(f'{path}: expected a mapping of keys, found {type(values).__name__}')
    return values


def _section(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = values.get(name) or {}
    if not isinstance(section, Mapping):
        raise ConfigError(f'{name}: expected a mapping of keys, found {section!r}')
    return section
