"""Reader of Patch-NetVLAD's ground truth: an `.npz` with UTM coordinates, and text lists of names.

`pitts30k_test.npz` belongs to `pitts30k_imageNames_index.txt` (database) and
`pitts30k_imageNames_query.txt`; the longest prefix of the name that has lists is used.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.places.place_set import PlaceSet
from training.datasets.data_config import DataConfig, expanded
from training.datasets.readers.listed_images import ImageLists, listed_place_set

_REQUIRED = ('utmDb', 'utmQ')
_ROLE_NAMES = {'database': 'index', 'query': 'query'}


def image_list_place_set(config: DataConfig) -> PlaceSet:
    """The set of an `.npz` file and its lists.

    Raises:
        SourceError: missing, unreadable, or inconsistent lists.
    """
    config.refuse('lists', 'split', 'where', 'queries_where', 'database_where', 'queries_path')
    path = config.only_path('lists')
    lists = read_image_lists(path, all_names=config.check_images)
    images = expanded(config.images) if config.images else path.parent
    return listed_place_set(lists, path.stem, images, config.check_images)


def read_image_lists(path: Path, *, all_names: bool = True) -> ImageLists:
    """The coordinates of an `.npz` file and its lists of names, checked for consistent counts.

    Args:
        path: the `.npz` file.
        all_names: whether both lists of names must exist; otherwise images are numbered.

    Raises:
        SourceError: missing, unreadable, or inconsistent lists.
    """
    arrays = _arrays(path)
    facts: dict[str, Any] = {'format': 'lists'}
    if 'posDistThr' in arrays:
        facts['posDistThr'] = _number(path, 'posDistThr', arrays)
    utm = {'database': _utm(path, 'utmDb', arrays), 'query': _utm(path, 'utmQ', arrays)}
    names = {}
    for role, points in utm.items():
        found = _names(path, role, all_names)
        facts[f'{role}_names'] = 'listed' if found is not None else 'not listed'
        numbered = [f'{role}_{number:06d}' for number in range(len(points))]
        names[role] = numbered if found is None else found
    lists = ImageLists(
        path, names['database'], names['query'], utm['database'], utm['query'], facts=facts
    )
    lists.check()
    return lists


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    if not path.is_file():
        raise SourceError(f'{path}: no such file; expected an .npz file with utmDb and utmQ')
    try:
        with np.load(path, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, TypeError) as error:
        reason = ' '.join(str(error).split())
        raise SourceError(
            f'{path}: not a readable .npz file ({reason}); fetch it again'
        ) from error
    missing = [name for name in _REQUIRED if name not in arrays]
    if missing:
        raise SourceError(
            f'{path}: expected the arrays {", ".join(_REQUIRED)}, found {", ".join(arrays)}; '
            f'{missing[0]} is missing'
        )
    return arrays


def _utm(path: Path, name: str, arrays: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
    points = arrays[name]
    if points.ndim != 2 or points.shape[1] != 2 or points.dtype.kind not in 'fiu':
        shape = ' x '.join(map(str, points.shape))
        raise SourceError(f'{path}: {name}: expected N x 2 numbers, found {shape} {points.dtype}')
    return points.astype(np.float64)


def _number(path: Path, name: str, arrays: dict[str, NDArray[Any]]) -> float:
    value = arrays[name]
    if value.size != 1 or value.dtype.kind not in 'fiu':
        raise SourceError(f'{path}: {name}: expected one number, found {value.tolist()!r}')
    return float(value.item())


def _names(path: Path, role: str, is_required: bool) -> list[str] | None:
    """The names of one role, or None if they are not listed and not required."""
    parts = path.stem.split('_')
    stems = ['_'.join(parts[:count]) for count in range(len(parts), 0, -1)]
    files = [path.with_name(f'{stem}_imageNames_{_ROLE_NAMES[role]}.txt') for stem in stems]
    file = next((file for file in files if file.is_file()), None)
    if file is None and is_required:
        raise SourceError(
            f'{path}: expected the names of its {role} images in {files[-1].name} next to it, '
            'found no such file; add it, or set `check_images: false` if only positions are needed'
        )
    if file is None:
        return None
    try:
        lines = file.read_text('utf-8').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f'{file}: the list cannot be read ({error})') from error
    return [line.strip() for line in lines if line.strip()]
