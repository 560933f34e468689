"""Potential positives and definite negatives of training queries, by position.

Source: NetVLAD (journal version), Section 4. An image near the query may show the same place (or
the opposite direction); an image far from it certainly shows another place. The distances, 10 m
and 25 m, are from its authors' code; the text states none for training. The best positive is
found in training (`training/places/mining.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.config import TupleConfig
from ghost_vpr_ros.replay.evaluation.pairs import Pairs, pairs_within
from ghost_vpr_ros.replay.places.place_set import PlaceSet
from ghost_vpr_ros.replay.places.relations import are_apart

_NS_PER_DAY = 86_400 * 10**9


@dataclass(frozen=True)
class WeakLabels:
    """The potential positives of every training query, and a test for definite negatives.

    Images are identified by their rows in `places`.

    Attributes:
        places: the images.
        config: limits of distance, time and heading.
        queries: (Q,) int64 rows, ascending, of the queries with at least one potential positive.
        database: (M,) int64 rows, ascending.
        pairs: potential positives as pairs of an index in `queries` and an index in `database`.
    """

    places: PlaceSet
    config: TupleConfig
    queries: NDArray[np.int64]
    database: NDArray[np.int64]
    pairs: Pairs

    def number_of(self, query: int) -> int:
        """The index of the image row `query` in `queries`.

        Raises:
            ValueError: it is not a training query.
        """
        number = int(np.searchsorted(self.queries, query))
        if number == len(self.queries) or self.queries[number] != query:
            raise ValueError(f'row {query} is not a training query')
        return number

    def positives(self, query: int) -> NDArray[np.int64]:
        """(P,) rows of the potential positives of one query, ascending, at least one."""
        return self.database[self.pairs.rows(self.number_of(query))]

    def are_negatives(self, query: int, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which rows are definite negatives of the query: far away, and of another time.

        Args:
            query: row of any image.
            rows: (n,) int64 rows of any images; -1 is not an image and never a negative.
        """
        offset_m = self.places.positions_m[rows] - self.places.positions_m[query]
        far = np.einsum('ij,ij->i', offset_m, offset_m) > self.config.negative_distance_m**2
        queries = np.full(len(rows), query, np.int64)
        return far & (rows >= 0) & _are_apart(self.places, self.config, queries, rows)


def weak_labels(places: PlaceSet, config: TupleConfig) -> WeakLabels:
    """Find the potential positives of every query; queries without any are left out.

    Raises:
        SourceError: no query has a potential positive, more than half of them have none, all
            images are of one place, or a required time of capture is unknown.
    """
    _check_stamps(places, config)
    queries, database = np.unique(places.queries), np.unique(places.database)
    numbers, rows = _potential(places, config, queries, database)
    has_positive = np.zeros(len(queries), bool)
    has_positive[numbers] = True
    _check_enough(places, config, has_positive)
    _check_negatives(places, config, queries, database)
    new_number = np.cumsum(has_positive) - 1
    pairs = Pairs.of(
        new_number[numbers],
        np.searchsorted(database, rows),
        int(has_positive.sum()),
        len(database),
    )
    return WeakLabels(places, config, queries[has_positive], database, pairs)


def revisited(places: PlaceSet, config: TupleConfig) -> NDArray[np.int64]:
    """Rows of the queries that have a potential positive, ascending.

    Raises:
        SourceError: a required time of capture is unknown.
    """
    _check_stamps(places, config)
    queries, database = np.unique(places.queries), np.unique(places.database)
    return queries[np.unique(_potential(places, config, queries, database)[0])]


def _potential(
    places: PlaceSet,
    config: TupleConfig,
    queries: NDArray[np.int64],
    database: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Potential positives: (n,) numbers in `queries`, and (n,) rows of database images."""
    points = places.positions_m
    near = pairs_within(points[queries], points[database], config.positive_distance_m)
    numbers = near.keys // max(1, len(database))
    query_rows, rows = queries[numbers], database[near.keys - numbers * len(database)]
    kept = _are_apart(places, config, query_rows, rows)
    kept &= _headings_agree(places, config, query_rows, rows)
    return numbers[kept], rows[kept]


def _are_apart(
    places: PlaceSet, config: TupleConfig, first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """(n,) whether two rows may be in one tuple: not of one panorama or visit, times in range."""
    apart = are_apart(places, first, second)
    if config.needs_times:
        between_ns = np.abs(places.stamp_ns[first] - places.stamp_ns[second])
        apart &= between_ns >= config.min_time_between_days * _NS_PER_DAY
        if config.max_time_between_days:
            apart &= between_ns <= config.max_time_between_days * _NS_PER_DAY
    return apart


def _headings_agree(
    places: PlaceSet, config: TupleConfig, first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """(n,) False if both headings are known and differ by too much.

    # Deviation: NetVLAD uses only GPS tags; headings are used only if the setting enables it. An
    image without a known heading remains a potential positive.
    """
    if not config.positive_heading_deg:
        return np.ones(len(first), bool)
    difference = places.heading_deg[first] - places.heading_deg[second]
    turned = np.abs((difference + 180.0) % 360.0 - 180.0)
    return np.isnan(turned) | (turned <= config.positive_heading_deg)


def _check_stamps(places: PlaceSet, config: TupleConfig) -> None:
    used = np.union1d(places.queries, places.database)
    unknown = int((places.stamp_ns[used] == UNKNOWN_STAMP_NS).sum())
    name = 'min_time_between_days' if config.min_time_between_days else 'max_time_between_days'
    if config.needs_times and unknown:
        raise SourceError(
            f'{places.name}: {name} is {getattr(config, name):g}, but '
            f'{unknown} of {len(used)} images have no time of capture; give the times, or set '
            f'{name} to 0'
        )


def _check_enough(places: PlaceSet, config: TupleConfig, has_positive: NDArray[np.bool_]) -> None:
    missing = int((~has_positive).sum())
    if len(has_positive) and 2 * missing <= len(has_positive):
        return
    raise SourceError(
        f'{places.name}: {missing} of {len(has_positive)} queries have no potential positive '
        f'(a database image of another panorama within {config.positive_distance_m:g} m), '
        'expected at most half of them; raise positive_distance_m, loosen positive_heading_deg '
        'and min_time_between_days, or check that queries and database share one area and frame'
    )


def _check_negatives(
    places: PlaceSet,
    config: TupleConfig,
    queries: NDArray[np.int64],
    database: NDArray[np.int64],
) -> None:
    """Refuse a set in which every image is near every query, so there are no negatives."""
    points, limit_m = places.positions_m, config.negative_distance_m
    near = pairs_within(points[queries], points[database], limit_m)
    if len(near) < len(queries) * len(database):
        return
    raise SourceError(
        f'{places.name}: expected images of at least two places, found all {len(database)} within '
        f'{limit_m:g} m (negative_distance_m) of every query; add images of other places'
    )
