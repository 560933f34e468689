"""Checks between the splits of a data set: no shared images, no shared places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.evaluation.ground_truth import horizontal_positions
from ghost_vpr_ros.replay.evaluation.pairs import pairs_within
from ghost_vpr_ros.replay.places.place_set import PlaceSet
from training.datasets.doctor.findings import Finding, problem, some_of


def check_shared_images(
    first: PlaceSet, second: PlaceSet, hashes: dict[Path, str]
) -> Iterator[Finding]:
    """Images of the second part that are the same file, or the same bytes, as in the first."""
    names = {hashes.get(file, str(file.resolve())): file for file in first.files}
    shared = [file for file in second.files if hashes.get(file, str(file.resolve())) in names]
    if not shared:
        return
    twins = [f'{names[hashes.get(f, str(f.resolve()))].name} = {f.name}' for f in shared]
    sentence = (
        f'{len(shared):,} images have the same bytes as an image of {first.name} '
        f'({some_of(twins)}), so the test includes training images; remove them from one split'
    )
    yield problem('duplicates', second.name, sentence)


def check_shared_places(first: PlaceSet, second: PlaceSet, distance_m: float) -> Iterator[Finding]:
    """Images of the second part near an image of the first."""
    try:
        here, there = horizontal_positions(first.frames, second.frames)
    except SourceError:
        # Listed sets have UTM positions instead of geotags; both parts share one frame.
        here, there = first.positions_m, second.positions_m
    near = pairs_within(here, there, distance_m)
    rows = np.unique(near.keys % max(1, len(second)))
    if not len(rows):
        return
    names: Sequence[str] = [second.frames[row].name for row in rows.tolist()]
    sentence = (
        f'{len(rows):,} of {len(second):,} images lie within {distance_m:g} m of an image of '
        f'{first.name} ({some_of(names)}), so recall on unseen places is not measured; split '
        'the data set by area'
    )
    yield problem('places', second.name, sentence)
