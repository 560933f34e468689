"""Write data sets of any format as folders of `@UTM@` names or as a manifest.

The same command continues an interrupted run: existing images with the same bytes are kept. A
folder written with other settings is refused, and nothing is overwritten.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.core.datatypes import Progress
from ghost_vpr_ros.core.errors import ConfigError, OutputError
from ghost_vpr_ros.core.image import encode_jpeg
from ghost_vpr_ros.replay.output_files import (
    make_output_folder,
    read_object,
    write_file,
    write_json,
)
from ghost_vpr_ros.replay.places.place_set import PlaceSet
from ghost_vpr_ros.replay.sources.image_sources import MANIFEST_NAME
from training.datasets.builders.layouts import (
    LAYOUTS,
    Roles,
    check_distinct,
    image_path,
    manifest_text,
    roles_of,
    utm_path,
)
from training.datasets.builders.placement import MODES, place_bytes, place_file

SETTINGS_NAME = 'build.json'


@dataclass(frozen=True)
class BuildConfig(Config):
    """How a data set is written."""

    layout: str = setting('csv', 'a manifest beside the images, or @UTM@ names', choices=LAYOUTS)
    mode: str = setting(
        'copy',
        'copy image files, link them (hard, else symbolic), or list their present paths in the '
        'manifest (index)',
        choices=MODES,
    )
    jpeg_quality: int = setting(
        95,
        'JPEG quality of images that are not files: those of bags, and rendered views',
        low=1,
        high=100,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.layout, self.mode) == ('utm', 'index'):
            raise ConfigError(
                'mode: index writes only a manifest, which the layout utm does not have; use the '
                'layout csv, or the mode link'
            )


@dataclass(frozen=True)
class Placement:
    """One image of a built set.

    Attributes:
        places: the set it comes from.
        row: its row there.
        split: of the image; may be empty.
        roles: query, database or both.
        path: relative to the output folder, absolute in the mode `index`.
    """

    places: PlaceSet
    row: int
    split: str
    roles: Roles
    path: str


@dataclass(frozen=True)
class BuildSummary:
    """How many images were written, and how many existed already."""

    written: int
    kept: int


def build_sets(
    sets: Mapping[str, PlaceSet],
    out: Path,
    config: BuildConfig,
    origin: Mapping[str, Any],
    progress: Progress,
) -> BuildSummary:
    """Write the parts of a data set into one folder.

    Args:
        sets: data sets by split; the split may be empty.
        out: a new or empty folder, or that of an interrupted run.
        config: layout and mode.
        origin: other settings of the images, as plain values: source, camera of rendered views.
        progress: called with 1 after each image.

    Raises:
        ConfigError: the mode needs image files, and the images are not files.
        OutputError: the folder has other content, is inside the source, or cannot be written.
        ImageError: an image cannot be read.
    """
    placements = [p for split, places in sets.items() for p in _plan(places, split, config)]
    check_distinct([placement.path for placement in placements], str(out))
    is_resumed = _claim(out, {**origin, **config.to_dict(), 'splits': list(sets)})
    manifest = manifest_text((p.places, p.row, p.path, p.split, p.roles) for p in placements)
    if config.layout == 'csv':
        _check_manifest(out / MANIFEST_NAME, manifest)
    written = 0
    for placement in placements:
        written += _place(placement, out, config, is_resumed)
        progress(1)
    if config.layout == 'csv' and not (out / MANIFEST_NAME).exists():
        write_file(out / MANIFEST_NAME, manifest)
    return BuildSummary(written, len(placements) - written)


def _plan(places: PlaceSet, split: str, config: BuildConfig) -> list[Placement]:
    """The placements of all images that are queries or database images."""
    if config.mode != 'copy' and not places.files:
        raise ConfigError(
            f'mode: {places.name}: {config.mode} needs image files, found images of a bag or '
            'rendered views; use the mode copy'
        )
    planned = []
    for row, roles in enumerate(roles_of(places)):
        if config.layout == 'csv':
            paths = [_path_in_manifest(places, row, split, config)] if roles.folders else []
        else:
            name = utm_path(places, row, len(roles.folders) > 1)
            paths = [str(Path(split, folder, name)) for folder in roles.folders]
        planned += [Placement(places, row, split, roles, path) for path in paths]
    return planned


def _path_in_manifest(places: PlaceSet, row: int, split: str, config: BuildConfig) -> str:
    if config.mode == 'index':
        return str(places.files[row].absolute())
    return str(Path('images', split, image_path(places, row)))


def _place(placement: Placement, out: Path, config: BuildConfig, is_resumed: bool) -> bool:
    """Write the image if it is missing; returns whether it was written."""
    if config.mode == 'index':
        return False
    places, target = placement.places, out / placement.path
    if places.files:
        return place_file(places.files[placement.row], target, config.mode)
    if target.exists():
        if is_resumed:
            return False
        raise OutputError(f'{target}: exists already and is not changed; name another folder')
    image = places.frames[placement.row].load()
    place_bytes(encode_jpeg(image, config.jpeg_quality), target)
    return True


def _claim(out: Path, settings: dict[str, Any]) -> bool:
    """Record the settings in the folder; returns whether they were recorded before.

    Raises:
        OutputError: the folder has other settings, or files without settings.
    """
    mark = out / SETTINGS_NAME
    wanted = json.loads(json.dumps(settings))
    if mark.exists():
        found = read_object(mark)
        if found == wanted:
            return True
        differing = [key for key in wanted if found.get(key) != wanted[key]] or list(found)
        raise OutputError(
            f'{out}: has a data set built with other settings ({", ".join(differing)}); nothing '
            'is overwritten, name another folder'
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(
            f'{out}: expected a new or empty folder, found other files; nothing is overwritten, '
            'name another folder'
        )
    make_output_folder(out)
    write_json(mark, wanted)
    return False


def _check_manifest(path: Path, text: str) -> None:
    if path.exists() and path.read_text('utf-8') != text:
        raise OutputError(
            f'{path}: exists already with other rows, since the source has changed; nothing is '
            'overwritten, name another folder'
        )
