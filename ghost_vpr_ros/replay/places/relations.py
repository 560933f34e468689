"""Relations between images of a set: positives by position, and pairs excluded from comparison.

An image is neither a positive nor a negative of itself, of another view of its panorama, or of an
image of the same visit: the same drive, or less than a month apart in Time Machine sets (as in
the code of NetVLAD's authors, in training and validation).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.replay.evaluation.pairs import Pairs, pairs_within
from ghost_vpr_ros.replay.places.place_set import NO_PLACE, PlaceSet


def are_apart(
    places: PlaceSet, first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """(n,) whether two images may be compared: different images, panoramas and visits.

    Args:
        places: the images.
        first: (n,) int64 rows.
        second: (n,) int64 rows, or broadcastable to `first`.
    """
    panorama = places.panorama[first]
    same = (panorama == places.panorama[second]) & (panorama != NO_PLACE)
    apart: NDArray[np.bool_] = ~same & (first != second)
    if places.visit is None:
        return apart
    a, b = places.visit[first], places.visit[second]
    is_unknown = (a == NO_PLACE) | (b == NO_PLACE)
    return apart & (is_unknown | (np.abs(a - b) >= places.visit_gap))


def positives_of(places: PlaceSet, radius_m: float) -> Pairs:
    """Pairs of query and database image within a distance that may be compared (`are_apart`).

    Args:
        places: the images.
        radius_m: largest distance, inclusive.

    Returns:
        Pairs of a number in `places.queries` and a number in `places.database`.
    """
    queries, database = places.queries, places.database
    near = pairs_within(places.positions_m[queries], places.positions_m[database], radius_m)
    number, place = np.divmod(near.keys, max(1, near.num_database))
    kept = are_apart(places, queries[number], database[place])
    return Pairs(near.keys[kept], near.num_queries, near.num_database)


def excluded_of(places: PlaceSet) -> Pairs:
    """Pairs of query and database image that must not be compared, which rankings leave out.

    Returns:
        Pairs of a number in `places.queries` and a number in `places.database`.
    """
    rows = np.arange(len(places))
    known = places.panorama != NO_PLACE
    panorama = np.where(known, places.panorama, places.panorama.max(initial=0) + 1 + rows)
    keys = [_within(places, rows, 1), _within(places, panorama, 1)]
    if places.visit is not None:
        # Each unknown visit gets a distinct number, at least the gap from all others.
        last = places.visit.max(initial=0)
        alone = last + places.visit_gap * (rows + 1)
        visit = np.where(places.visit == NO_PLACE, alone, places.visit)
        keys.append(_within(places, visit, places.visit_gap))
    num_queries, num_database = len(places.queries), len(places.database)
    number, place = np.divmod(np.concatenate(keys), max(1, num_database))
    return Pairs.of(number, place, num_queries, num_database)


def _within(places: PlaceSet, values: NDArray[np.int64], gap: int) -> NDArray[np.int64]:
    """Keys (as in `Pairs`) of queries and database whose values differ by less than the gap."""
    of_queries, of_database = values[places.queries], values[places.database]
    order = np.argsort(of_database, kind='stable')
    first = np.searchsorted(of_database[order], of_queries - gap, 'right')
    counts = np.searchsorted(of_database[order], of_queries + gap, 'left') - first
    queries = np.repeat(np.arange(len(of_queries)), counts)
    step = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return queries * len(of_database) + order[np.repeat(first, counts) + step]
