"""Reader of folders `{train,val,test}/{database,queries}` of images with `@UTM@` names.

This is the layout of the deep visual geo-localisation benchmark. Photos with EXIF GPS and folders
with a manifest are accepted as well.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ghost_vpr_ros.core.errors import ConfigError, SourceError
from ghost_vpr_ros.replay.places.collected import Collected, located
from ghost_vpr_ros.replay.places.images import root_of
from ghost_vpr_ros.replay.places.place_set import PlaceSet
from ghost_vpr_ros.replay.sources.image_sources import open_source
from training.datasets.data_config import DataConfig

DATABASE_FOLDERS = ('database', 'gallery')
QUERY_FOLDERS = ('queries', 'query')
SPLITS = ('train', 'val', 'test')


def role_folder_place_set(config: DataConfig) -> PlaceSet:
    """The set of one split.

    Raises:
        SourceError: a folder is missing, or has images without positions.
        ConfigError: no split is given, and there are several.
    """
    config.refuse('utm', 'images', 'where', 'queries_where', 'database_where', 'queries_path')
    path = config.only_path('utm')
    base = _base(path, config.split)
    collected = Collected(facts={'format': 'utm', 'source': str(base)})
    for folder in _role_folders(base):
        source = open_source(folder)
        is_query = folder.name in QUERY_FOLDERS
        for frame in located(source.frames, str(folder), collected.facts):
            root = root_of(source)
            named = replace(frame, name=f'{folder.name}/{frame.name}')
            file = None if root is None else root / frame.name
            collected.add(named, file, query=is_query, database=not is_query)
    return collected.place_set(f'{path.name} {config.split}'.strip())


def has_role_folders(path: Path) -> bool:
    """Whether this folder or one of its splits has folders for database and queries."""
    bases = [path / between / split for between in ('', 'images') for split in ('', *SPLITS)]
    return any(len(_found(base)) == 2 for base in bases)


def _found(base: Path) -> list[Path]:
    """The existing ones of the folders of database and queries."""
    both = [
        next((base / name for name in names if (base / name).is_dir()), None)
        for names in (DATABASE_FOLDERS, QUERY_FOLDERS)
    ]
    return [folder for folder in both if folder is not None]


def _base(path: Path, split: str) -> Path:
    if not path.is_dir():
        raise SourceError(f'{path}: no such folder; check the path')
    bases = [path / split, path / 'images' / split] if split else [path, path / 'images']
    for base in bases:
        if _found(base):
            return base
    present = [
        name for name in SPLITS if (path / name).is_dir() or (path / 'images' / name).is_dir()
    ]
    if present and not split:
        raise ConfigError(f'split: {path} has {", ".join(present)}; name one of them')
    raise SourceError(
        f'{bases[0]}: expected the folders {DATABASE_FOLDERS[0]} and {QUERY_FOLDERS[0]}, found '
        f'neither; {"its parts are " + ", ".join(present) if present else "check the path"}'
    )


def _role_folders(base: Path) -> list[Path]:
    found = _found(base)
    if len(found) < 2:
        raise SourceError(
            f'{base}: expected the folders {DATABASE_FOLDERS[0]} and {QUERY_FOLDERS[0]}, found '
            f'only {found[0].name}'
        )
    return found
