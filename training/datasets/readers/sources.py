"""Data sets from what the commands read: CSV manifests, photos with EXIF GPS, `@UTM@` names.

Who is query and who is database comes from a column `role` (`query`, `database`, or empty for
both), from conditions (`queries_where`, `database_where`) or from a second source. Where nothing
is said every image is both: it may be asked for, and it is retrieved for the others. Images
without positions but with a column `place` get invented ones, as folders of places do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import ConfigError, SourceError
from ghost_vpr_ros.replay.sources.image_sources import MANIFEST_NAME, ImageSource, open_source
from training.datasets.data_config import DataConfig, conditions, expanded
from training.datasets.place_set import PlaceSet
from training.datasets.readers.from_frames import (
    PLACE_SPACING_M,
    Collected,
    invented_positions,
    located,
)

ROLES = {'query': 'query', 'queries': 'query', 'database': 'database', '': 'both', 'both': 'both'}
"""Words of a column `role` and what they mean."""


def source_place_set(config: DataConfig) -> PlaceSet:
    """The set of a manifest, of a folder of images with positions, or of two of them.

    Raises:
        SourceError: as `open_source`; no positions; a word for a role that is not known.
        ConfigError: conditions that contradict each other, or a split that does not exist.
    """
    config.refuse('source', 'images')
    path = config.only_path('source')
    database = _open(config, path, config.database_where)
    queries = database
    if config.queries_path or config.queries_where or config.database_where:
        other = expanded(config.queries_path) if config.queries_path else path
        queries = _open(config, other, config.queries_where)
    name = f'{database.short_name} {config.split}'.strip()
    collected = _merged(database, queries, config.roles != 'both')
    return collected.place_set(name, _invented_positions(collected))


def _are_named(frames: Sequence[Frame]) -> bool:
    """Whether a column `place` names what each image shows, and none has a position."""
    return all(frame.attributes.get('place') and not frame.has_position for frame in frames)


def _invented_positions(collected: Collected) -> NDArray[np.float64] | None:
    """(N, 2) one point for each named place, as in folders of places; None: none are needed."""
    if not _are_named(collected.frames):
        return None
    names = [frame.attributes['place'] for frame in collected.frames]
    number = {name: number for number, name in enumerate(dict.fromkeys(names))}
    collected.facts['positions'] = (
        f'invented: one point for each place, {PLACE_SPACING_M:g} m apart'
    )
    return invented_positions([number[name] for name in names])


def _with_places(source: ImageSource, facts: dict[str, Any]) -> Sequence[Frame]:
    """Frames that have a position; all of them where they have the name of a place instead."""
    named = _are_named(source.frames)
    return source.frames if named else located(source.frames, source.name, facts)


def root_of(source: ImageSource) -> Path | None:
    """The folder in which the names of a source's frames begin; None for a bag."""
    path = source.path or Path(source.name)
    if source.kind == 'bag':
        return None
    return path if path.is_dir() else path.parent


def _open(config: DataConfig, path: Path, extra: tuple[str, ...]) -> ImageSource:
    """The source at `path`, of the requested split and rows."""
    manifest = path / MANIFEST_NAME if path.is_dir() else path
    where = conditions(config.where, extra)
    if config.split and manifest.is_file() and manifest.suffix == '.csv':
        where = {'split': config.split, **_unless_split(where)}
    elif config.split:
        path = _subfolder(path, config.split)
    return open_source(path, where=where, topics=config.topics)


def _unless_split(where: Mapping[str, str]) -> Mapping[str, str]:
    if 'split' in where:
        raise ConfigError(f'split: given twice, as `split` and as where split={where["split"]}')
    return where


def _subfolder(path: Path, split: str) -> Path:
    folder = next((f for f in (path / split, path / 'images' / split) if f.is_dir()), None)
    if folder is None:
        raise ConfigError(
            f'split: {path} has neither a {MANIFEST_NAME} with a column `split` nor a folder '
            f'{split!r}; remove `split`, or name the folder of this part as path'
        )
    return folder


def _merged(database: ImageSource, queries: ImageSource, has_roles: bool) -> Collected:
    """Images of both sources, each once, with the roles that they may have."""
    collected = Collected()
    root, other = root_of(database), root_of(queries)
    row_of: dict[str, int] = {}
    for frame in _with_places(database, collected.facts):
        row_of[frame.name] = len(collected.frames)
        role = _role(frame, database) if has_roles else 'both'
        file = None if root is None else root / frame.name
        is_query = database is queries and role != 'database'
        collected.add(frame, file, query=is_query, database=role != 'query')
    if queries is not database:
        for frame in _with_places(queries, collected.facts):
            if has_roles and _role(frame, queries) == 'database':
                continue
            if other == root and frame.name in row_of:
                collected.is_query[row_of[frame.name]] = True
                continue
            file = None if other is None else other / frame.name
            name = frame.name if other == root else f'{other}/{frame.name}'
            collected.add(replace(frame, name=name), file, query=True, database=False)
    collected.facts.update(format='source', kind=database.kind, source=database.name)
    return collected


def _role(frame: Frame, source: ImageSource) -> str:
    word = frame.attributes.get('role', '').lower()
    if word not in ROLES:
        raise SourceError(
            f'{source.name}: {frame.name}: expected the role query, database or an empty cell, '
            f'found {word!r}; correct the manifest'
        )
    return ROLES[word]
