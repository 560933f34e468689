"""Checks that names and positions are in the same order, a common error in image lists.

With mismatched lists, an evaluation reports a recall of 1 % and no error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.replay.places.place_set import NO_PLACE, PlaceSet
from ghost_vpr_ros.replay.sources.utm_names import is_utm_name
from training.datasets.doctor.findings import Finding, note, problem, some_of
from training.datasets.doctor.position_checks import UTM_FORMATS

_VIEW = re.compile(r'(.+)_(?:pitch\d+_yaw\d+|\d{3}_\d{3})$')
"""Names of the views of one panorama in Pitts30k, Pitts250k, Tokyo 24/7 and TokyoTM."""

_SAME_POSITION_M = 5.0
_SHUFFLED = 0.7
_LEAST_IMAGES = 30
_ADVICE = 'names and positions are in different orders, get matching lists'


def check_order(places: PlaceSet) -> Iterator[Finding]:
    """Panoramas with several positions, and lists that contradict the names or are shuffled."""
    if places.facts.get('format') not in UTM_FORMATS:
        yield from _check_panoramas(places, places.panorama.tolist())
        return
    views = [_panorama_in(frame.name) for frame in places.frames]
    number_of = {label: number for number, label in enumerate(dict.fromkeys(views))}
    numbers = [NO_PLACE if label is None else number_of[label] for label in views]
    yield from _check_panoramas(places, numbers)
    yield from _check_positions_in_names(places)
    yield from _check_steps(places, places.queries, 'queries')
    yield from _check_steps(places, places.database, 'database images')


def _panorama_in(name: str) -> str | None:
    found = _VIEW.match(name.rpartition('.')[0])
    return found[1] if found else None


def _check_panoramas(places: PlaceSet, numbers: Sequence[int]) -> Iterator[Finding]:
    """Check that images of one panorama have one position."""
    panorama = np.array(numbers, np.int64)
    rows = np.flatnonzero(panorama != NO_PLACE)
    found, first, group = np.unique(panorama[rows], return_index=True, return_inverse=True)
    points = places.positions_m[rows]
    apart_m = np.linalg.norm(points - points[first[group]], axis=1)
    is_torn = apart_m > _SAME_POSITION_M
    if is_torn.any():
        count = len(np.unique(group[is_torn]))
        name = places.frames[rows[np.flatnonzero(is_torn)[0]]].name
        sentence = (
            f'{count:,} of {len(found):,} panoramas have images at several positions, up to '
            f'{apart_m.max():,.0f} m apart ({name} and others), expected one position; {_ADVICE}'
        )
        yield problem('order', places.name, sentence)


def _check_positions_in_names(places: PlaceSet) -> Iterator[Finding]:
    """Compare positions of a list with those in its image names."""
    named = [(row, frame.name) for row, frame in enumerate(places.frames) if '@' in frame.name]
    rows = [row for row, name in named if is_utm_name(Path(name))]
    if not rows:
        return
    names = [places.frames[row].name for row in rows]
    named_m = np.array([_position_in(Path(name)) for name in names])
    off_m = np.linalg.norm(named_m - places.positions_m[rows], axis=1)
    wrong = [names[i] for i in np.flatnonzero(off_m > _SAME_POSITION_M)]
    if wrong:
        sentence = (
            f'{len(wrong):,} of {len(rows):,} names contain other positions than the list '
            f'({some_of(wrong)}); {_ADVICE}'
        )
        yield problem('order', places.name, sentence)


def _position_in(name: Path) -> tuple[float, float]:
    fields = name.stem.split('@')
    try:
        return float(fields[1]), float(fields[2])
    except ValueError:
        return float('nan'), float('nan')


def _check_steps(places: PlaceSet, rows: NDArray[np.int64], what: str) -> Iterator[Finding]:
    """Check that neighbours in the list are near each other, as in the published lists."""
    if len(rows) < _LEAST_IMAGES:
        return
    points = places.positions_m[rows]
    shuffled = points[np.random.default_rng(0).permutation(len(points))]
    step_m, any_m = _median_step_m(points), _median_step_m(shuffled)
    if step_m > _SHUFFLED * any_m:
        sentence = (
            f'neighbours in the list of {what} are {step_m:,.0f} m apart, random pairs '
            f'{any_m:,.0f} m, so the list may be shuffled; check some images on a map of the city'
        )
        yield note('order', places.name, sentence)


def _median_step_m(points: NDArray[np.float64]) -> float:
    return float(np.median(np.linalg.norm(np.diff(points, axis=0), axis=1)))
