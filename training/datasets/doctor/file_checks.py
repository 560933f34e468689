"""Checks of the image files: missing, duplicate and unreadable ones."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import Frame, Progress
from ghost_vpr_ros.core.errors import GhostVprError
from ghost_vpr_ros.replay.places.place_set import NO_PLACE, PlaceSet
from ghost_vpr_ros.replay.sources.table import read_table
from training.datasets.doctor.findings import Finding, note, problem, some_of

_THREADS = 4
_BLOCK_BYTES = 1 << 20


def check_missing(places: PlaceSet) -> tuple[list[Finding], bool]:
    """Missing files; and whether any image exists, so that pixels can be checked."""
    if not places.files:
        return [], True
    missing = [file for file in places.files if not file.is_file()]
    if not missing:
        return [], True
    if len(missing) == len(places.files):
        sentence = (
            f'none of the {len(missing):,} image files exists (the first is {missing[0]}), so '
            'only lists and positions were checked; give --images FOLDER to check the images'
        )
        return [note('missing', places.name, sentence)], False
    sentence = (
        f'{len(missing):,} of {len(places.files):,} image files are missing '
        f'({some_of(list(map(str, missing)))}); unpack or download them again'
    )
    return [problem('missing', places.name, sentence)], True


def check_listed(manifest: Path) -> Iterator[Finding]:
    """Missing files of a manifest, which cannot be opened as a data set without them.

    Raises:
        SourceError: the manifest cannot be read.
    """
    names = [row.text('image') for row in read_table(manifest).rows]
    missing = [name for name in names if not (manifest.parent / name).is_file()]
    if missing:
        sentence = (
            f'{len(missing):,} of {len(names):,} image files are missing ({some_of(missing)}); '
            'unpack or download them again, or remove their rows'
        )
        yield problem('missing', str(manifest), sentence)


def check_readable(places: PlaceSet, progress: Progress) -> Iterator[Finding]:
    """Images that cannot be decoded or have no contrast; missing files are skipped."""
    frames = list(places.frames)
    if places.files:
        both = zip(places.frames, places.files, strict=True)
        frames = [frame for frame, file in both if file.is_file()]
    with ThreadPoolExecutor(_THREADS) as threads:
        states = []
        for state in threads.map(_state_of, frames):
            states.append(state)
            progress(1)
    names = [frame.name for frame in frames]
    broken = [n for n, state in zip(names, states, strict=True) if state not in ('', 'plain')]
    plain = [n for n, state in zip(names, states, strict=True) if state == 'plain']
    if broken:
        reason = next(state for state in states if state not in ('', 'plain'))
        sentence = (
            f'{len(broken):,} of {len(frames):,} images cannot be read ({some_of(broken)}), the '
            f'first because: {reason}'
        )
        yield problem('readable', places.name, sentence)
    if plain:
        sentence = (
            f'{len(plain):,} images are nearly uniform ({some_of(plain)}) and show no place; '
            'leave them out'
        )
        yield note('readable', places.name, sentence)


def _state_of(frame: Frame) -> str:
    """Empty for a good image, `plain` for one without contrast, else the read error."""
    try:
        image = frame.load()
    except GhostVprError as error:
        return str(error)
    return 'plain' if float(image.std()) < RecognizerConfig.min_contrast else ''


def hashes_of(files: Iterable[Path], progress: Progress) -> dict[Path, str]:
    """SHA-256 of the files that have the same size as another file; others have no duplicate."""
    same_size: dict[int, list[Path]] = defaultdict(list)
    for file in dict.fromkeys(files):
        if file.is_file():
            same_size[file.stat().st_size].append(file)
    shared = [file for group in same_size.values() if len(group) > 1 for file in group]
    hashes = {}
    with ThreadPoolExecutor(_THREADS) as threads:
        for file, digest in zip(shared, threads.map(_sha256, shared), strict=True):
            hashes[file] = digest
            progress(1)
    return hashes


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    try:
        with file.open('rb') as stream:
            while block := stream.read(_BLOCK_BYTES):
                digest.update(block)
    except OSError:
        return f'unreadable {file}'
    return digest.hexdigest()


def check_duplicates(places: PlaceSet, hashes: dict[Path, str]) -> Iterator[Finding]:
    """Images with the same bytes that are not marked as one panorama."""
    groups = [rows for rows in _equal_rows(places, hashes) if _may_meet(places, rows)]
    if not groups:
        return
    apart_m = max(_extent_m(places, rows) for rows in groups)
    shown = [' = '.join(places.frames[row].name for row in rows[:2]) for rows in groups]
    images = sum(len(rows) - 1 for rows in groups)
    sentence = (
        f'{images:,} images have the same bytes as another one ({some_of(shown)}), with positions '
        f'up to {apart_m:,.0f} m apart; remove one of each, or give both one panorama number'
    )
    yield problem('duplicates', places.name, sentence)


def _equal_rows(places: PlaceSet, hashes: dict[Path, str]) -> list[list[int]]:
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, file in enumerate(places.files):
        if file in hashes:
            rows_of[hashes[file]].append(row)
    return [rows for rows in rows_of.values() if len(rows) > 1]


def _extent_m(places: PlaceSet, rows: Sequence[int]) -> float:
    points = places.positions_m[list(rows)]
    return float(np.linalg.norm(points - points[0], axis=1).max())


def _may_meet(places: PlaceSet, rows: Sequence[int]) -> bool:
    """Whether any two of the rows may be compared, because they are not all of one panorama."""
    numbers = places.panorama[list(rows)]
    return bool((numbers == NO_PLACE).any() or (numbers != numbers[0]).any())
