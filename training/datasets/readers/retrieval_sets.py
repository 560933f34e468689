"""Readers of image-retrieval benchmarks: queries, positives, and junk images.

Formats: Oxford 5k and Paris 6k (four text files per query), and INRIA Holidays (numbers in the
image names).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.image import read_image
from ghost_vpr_ros.replay.sources.image_sources import list_images

RETRIEVAL_FORMATS = ('oxford', 'holidays')
_OXFORD_PREFIX = 'oxc1_'
_HOLIDAYS_GROUP = 100
"""Image 100 k is the query of group k; 100 k + 1, 100 k + 2, ... are its positives."""


@dataclass(frozen=True)
class RetrievalQuery:
    """One query of a benchmark; rows refer to the database.

    Attributes:
        frame: the query image, cropped to its box on request.
        positives: rows of the positives.
        junk: rows that rankings skip.
    """

    frame: Frame
    positives: tuple[int, ...]
    junk: tuple[int, ...]


@dataclass(frozen=True)
class RetrievalSet:
    """A benchmark.

    Attributes:
        name: of the set, and whether queries are cropped.
        database: all images.
        queries: in the order of their names.
    """

    name: str
    database: Sequence[Frame]
    queries: Sequence[RetrievalQuery]

    @property
    def identity(self) -> str:
        """Name and 8 digits of a hash of the protocol: equal ids mean comparable figures."""
        content = [
            [frame.name for frame in self.database],
            [[each.frame.name, each.positives, each.junk] for each in self.queries],
        ]
        return f'{self.name}#{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:8]}'


def open_retrieval_set(format: str, images: Path, truth: Path | None, crop: bool) -> RetrievalSet:
    """The benchmark of a folder.

    Args:
        format: one of `RETRIEVAL_FORMATS`.
        images: folder of the images.
        truth: folder of the text files of Oxford and Paris; None: the folder of the images.
        crop: crop queries to the box around the object (Oxford and Paris).

    Raises:
        SourceError: no benchmark of this format, or a file refers to a missing image.
    """
    files = list_images(images)
    if not files:
        raise SourceError(f'{images}: expected the images of a benchmark, found none')
    frames = [
        Frame(file.relative_to(images).as_posix(), partial(read_image, file)) for file in files
    ]
    if format == 'holidays':
        return RetrievalSet('holidays', frames, _holidays_queries(images, frames))
    name = f'{images.name}_{"crop" if crop else "full"}'
    return RetrievalSet(name, frames, _oxford_queries(truth or images, frames, crop))


def _oxford_queries(truth: Path, frames: Sequence[Frame], crop: bool) -> list[RetrievalQuery]:
    """Queries whose positives are `good` and `ok`, including the query's own image.

    Raises:
        SourceError: no query files, a damaged one, or an image that is missing.
    """
    row_of = {Path(frame.name).stem: row for row, frame in enumerate(frames)}
    queries = []
    for file in sorted(truth.glob('*_query.txt')):
        name, box = _read_query(file)
        stem = file.name.removesuffix('_query.txt')
        good, fair, junk = (
            _rows(truth / f'{stem}_{kind}.txt', row_of) for kind in ('good', 'ok', 'junk')
        )
        if name not in row_of:
            raise SourceError(f'{file}: expected the image {name}, found none of that name')
        frame = frames[row_of[name]]
        if crop:
            load = partial(_cut, frame, box)
            frame = replace(frame, name=f'{frame.name} {stem}', load=load)
        queries.append(RetrievalQuery(frame, (*good, *fair), junk))
    if not queries:
        raise SourceError(f'{truth}: expected files *_query.txt, found none; name their folder')
    return queries


def _read_query(file: Path) -> tuple[str, tuple[float, float, float, float]]:
    """Name of the image without suffix, and left, top, right, bottom of the box in pixels."""
    words = file.read_text().split()
    try:
        left, top, right, bottom = (float(word) for word in words[1:])
    except ValueError as error:
        raise SourceError(
            f'{file}: expected a name and four numbers, found {" ".join(words)[:80]!r}'
        ) from error
    return words[0].removeprefix(_OXFORD_PREFIX), (left, top, right, bottom)


def _rows(file: Path, row_of: dict[str, int]) -> tuple[int, ...]:
    """Rows of the images that a file lists."""
    try:
        names = file.read_text().split()
    except OSError as error:
        raise SourceError(
            f'{file}: not readable ({error.strerror}); a query needs this file'
        ) from error
    missing = [name for name in names if name not in row_of]
    if missing:
        raise SourceError(
            f'{file}: expected the image {missing[0]}, found none of that name ({len(missing)} of '
            f'{len(names)} are missing); a benchmark needs all of its images'
        )
    return tuple(row_of[name] for name in names)


def _cut(frame: Frame, box: tuple[float, float, float, float]) -> NDArray[np.uint8]:
    """The part of the image inside a box, at least one pixel."""
    image = frame.load()
    left, top = (max(0, int(value)) for value in box[:2])
    right, bottom = (int(np.ceil(value)) for value in box[2:])
    return image[top : max(bottom, top + 1), left : max(right, left + 1)]


def _holidays_queries(images: Path, frames: Sequence[Frame]) -> list[RetrievalQuery]:
    """One query per group: the first image searches for the others, and is junk itself.

    Raises:
        SourceError: a name is not a number, or a group has a single image.
    """
    numbers = []
    for frame in frames:
        stem = Path(frame.name).stem
        if not stem.isdecimal():
            raise SourceError(f'{images}: {frame.name}: expected a number as name, as 100000.jpg')
        numbers.append(int(stem))
    group = np.array(numbers) // _HOLIDAYS_GROUP
    queries = []
    for row in np.argsort(numbers):
        if numbers[row] % _HOLIDAYS_GROUP:
            continue
        others = np.flatnonzero((group == group[row]) & (np.arange(len(group)) != row))
        if not len(others):
            raise SourceError(f'{images}: {frames[row].name}: its group has no other image')
        queries.append(RetrievalQuery(frames[row], tuple(others.tolist()), (int(row),)))
    if not queries:
        raise SourceError(f'{images}: expected queries (numbers that end in 00), found none')
    return queries
