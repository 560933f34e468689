"""Open a training data set of any format: a section of a YAML file becomes a `PlaceSet`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import ConfigError, SourceError
from ghost_vpr_ros.core.image import IMAGE_SUFFIXES
from ghost_vpr_ros.replay.bags.names import BAG_SUFFIXES, bag_files, is_bag_metadata
from ghost_vpr_ros.replay.places.place_set import PlaceSet
from ghost_vpr_ros.replay.sources.exif_gps import photo_frame
from ghost_vpr_ros.replay.sources.image_sources import MANIFEST_NAME, list_images
from ghost_vpr_ros.replay.sources.utm_names import is_utm_name
from training.datasets.data_config import DataConfig
from training.datasets.panoramas.panorama_set import (
    even_headings,
    rendered_place_set,
    with_synthesised_views,
)
from training.datasets.panoramas.view_geometry import ViewConfig
from training.datasets.readers.drives import drive_place_set
from training.datasets.readers.image_lists import image_list_place_set
from training.datasets.readers.place_folders import place_folder_set
from training.datasets.readers.role_folders import has_role_folders, role_folder_place_set
from training.datasets.readers.sources import source_place_set

_SAMPLED_PHOTOS = 20


def open_place_set(config: DataConfig) -> PlaceSet:
    """The data set of a configuration; its files are only read.

    Raises:
        ConfigError: contradictory settings, or settings that the format does not use.
        SourceError: missing, unreadable, inconsistent lists, or views requested from images that
            are not panoramas.
        BagError: a bag is damaged or lacks a topic.
    """
    places = _read(config)
    if config.roles == 'database':
        # Without visits, so that images captured at one time are compared.
        places = replace(places, queries=places.database, visit=None)
    view = ViewConfig(
        fov_deg=config.view_fov_deg,
        width_px=config.view_px,
        height_px=config.view_px,
        beyond='mirror',
    )
    if config.synthesised:
        yaws_deg = even_headings(config.synthesised)
        return with_synthesised_views(places, yaws_deg, view, config.synthesised_shift_m)
    if not config.views:
        return places
    return rendered_place_set(places, even_headings(config.views), view)


def open_database(configs: Sequence[DataConfig]) -> tuple[list[Frame], str]:
    """The database images of several data sets, and the names of the sets.

    Raises:
        GhostVprError: as `open_place_set`.
    """
    sets = [open_place_set(config) for config in configs]
    frames = [places.frames[row] for places in sets for row in places.database]
    return frames, ', '.join(places.name for places in sets)


def _read(config: DataConfig) -> PlaceSet:
    format = format_of(config)
    if format != 'places':
        config.refuse(format, 'same_shot')
    if format == 'dbstruct':
        # scipy.io is slow to import and needed only here.
        from training.datasets.readers.dbstruct import dbstruct_place_set

        return dbstruct_place_set(config)
    readers = {
        'lists': image_list_place_set,
        'utm': role_folder_place_set,
        'places': place_folder_set,
        'drives': drive_place_set,
        'source': source_place_set,
    }
    return readers[format](config)


def format_of(config: DataConfig) -> str:
    """The configured format, or the one detected from the files at the path.

    Raises:
        ConfigError: no path.
        SourceError: the path does not exist, or its format is unknown.
    """
    paths = config.paths
    if config.format != 'auto':
        return config.format
    for path in paths:
        if not path.exists():
            raise SourceError(f'{path}: no such file or folder; check the path of the data set')
    if len(paths) > 1:
        return 'drives'
    return _format_of_folder(paths[0]) if paths[0].is_dir() else _format_of_file(paths[0])


def _format_of_file(path: Path) -> str:
    suffix = path.suffix.lower()
    known = {'.mat': 'dbstruct', '.npz': 'lists', '.csv': 'source'}
    known.update(dict.fromkeys(BAG_SUFFIXES, 'drives'))
    if suffix not in known:
        raise SourceError(
            f'{path}: expected a data set ({", ".join(known)}, or a folder), found a file of '
            'another kind'
        )
    return known[suffix]


def _format_of_folder(path: Path) -> str:
    if (path / MANIFEST_NAME).is_file():
        return 'source'
    if bag_files(path) or is_bag_metadata(path / 'metadata.yaml'):
        return 'drives'
    if has_role_folders(path):
        return 'utm' if _has_positions(path) else 'places'
    lists = sorted(item.name for item in path.iterdir() if item.suffix in ('.mat', '.npz'))
    if lists:
        raise ConfigError(f'path: {path} holds {", ".join(lists)}; name one of these files')
    return 'source' if _has_positions(path) else 'places'


def _has_positions(path: Path) -> bool:
    """Whether images have positions in their names or, checked on a sample, in their EXIF."""
    images = list_images(path)
    if not images:
        raise SourceError(
            f'{path}: expected a data set, found neither images ({" ".join(IMAGE_SUFFIXES)}) nor '
            f'{MANIFEST_NAME}, lists or a bag; check the path'
        )
    if any(map(is_utm_name, images)):
        return True
    step = -(-len(images) // _SAMPLED_PHOTOS)
    return any(photo_frame(image, image.name)[0].geo is not None for image in images[::step])
