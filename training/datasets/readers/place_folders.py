"""Reader of data sets with one folder per place and no positions, such as TJU-Location.

Images in one folder show one place. The places get artificial positions, far apart on a line: the
positives of an image are then the other images of its folder, within any radius. The facts of the
set state this.

TJU-Location has two nearly identical pitches of each shot, which would match trivially.
`same_shot` identifies them, so that they are not positives of each other.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import ConfigError, SourceError
from ghost_vpr_ros.core.image import natural_key, read_image
from ghost_vpr_ros.replay.places.collected import PLACE_SPACING_M, Collected, invented_positions
from ghost_vpr_ros.replay.places.place_set import PlaceSet
from ghost_vpr_ros.replay.sources.image_sources import list_images
from training.datasets.data_config import DataConfig
from training.datasets.readers.role_folders import DATABASE_FOLDERS, QUERY_FOLDERS, SPLITS


def place_folder_set(config: DataConfig) -> PlaceSet:
    """The set of a folder of places.

    It may have subfolders train, val and test, and these may have database and queries; without
    the latter every image is both. If a split of undivided places is requested, the first third
    (in natural order) is `train`, the second `val` and the last `test`.

    # Deviation: Ghost-dil-NetVLAD (Section 4.1) divides TJU-Location into three roughly equal
    parts but does not list their places.

    Raises:
        SourceError: no such folder, fewer than two places, or a place without images.
    """
    config.refuse('places', 'images', 'where', 'queries_where', 'database_where', 'queries_path')
    path = config.only_path('places')
    if not path.is_dir():
        raise SourceError(f'{path}: no such folder; expected one folder for each place')
    base, share = path, ''
    if config.split:
        base, share = (path / config.split, '') if _is_divided(path) else (path, config.split)
    roles = _roles(base)
    places = _third(sorted({p.name for r in roles for p in _folders(r)}, key=natural_key), share)
    if len(places) < 2:
        raise SourceError(f'{base}: expected a folder for each place, found {len(places)} folders')
    collected = Collected(
        facts={
            'format': 'places',
            'source': str(base),
            'num_places': len(places),
            'positions': f'invented: one point for each folder, {PLACE_SPACING_M:g} m apart',
        }
    )
    spots = _collect(collected, base, roles, places, config.same_shot)
    name = f'{path.name} {config.split}'.strip()
    return collected.place_set(name, invented_positions(spots))


def _collect(
    collected: Collected, base: Path, roles: list[Path], places: list[str], same_shot: str
) -> list[int]:
    """Add the images of these places; returns the place number of each image."""
    spots = []
    for role in roles:
        is_query = role == base or role.name in QUERY_FOLDERS
        is_database = role == base or role.name in DATABASE_FOLDERS
        for number, folder in enumerate(role / name for name in places):
            images = list_images(folder)
            if not images and folder.is_dir():
                raise SourceError(f'{folder}: expected images of a place, found none; remove it')
            for file in images:
                name = file.relative_to(base).as_posix()
                frame = Frame(
                    name,
                    partial(read_image, file),
                    attributes={'place': folder.name},
                    panorama=_shot(name, same_shot),
                )
                collected.add(frame, file, query=is_query, database=is_database)
                spots.append(number)
    return spots


def _shot(name: str, same_shot: str) -> str | None:
    """The common name of images of one shot, without the folders of their roles.

    Raises:
        ConfigError: not a regular expression.
    """
    if not same_shot:
        return None
    try:
        left = re.sub(same_shot, '', name)
    except re.error as error:
        raise ConfigError(
            f'same_shot: expected a regular expression, found {same_shot!r} ({error}); for '
            r"example '_pitch[-+]?\d+'"
        ) from error
    first, _, rest = left.partition('/')
    return rest if first in (*DATABASE_FOLDERS, *QUERY_FOLDERS) else left


def _is_divided(path: Path) -> bool:
    return any((path / split).is_dir() for split in SPLITS)


def _folders(path: Path) -> list[Path]:
    if not path.is_dir():
        raise SourceError(f'{path}: no such folder; check `path` and `split`')
    return [item for item in path.iterdir() if item.is_dir() and not item.name.startswith('.')]


def _roles(base: Path) -> list[Path]:
    """The folders of database and queries, or the folder itself."""
    found = [f for f in _folders(base) if f.name in (*DATABASE_FOLDERS, *QUERY_FOLDERS)]
    return sorted(found) or [base]


def _third(places: list[str], split: str) -> list[str]:
    """All places, or those of one split."""
    if split and split not in SPLITS:
        raise SourceError(f'split: expected one of {", ".join(SPLITS)}, found {split!r}')
    if split:
        part = SPLITS.index(split)
        places = places[part * len(places) // 3 : (part + 1) * len(places) // 3]
    return places
