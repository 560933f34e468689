"""Photos and manifests as a set of places: each image once, with its roles.

Roles come from a column `role` (`query`, `database`, or empty for both) or from two sources;
without either, every image is query and database. Images without positions but with a column
`place` get artificial ones, like folders of places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.places.collected import (
    PLACE_SPACING_M,
    Collected,
    invented_positions,
    located,
)
from ghost_vpr_ros.replay.places.place_set import PlaceSet
from ghost_vpr_ros.replay.sources.image_sources import ImageSource

ROLES = {'query': 'query', 'queries': 'query', 'database': 'database', '': 'both', 'both': 'both'}
"""Values of a column `role`, and the role."""


def places_of_images(
    database: ImageSource, queries: ImageSource, name: str, *, has_roles: bool = True
) -> PlaceSet:
    """The set of one source, or of two.

    Args:
        database: source of the database images.
        queries: source of the queries; the same object if one source contains both.
        name: of the set, for reports.
        has_roles: whether a column `role` is used; else every image is both.

    Raises:
        SourceError: no positions, or an unknown role.
    """
    collected = _merged(database, queries, has_roles)
    return collected.place_set(name, _invented_positions(collected))


def _are_named(frames: Sequence[Frame]) -> bool:
    """Whether every image has a value in the column `place`, and none has a position."""
    return all(frame.attributes.get('place') and not frame.has_position for frame in frames)


def _invented_positions(collected: Collected) -> NDArray[np.float64] | None:
    """(N, 2) one point for each named place, as in folders of places; None if not needed."""
    if not _are_named(collected.frames):
        return None
    names = [frame.attributes['place'] for frame in collected.frames]
    number = {name: number for number, name in enumerate(dict.fromkeys(names))}
    collected.facts['positions'] = (
        f'invented: one point for each place, {PLACE_SPACING_M:g} m apart'
    )
    return invented_positions([number[name] for name in names])


def _with_places(source: ImageSource, facts: dict[str, Any]) -> Sequence[Frame]:
    """Frames with a position; all frames if they have the name of a place instead."""
    named = _are_named(source.frames)
    return source.frames if named else located(source.frames, source.name, facts)


def root_of(source: ImageSource) -> Path | None:
    """The folder to which the names of a source's frames are relative; None for a bag."""
    path = source.path or Path(source.name)
    if source.kind == 'bag':
        return None
    return path if path.is_dir() else path.parent


def _merged(database: ImageSource, queries: ImageSource, has_roles: bool) -> Collected:
    """Images of both sources, each once, with their roles."""
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
