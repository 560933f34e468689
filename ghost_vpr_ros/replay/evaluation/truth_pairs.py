"""Ground truth from a file of pairs: which database images show the place of each query.

| file | content |
|---|---|
| `.csv` | columns `query` and `database`: names of images, or their numbers from 0 |
| `.npy` | (P, 2) whole numbers: query, database |
| `.npy` | (Q, N) flags or zeros and ones: a row for each query |
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.evaluation.ground_truth import (
    GroundTruth,
    horizontal_positions,
    pairs_of_panorama,
)
from ghost_vpr_ros.replay.evaluation.pairs import Pairs
from ghost_vpr_ros.replay.sources.manifest import read_table

_CONVERT = (
    'python -c "import numpy as n, sys; g = n.load(sys.argv[1], allow_pickle=True); n.save('
    "'pairs.npy', [(q, d) for q, row in enumerate(g) for d in n.atleast_1d(row[-1])])\""
)


def by_file(path: Path, queries: Sequence[Frame], database: Sequence[Frame]) -> GroundTruth:
    """Positives as a file of pairs has them; images of one panorama are kept apart.

    Raises:
        SourceError: unreadable, or of another data set: more queries or rows than there are, or
            names that none of the images has.
    """
    is_table = path.suffix.lower() == '.csv'
    read = _pairs_of_table if is_table else _pairs_of_array
    found = read(path, queries, database)
    same = pairs_of_panorama(queries, database)
    positives = Pairs.of(found[:, 0], found[:, 1], len(queries), len(database)).without(same)
    points = _points(queries, database)
    protocol = {'ground_truth': 'file', 'file': str(path), 'panorama_pairs': len(same)}
    return GroundTruth(positives, same, *points, 'm', protocol)


def _points(
    queries: Sequence[Frame], database: Sequence[Frame]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the images are, for reports; NaN where positions are not known of all."""
    if all(frame.has_position for frame in (*queries, *database)):
        try:
            return horizontal_positions(queries, database)
        except SourceError:
            pass
    return np.full((len(queries), 2), np.nan), np.full((len(database), 2), np.nan)


def _pairs_of_table(
    path: Path, queries: Sequence[Frame], database: Sequence[Frame]
) -> NDArray[np.int64]:
    table = read_table(path)
    missing = [name for name in ('query', 'database') if name not in table.columns]
    if missing:
        raise SourceError(
            f'{path}: expected columns query and database, found {", ".join(table.columns)}'
        )
    numbers = (_numbers(queries), _numbers(database))
    pairs = []
    for row in table.rows:
        cells = (row.text('query'), row.text('database'))
        for cell, known, what in zip(cells, numbers, ('query', 'database image'), strict=True):
            if cell not in known:
                raise row.error(
                    f'{cell!r} is not a {what}: expected its name or a number up to '
                    f'{len(known) // 2 - 1}; is this the ground truth of another data set?'
                )
        pairs.append([known[cell] for cell, known in zip(cells, numbers, strict=True)])
    return np.array(pairs, np.int64).reshape(-1, 2)


def _numbers(frames: Sequence[Frame]) -> dict[str, int]:
    """Number by name, and by its own text; a name that looks like a number is the name."""
    by_number = {str(number): number for number in range(len(frames))}
    names = {frame.name: number for number, frame in enumerate(frames)}
    return {**by_number, **names}


def _pairs_of_array(
    path: Path, queries: Sequence[Frame], database: Sequence[Frame]
) -> NDArray[np.int64]:
    values, shape = _array(path), (len(queries), len(database))
    if values.shape == shape and np.isin(values, (0, 1)).all():
        return np.argwhere(values).astype(np.int64)
    is_pairs = values.ndim == 2 and values.shape[1] == 2 and values.dtype.kind in 'iu'
    if not is_pairs:
        raise SourceError(
            f'{path}: expected whole numbers (P, 2), or zeros and ones {shape} for {shape[0]} '
            f'queries and {shape[1]} database images, found {values.dtype} {values.shape}; is '
            'this the ground truth of another data set?'
        )
    if len(values) and (values.min() < 0 or (values.max(axis=0) >= shape).any()):
        raise SourceError(
            f'{path}: expected numbers below {shape[0]} (query) and {shape[1]} (database), found '
            f'{tuple(values.max(axis=0).tolist())}; is this the ground truth of another data set?'
        )
    return values.astype(np.int64)


def _array(path: Path) -> NDArray[np.generic]:
    try:
        found = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise SourceError(
            f'{path}: expected position, index, or a file of pairs (.csv or .npy) as the ground '
            'truth, found no such file; check the path'
        ) from error
    except OSError as error:
        raise SourceError(
            f'{path}: the ground truth cannot be read ({error.strerror}); name a file of pairs '
            '(.csv or .npy)'
        ) from error
    except (ValueError, EOFError) as error:
        raise SourceError(
            f'{path}: expected an array of numbers, found Python objects, as VPR-Bench stores '
            f'them, or a damaged file ({error}); objects may run code when they are read: if you '
            f'trust the file, convert it with {_CONVERT} FILE'
        ) from error
    if not isinstance(found, np.ndarray):
        raise SourceError(f'{path}: expected one array (.npy), found several (.npz)')
    return found
