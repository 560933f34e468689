"""What a stage of a row depends on, as one digest: a stage is computed once for each digest.

Settings at their defaults are left out, so that a new setting changes no digest. Code and defaults
are told apart by `RECIPE`: whoever changes what a command computes has to raise it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ghost_vpr_ros.core.config.settings import Config, settings_of
from training.datasets.data_config import expanded
from training.experiment import Experiment

RECIPE = 1
"""Version of what the stages compute."""

_WHOLE_FILE_BYTES = 10**7
"""Files up to this size that are no images are told apart by their content."""

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
    'rootsift': ('whitening',),
}
"""Stage -> sections of the experiment that it reads."""

_USES_PLACES = ('initialise', 'train', 'whiten', 'rootsift')


def digest_of(values: object) -> str:
    """16 hexadecimal digits of plain values."""
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def stage_inputs(stage: str, experiment: Experiment, before: str) -> dict[str, Any]:
    """What a stage's result follows from, in plain values.

    Args:
        stage: name of a stage.
        experiment: with the row's changes and its seed.
        before: digest of the stage that made the weights it starts from; empty: none.
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
    """The settings that are not at their defaults, in plain values."""
    plain = config.to_dict()
    default = {item.name: item.default for item in settings_of(type(config))}
    return {name: value for name, value in plain.items() if getattr(config, name) != default[name]}


def _files_of(values: Mapping[str, Any]) -> list[str]:
    """Files and folders that these values name."""
    sets = [each for part in values.get('data', {}).values() for each in part]
    semantics = values.get('semantics', {})
    photos = [text.split()[1] for text in values.get('distillation', {}).get('photos', [])]
    images = [text.split()[0] for text in values.get('whitening', {}).get('images', [])]
    named = [
        *photos,
        *values.get('classification', {}).get('folders', []),
        *images,
        *(path for each in sets for path in each['path']),
        *(semantics.get(name, '') for name in ('images', 'labels')),
        *(values.get(name, '') for name in ('init', 'backbone_weights')),
    ]
    return sorted({text for text in named if text})


@cache
def files_digest(path: Path) -> str:
    """16 hexadecimal digits of a file's content, or of all files of a folder.

    Images are told apart by name and size, other files (lists, manifests) by their content.
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
