"""Checks of counts, thresholds and positives, which need neither pixels nor names."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ghost_vpr_ros.replay.places.place_set import PlaceSet
from ghost_vpr_ros.replay.places.relations import positives_of
from training.datasets.doctor.findings import Finding, note, problem
from training.datasets.doctor.published_sizes import PUBLISHED_SIZES, equal_reference

_MOST_POSITIVES = 0.25


@dataclass(frozen=True)
class PositiveCounts:
    """Statistics of the number of positives per query.

    Attributes:
        distance_m: largest distance of positives.
        least: fewest positives of a query.
        median: over all queries.
        most: most positives of a query.
        without: number of queries without positives.
        queries: number of queries.
    """

    distance_m: float
    least: int
    median: float
    most: int
    without: int
    queries: int


def count_positives(places: PlaceSet, distance_m: float) -> PositiveCounts:
    """Count the positives of the queries, without images of their own panorama and visit."""
    counts = positives_of(places, distance_m).counts()
    if not len(counts):
        return PositiveCounts(distance_m, 0, 0.0, 0, 0, 0)
    return PositiveCounts(
        distance_m,
        int(counts.min()),
        float(np.median(counts)),
        int(counts.max()),
        int((counts == 0).sum()),
        len(counts),
    )


def check_positives(places: PlaceSet, counts: PositiveCounts) -> Iterator[Finding]:
    """Queries without positives: a note, or a problem if they are more than half."""
    found = (
        f'{counts.without:,} of {counts.queries:,} queries have no database image of another '
        f'panorama within {counts.distance_m:g} m'
    )
    if 2 * counts.without > counts.queries:
        advice = (
            'check that queries and database have the same frame and order, or give a larger '
            '--distance-m'
        )
        sentence = f'{found}, expected at most half of them; {advice}'
        yield problem('positives', places.name, sentence)
    elif counts.without:
        sentence = f'{found}; training omits them, evaluation reports them separately'
        yield note('positives', places.name, sentence)
    elif counts.median > _MOST_POSITIVES * len(places.database):
        # Recall means nothing if nearly any answer is right.
        sentence = (
            f'{counts.median:g} of {len(places.database):,} database images are positives of the '
            f'median query within {counts.distance_m:g} m, so that recall means little; give a '
            'smaller --distance-m, a larger database, or check the positions'
        )
        yield note('positives', places.name, sentence)


def check_counts(places: PlaceSet, reference: str | None) -> Iterator[Finding]:
    """Compare the counts with the published ones of a row, if there is one."""
    database, queries = len(places.database), len(places.queries)
    same = equal_reference(database, queries)
    found = f'{queries:,} queries and {database:,} database images'
    if same is not None and reference in (None, same):
        yield note('counts', places.name, f'{found}, as published for {same}')
        return
    if reference is None:
        return
    size = PUBLISHED_SIZES[reference]
    advice = size.hint or 'get the lists that the papers used, or give `--reference none`'
    if same is not None:
        advice = f'these are the counts of {same}, give `--reference {same}` if that is intended'
    sentence = (
        f'{reference} has {size.queries:,} queries and {size.database:,} database images as '
        f'published, found {found}; {advice}'
    )
    yield problem('counts', places.name, sentence)


def check_thresholds(places: PlaceSet, reference: str | None) -> Iterator[Finding]:
    """Check that the distances of the source are consistent and as published."""
    own, squared = places.facts.get('posDistThr'), places.facts.get('posDistSqThr')
    expected = None if reference is None else PUBLISHED_SIZES[reference].positive_distance_m
    if own is None:
        return
    if not (math.isfinite(own) and own > 0.0):
        what, wanted = f'posDistThr is {own:g} m', 'a distance above 0 m'
    elif squared is not None and not math.isclose(squared, own**2, rel_tol=1e-6):
        what, wanted = f'posDistSqThr is {squared:g}', f'the square {own**2:g} of posDistThr'
    elif expected is not None and own != expected:
        what, wanted = f'posDistThr is {own:g} m', f'{expected:g} m as published for {reference}'
    else:
        return
    sentence = f'{what}, expected {wanted}; recall will not be comparable, correct the file'
    yield problem('thresholds', places.name, sentence)
