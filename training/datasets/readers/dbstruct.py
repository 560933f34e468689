"""Reader of NetVLAD's MATLAB structs `dbStruct`: Pitts30k and 250k, Tokyo 24/7, TokyoTM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from ghost_vpr_ros.core.errors import ConfigError, SourceError
from ghost_vpr_ros.replay.places.place_set import PlaceSet
from training.datasets.data_config import DataConfig, expanded
from training.datasets.readers.listed_images import ImageLists, listed_place_set

VARIABLE = 'dbStruct'
_REQUIRED = ('dbImageFns', 'utmDb', 'qImageFns', 'utmQ')
_SCALARS = ('posDistThr', 'posDistSqThr', 'nonTrivPosDistSqThr', 'numImages', 'numQueries')


def dbstruct_place_set(config: DataConfig) -> PlaceSet:
    """The set of a `.mat` file.

    Raises:
        SourceError: missing, unreadable, a field is missing, or inconsistent counts.
        ConfigError: the file has another split.
    """
    config.refuse('dbstruct', 'where', 'queries_where', 'database_where', 'queries_path')
    path = config.only_path('dbstruct')
    lists = read_dbstruct(path)
    which = lists.facts.get('whichSet', '')
    if config.split and which and config.split != which:
        raise ConfigError(f'split: {path} is the set {which!r}, not {config.split!r}; correct it')
    images = expanded(config.images) if config.images else path.parent
    return listed_place_set(lists, path.stem, images, config.check_images)


def read_dbstruct(path: Path) -> ImageLists:
    """The lists of a `.mat` file, checked for consistent counts.

    Raises:
        SourceError: missing, unreadable, a field is missing, or inconsistent counts.
    """
    fields = _fields(path)
    missing = [name for name in _REQUIRED if name not in fields]
    if missing:
        raise SourceError(
            f'{path}: {VARIABLE}: expected the fields {", ".join(_REQUIRED)}, found '
            f'{", ".join(fields)}; {missing[0]} is missing'
        )
    facts: dict[str, Any] = {'format': 'dbstruct'}
    facts.update({name: _number(path, name, fields[name]) for name in _SCALARS if name in fields})
    if 'whichSet' in fields:
        facts['whichSet'] = str(fields['whichSet'])
    lists = ImageLists(
        path,
        _names(path, 'dbImageFns', fields['dbImageFns']),
        _names(path, 'qImageFns', fields['qImageFns']),
        _utm(path, 'utmDb', fields['utmDb']),
        _utm(path, 'utmQ', fields['utmQ']),
        _entries(fields.get('dbTimeStamp', ())),
        _entries(fields.get('qTimeStamp', ())),
        facts,
    )
    for name, found in (('numImages', lists.database), ('numQueries', lists.queries)):
        if facts.get(name, len(found)) != len(found):
            raise SourceError(
                f'{path}: {name}: expected {facts[name]:g} image names, found {len(found)}; '
                'the file is damaged or was edited'
            )
    lists.check()
    return lists


def _fields(path: Path) -> dict[str, Any]:
    """The struct's fields by name, without dimensions of length 1."""
    if not path.is_file():
        raise SourceError(f'{path}: no such file; expected a MATLAB file with {VARIABLE}')
    # Damaged files raise errors of many types in the reader, including IndexError.
    try:
        content = loadmat(path, squeeze_me=True, variable_names=[VARIABLE])
    except NotImplementedError as error:
        raise SourceError(
            f'{path}: a MATLAB 7.3 file, expected version 7; save it in MATLAB with -v7'
        ) from error
    except Exception as error:
        reason = ' '.join(str(error).split()) or type(error).__name__
        raise SourceError(
            f'{path}: not a readable MATLAB file ({reason}); fetch it again'
        ) from error
    struct = content.get(VARIABLE)
    names = None if struct is None else struct.dtype.names
    if struct is None or not names or struct.size != 1:
        raise SourceError(f'{path}: expected one struct {VARIABLE}, found none in this file')
    return {name: struct[name].item() for name in names}


def _entries(value: Any) -> list[Any]:
    """The entries of a cell array or vector."""
    return np.atleast_1d(np.asarray(value)).ravel().tolist()


def _names(path: Path, name: str, value: Any) -> list[str]:
    """The texts of a cell array, without MATLAB's padding."""
    entries = _entries(value)
    bad = next((number for number, e in enumerate(entries) if not isinstance(e, str)), None)
    if bad is not None:
        raise SourceError(
            f'{path}: {name}: expected a cell array of image names, found {entries[bad]!r} as '
            f'entry {bad + 1} of {len(entries)}'
        )
    return [entry.strip() for entry in entries]


def _number(path: Path, name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise SourceError(f'{path}: {name}: expected a number, found {value!r}') from error


def _utm(path: Path, name: str, value: Any) -> NDArray[np.float64]:
    """(N, 2) float64 of a 2 x N matrix."""
    try:
        matrix = np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise SourceError(f'{path}: {name}: expected a matrix of numbers') from error
    if matrix.shape[0:1] != (2,) or matrix.ndim > 2:
        shape = ' x '.join(map(str, matrix.shape))
        raise SourceError(
            f'{path}: {name}: expected a 2 x N matrix, found {shape or "one number"}'
        )
    return matrix.reshape(2, -1).T
