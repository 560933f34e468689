"""Retrieved pairs and global descriptors as hloc and Kapture read them."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.errors import OutputError
from ghost_vpr_ros.core.search.index import SearchIndex
from ghost_vpr_ros.replay.output_files import write_file

PAIRS, KAPTURE, DESCRIPTORS = 'pairs.txt', 'pairs_kapture.csv', 'global_descriptor.h5'


class Pair(NamedTuple):
    """Two images that may show the same place, with the cosine of their descriptors."""

    query: str
    database: str
    similarity: float


class NamedDescriptors(NamedTuple):
    """Images by name with their descriptors (N, D) float32, unit norm."""

    names: Sequence[str]
    descriptors: NDArray[np.float32]


def check_names(
    database: Sequence[str], queries: Sequence[str], *, with_descriptors: bool
) -> list[str]:
    """Remarks on names by which both programs cannot tell images of two sources apart.

    Raises:
        OutputError: a name with a space or a comma, which part the columns of the files, or
            descriptors of two images under one name.
    """
    odd = next((name for name in (*database, *queries) if re.search(r'[\s,]', name)), None)
    if odd is not None:
        raise OutputError(
            f'{odd!r}: expected names without spaces and commas, which separate the columns of '
            f'{PAIRS} and {KAPTURE}; rename the images'
        )
    common = len(set(database) & set(queries))
    if common and with_descriptors:
        raise OutputError(
            f'{DESCRIPTORS}: expected one image for each name, found {common} names in database '
            'and queries; put both into one folder, with one manifest and --where'
        )
    return [
        f'{common} names are those of a database image and of a query; programs that look both up '
        'in one folder cannot tell them apart'
    ] * bool(common)


def pairs_of(database: NamedDescriptors, queries: NamedDescriptors, count: int) -> list[Pair]:
    """The most similar database images of each query, best first; `count` each at most.

    Where the queries are the database, the same object, no image is its own pair.
    """
    index = SearchIndex(database.descriptors.shape[1])
    index.add_all(database.descriptors)
    is_same = queries is database
    depth = min(count + is_same, len(database.names))
    rows, similarities = index.search(queries.descriptors, depth)
    pairs = []
    for number, query in enumerate(queries.names):
        found = zip(rows[number].tolist(), similarities[number].tolist(), strict=True)
        others = [(row, value) for row, value in found if not (is_same and row == number)]
        pairs += [Pair(query, database.names[row], value) for row, value in others[:count]]
    return pairs


def write_pairs(
    folder: Path,
    pairs: Sequence[Pair],
    described: Sequence[NamedDescriptors],
    *,
    with_descriptors: bool,
) -> str:
    """Write the files; their names in words.

    Raises:
        OutputError: a file cannot be written.
    """
    lines = [f'{pair.query} {pair.database}' for pair in pairs]
    write_file(folder / PAIRS, '\n'.join(lines) + '\n')
    rows = [f'{pair.query}, {pair.database}, {pair.similarity:.6f}' for pair in pairs]
    head = ['# kapture format: 1.1', '# query_image, map_image, score']
    write_file(folder / KAPTURE, '\n'.join([*head, *rows]) + '\n')
    if not with_descriptors:
        return f'{PAIRS}, {KAPTURE}'
    named = {
        name: descriptor
        for each in described
        for name, descriptor in zip(each.names, each.descriptors, strict=True)
    }
    _write_descriptors(folder / DESCRIPTORS, named)
    return f'{PAIRS}, {KAPTURE}, {DESCRIPTORS}'


def _write_descriptors(path: Path, named: dict[str, NDArray[np.float32]]) -> None:
    """As hloc has them: a group for each image with its array `global_descriptor`."""
    import h5py

    content = io.BytesIO()
    with h5py.File(content, 'w') as file:
        for name, descriptor in named.items():
            file.create_group(name).create_dataset('global_descriptor', data=descriptor)
    write_file(path, content.getvalue())
