"""Reader of the sources that commands accept: CSV manifests, photos with EXIF GPS, `@UTM@` names.

Roles come from a column `role`, from conditions (`queries_where`, `database_where`) or from a
second source, see `ghost_vpr_ros.replay.places.images`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.replay.places.images import places_of_images
from ghost_vpr_ros.replay.places.place_set import PlaceSet
from ghost_vpr_ros.replay.sources.image_sources import MANIFEST_NAME, ImageSource, open_source
from training.datasets.data_config import DataConfig, conditions, expanded


def source_place_set(config: DataConfig) -> PlaceSet:
    """The set of a manifest, of a folder of images with positions, or of two of them.

    Raises:
        SourceError: as `open_source`; no positions; an unknown role.
        ConfigError: contradictory conditions, or a split that does not exist.
    """
    config.refuse('source', 'images')
    path = config.only_path('source')
    database = _open(config, path, config.database_where)
    queries = database
    if config.queries_path or config.queries_where or config.database_where:
        other = expanded(config.queries_path) if config.queries_path else path
        queries = _open(config, other, config.queries_where)
    name = f'{database.short_name} {config.split}'.strip()
    return places_of_images(database, queries, name, has_roles=config.roles != 'both')


def _open(config: DataConfig, path: Path, extra: tuple[str, ...]) -> ImageSource:
    """The source at `path`, with the requested split and rows."""
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
