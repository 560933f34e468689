"""Join several data sets into one, whose parts are far apart and share no panorama or visit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.places.place_set import NO_PLACE, PlaceSet

APART_M = 1e6
"""Distance between two sets, larger than any city."""


def join_sets(sets: Sequence[PlaceSet]) -> PlaceSet:
    """One set of all images, in the order of the sets; a single set is returned unchanged.

    Raises:
        SourceError: sets with different visit gaps.
    """
    if len(sets) == 1:
        return sets[0]
    starts = np.cumsum([0, *(len(each) for each in sets)])[:-1]
    return PlaceSet(
        ' + '.join(each.name for each in sets),
        [frame for each in sets for frame in each.frames],
        np.concatenate([_centred(each, number) for number, each in enumerate(sets)]),
        np.concatenate([e.queries + start for e, start in zip(sets, starts, strict=True)]),
        np.concatenate([e.database + start for e, start in zip(sets, starts, strict=True)]),
        _numbered_apart([each.panorama for each in sets], 1),
        np.concatenate([each.heading_deg for each in sets]),
        np.concatenate([each.stamp_ns for each in sets]),
        {'sets': {each.name: each.facts for each in sets}},
        [file for each in sets for file in each.files] if all(e.files for e in sets) else (),
        *_visits(sets),
    )


def _centred(places: PlaceSet, number: int) -> NDArray[np.float64]:
    """(N, 2) positions, centred on the set's point on a line."""
    return places.positions_m - places.positions_m.mean(axis=0) + [number * APART_M, 0.0]


def _visits(sets: Sequence[PlaceSet]) -> tuple[NDArray[np.int64] | None, int]:
    """Visits and their gap; None if no set has visits."""
    gaps = {each.visit_gap for each in sets if each.visit is not None}
    if not gaps:
        return None, 1
    if len(gaps) > 1:
        raise SourceError(
            f'{sets[0].name}: expected data sets with one gap between visits, found gaps of '
            f'{", ".join(map(str, sorted(gaps)))}; train on them separately'
        )
    gap = gaps.pop()
    unknown = [np.full(len(each), NO_PLACE, np.int64) for each in sets]
    visits = [u if e.visit is None else e.visit for e, u in zip(sets, unknown, strict=True)]
    return _numbered_apart(visits, gap), gap


def _numbered_apart(numbers: Sequence[NDArray[np.int64]], gap: int) -> NDArray[np.int64]:
    """All numbers concatenated, those of different sets at least `gap` apart."""
    apart, start = [], 0
    for each in numbers:
        is_known = each != NO_PLACE
        shifted = each - each[is_known].min(initial=each.max(initial=0)) + start
        apart.append(np.where(is_known, shifted, NO_PLACE))
        start = int(apart[-1].max(initial=start)) + gap
    return np.concatenate(apart)
