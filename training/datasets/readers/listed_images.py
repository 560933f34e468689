"""Data sets given as lists of image names with UTM coordinates, as in `.mat` and `.npz` files.

The images may be in another folder, or absent if only the ground truth is needed: reading the
lists, checking them, and locating the files are separate steps.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.image import read_image
from ghost_vpr_ros.replay.places.collected import Collected
from ghost_vpr_ros.replay.places.place_set import PlaceSet
from training.datasets.readers.time_machine import visits_of

DATABASE_FOLDERS = ('', 'images', 'database')
QUERY_FOLDERS = ('', 'queries', 'query', 'queries_real', 'images')
"""Subfolders of the image folder that names may be relative to; the first one with the first name
is used. Pitts has `images` and `queries`, Tokyo 24/7 `images` and `query`, TokyoTM `images`."""


@dataclass(frozen=True)
class ImageLists:
    """The lists of one data set, as in its files.

    Attributes:
        path: of the file, for messages.
        database: M names.
        queries: Q names.
        utm_database: (M, 2) float64 easting and northing, metres.
        utm_queries: (Q, 2) float64 easting and northing, metres.
        database_stamps: M time stamps in the notation of the file, or none.
        queries_stamps: Q time stamps, or none.
        facts: other metadata of the file: thresholds, counts, the name of the set.
    """

    path: Path
    database: Sequence[str]
    queries: Sequence[str]
    utm_database: NDArray[np.float64]
    utm_queries: NDArray[np.float64]
    database_stamps: Sequence[Any] = ()
    queries_stamps: Sequence[Any] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse inconsistent lists.

        Raises:
            SourceError: counts that differ, or a coordinate that is not a number.
        """
        for role, names, utm, stamps in (
            ('database', self.database, self.utm_database, self.database_stamps),
            ('query', self.queries, self.utm_queries, self.queries_stamps),
        ):
            self._check_count(f'{role} image names', len(names), f'{role} positions', len(utm))
            if len(stamps):
                self._check_count(f'{role} image names', len(names), 'time stamps', len(stamps))
            bad = np.flatnonzero(~np.isfinite(utm).all(axis=1))
            if len(bad):
                raise SourceError(
                    f'{self.path}: {role} image {names[bad[0]]}: expected UTM coordinates, found '
                    f'{utm[bad[0]].tolist()}; {len(bad)} of {len(utm)} are not numbers'
                )

    def _check_count(self, what: str, count: int, other: str, found: int) -> None:
        if count != found:
            raise SourceError(
                f'{self.path}: expected as many {other} as {what}, found {found} and {count}; '
                'these lists do not match'
            )


def listed_place_set(lists: ImageLists, name: str, images: Path, check_images: bool) -> PlaceSet:
    """The set of such lists; a photo that is both query and database image is one row.

    Args:
        lists: names and coordinates.
        name: for reports.
        images: folder that the names are relative to.
        check_images: whether all files must exist.

    Raises:
        SourceError: inconsistent lists, or missing images.
    """
    lists.check()
    database = [_plain(text) for text in lists.database]
    queries = [_plain(text) for text in lists.queries]
    files = [
        *_files(images, database, DATABASE_FOLDERS),
        *_files(images, queries, QUERY_FOLDERS),
    ]
    if check_images:
        _check_files(files, images, lists.path)
    utm = np.concatenate([lists.utm_database, lists.utm_queries])
    has_times = bool(len(lists.database_stamps) and len(lists.queries_stamps))
    stamps = [*lists.database_stamps, *lists.queries_stamps] if has_times else [''] * len(utm)
    visits = visits_of(stamps)
    panorama = [*_panoramas(lists.utm_database, visits.numbers), *[None] * len(queries)]
    described = zip([*database, *queries], files, visits.stamp_ns.tolist(), panorama, strict=True)
    frames = [
        Frame(name, partial(read_image, file), stamp_ns, panorama=label)
        for name, file, stamp_ns, label in described
    ]
    collected = Collected(facts={'source': str(lists.path), **lists.facts})
    rows = _collect(collected, frames, files, len(database))
    if not has_times:
        return collected.place_set(name, utm[rows])
    collected.facts['time_stamps'] = visits.notation
    return collected.place_set(name, utm[rows], visits.numbers[rows], visits.gap)


def _collect(
    collected: Collected, frames: Sequence[Frame], files: Sequence[Path], num_database: int
) -> NDArray[np.int64]:
    """Add the images; returns (N,) the number of each row's frame."""
    row_of: dict[Path, int] = {}
    chosen = []
    for number, (frame, file) in enumerate(zip(frames, files, strict=True)):
        is_query = number >= num_database
        if is_query and file in row_of:
            collected.is_query[row_of[file]] = True
            continue
        if not is_query:
            row_of.setdefault(file, number)
        collected.add(frame, file, query=is_query, database=not is_query)
        chosen.append(number)
    return np.array(chosen, np.int64)


def _plain(name: str) -> str:
    """The normalised name: `./a/b.jpg`, also with backslashes, becomes `a/b.jpg`."""
    return posixpath.normpath(name.replace('\\', '/'))


def _files(images: Path, names: Sequence[str], folders: Sequence[str]) -> list[Path]:
    """The file of each name, which need not exist."""
    bases = [images / folder for folder in folders]
    base = next((b for b in bases if names and (b / names[0]).is_file()), images)
    return [base / name for name in names]


def _check_files(files: Sequence[Path], images: Path, path: Path) -> None:
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise SourceError(
            f'{path}: {len(missing)} of {len(files)} images are missing, the first is '
            f'{missing[0]}; set `images` to the folder that the names are relative to (now '
            f'{images}), or `check_images: false` if only positions are needed'
        )


def _panoramas(utm: NDArray[np.float64], visit: NDArray[np.int64]) -> list[str]:
    """A label for each database image: successive images of one position and time are a panorama.

    All lists of this kind have the 12 or 24 views of a panorama in succession.
    """
    moved = (np.diff(utm, axis=0) != 0).any(axis=1) | (np.diff(visit[: len(utm)]) != 0)
    return [str(number) for number in np.concatenate([[0], np.cumsum(moved)])[: len(utm)]]
