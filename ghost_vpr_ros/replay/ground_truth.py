"""Ground truth: which database items show the place of each query.

Positives are found by position (within a radius, measured horizontally) or by index (same place
at the same index, give or take a tolerance). Items that show the same panorama are never matched
with each other: they are kept apart as pairs that the ranking and the positives both leave out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Frame, GeoPoint
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.geodesy import LocalFrame

_PAIRS_PER_BLOCK = 4_000_000
"""Distances computed at once: bounds the memory to some 100 MB at any size of the problem."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of a query and a database row, as the sorted keys `query * num_database + row`."""

    keys: NDArray[np.int64]
    num_queries: int
    num_database: int

    @classmethod
    def of(
        cls,
        queries: NDArray[np.int64],
        rows: NDArray[np.int64],
        num_queries: int,
        num_database: int,
    ) -> Pairs:
        """The pairs `(queries[i], rows[i])`, each kept once."""
        keys = np.unique(np.asarray(queries, np.int64) * num_database + rows)
        return cls(keys.astype(np.int64), num_queries, num_database)

    def __len__(self) -> int:
        return len(self.keys)

    def rows(self, query: int) -> NDArray[np.int64]:
        """The database rows of one query, ascending."""
        bounds = np.array([query, query + 1], np.int64) * self.num_database
        first, last = np.searchsorted(self.keys, bounds)
        return self.keys[first:last] - bounds[0]

    def counts(self) -> NDArray[np.int64]:
        """(Q,) how many rows each query has."""
        if not len(self.keys):
            return np.zeros(self.num_queries, np.int64)
        return np.bincount(self.keys // self.num_database, minlength=self.num_queries)

    def mask(self, ranking: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(Q, k) whether each query and the row at that rank are a pair; -1 is no row."""
        if not len(self.keys):
            return np.zeros(ranking.shape, bool)
        wanted = np.arange(self.num_queries)[:, None] * self.num_database + ranking
        place = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return (self.keys[place] == wanted) & (ranking >= 0)

    def without(self, other: Pairs) -> Pairs:
        """These pairs less the other ones."""
        kept = np.setdiff1d(self.keys, other.keys, assume_unique=True)
        return Pairs(kept, self.num_queries, self.num_database)


@dataclass(frozen=True)
class GroundTruth:
    """What the answers are judged by.

    Attributes:
        positives: database rows that show the query's place, the excluded ones left out.
        excluded: database rows of the query's own panorama, left out of its ranking.
        protocol: how the positives were found, as it stands in reports.
    """

    positives: Pairs
    excluded: Pairs
    protocol: dict[str, Any]


def by_position(
    queries: Sequence[Frame], database: Sequence[Frame], radius_m: float
) -> GroundTruth:
    """Positives within a horizontal distance; images of one panorama are kept apart.

    Raises:
        SourceError: as `horizontal_positions`.
    """
    near = pairs_within(*horizontal_positions(queries, database), radius_m)
    protocol: dict[str, Any] = {'ground_truth': 'position', 'positive_distance_m': radius_m}
    return _apart(near, pairs_of_panorama(queries, database), protocol)


def by_index(
    queries: Sequence[Frame],
    database: Sequence[Frame],
    tolerance: int,
    query_index: NDArray[np.int64] | None = None,
    database_index: NDArray[np.int64] | None = None,
) -> GroundTruth:
    """Positives at the same place number, give or take a tolerance.

    Args:
        queries: Q frames.
        database: N frames.
        tolerance: largest difference of the place numbers, inclusive.
        query_index: (Q,) place numbers; the order of the frames where not given.
        database_index: (N,) likewise.
    """
    query_index = np.arange(len(queries)) if query_index is None else query_index
    database_index = np.arange(len(database)) if database_index is None else database_index
    near = pairs_by_index(query_index, database_index, tolerance)
    protocol: dict[str, Any] = {'ground_truth': 'index', 'tolerance': tolerance}
    return _apart(near, pairs_of_panorama(queries, database), protocol)


def _apart(near: Pairs, same: Pairs, protocol: dict[str, Any]) -> GroundTruth:
    return GroundTruth(near.without(same), same, {**protocol, 'panorama_pairs': len(same)})


def pairs_within(
    query_points: NDArray[np.float64], database_points: NDArray[np.float64], radius_m: float
) -> Pairs:
    """Pairs no further apart than the radius.

    The database is sorted along the first axis, so that each query is compared with the strip
    of that width only.

    Args:
        query_points: (Q, 2) metres in the frame of `database_points`.
        database_points: (N, 2) metres.
        radius_m: largest distance, inclusive.
    """
    order = np.argsort(database_points[:, 0], kind='stable')
    ordered = database_points[order]
    first = np.searchsorted(ordered[:, 0], query_points[:, 0] - radius_m, 'left')
    last = np.searchsorted(ordered[:, 0], query_points[:, 0] + radius_m, 'right')
    found_queries, found_rows = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for block in _blocks(last - first):
        queries, places = _strip(block, first[block], last[block])
        offset_m = query_points[queries] - ordered[places]
        near = np.einsum('ij,ij->i', offset_m, offset_m) <= radius_m**2
        found_queries.append(queries[near])
        found_rows.append(order[places[near]])
    return Pairs.of(
        np.concatenate(found_queries),
        np.concatenate(found_rows),
        len(query_points),
        len(database_points),
    )


def _blocks(widths: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Query numbers in consecutive blocks of about `_PAIRS_PER_BLOCK` pairs."""
    block_of_query = np.cumsum(widths) // _PAIRS_PER_BLOCK
    cuts = np.flatnonzero(np.diff(block_of_query)) + 1
    return [block for block in np.split(np.arange(len(widths)), cuts) if len(block)]


def _strip(
    queries: NDArray[np.int64], first: NDArray[np.int64], last: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every pair of a query and a place in `first .. last - 1` of that query."""
    widths = last - first
    starts = np.cumsum(widths) - widths
    places = np.arange(widths.sum()) - np.repeat(starts - first, widths)
    return np.repeat(queries, widths), places


def pairs_by_index(
    query_index: NDArray[np.int64], database_index: NDArray[np.int64], tolerance: int
) -> Pairs:
    """Pairs whose indices differ by the tolerance or less.

    Args:
        query_index: (Q,) place number of each query.
        database_index: (N,) place number of each database item.
        tolerance: largest difference, inclusive.
    """
    query_points = np.stack([query_index, np.zeros_like(query_index)], axis=1)
    database_points = np.stack([database_index, np.zeros_like(database_index)], axis=1)
    return pairs_within(
        query_points.astype(np.float64), database_points.astype(np.float64), float(tolerance)
    )


def pairs_of_panorama(queries: Sequence[Frame], database: Sequence[Frame]) -> Pairs:
    """Pairs that show the same panorama; frames without a panorama pair with nothing."""
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, frame in enumerate(database):
        if frame.panorama is not None:
            rows_of[frame.panorama].append(row)
    matches = [
        (number, row)
        for number, frame in enumerate(queries)
        if frame.panorama is not None
        for row in rows_of.get(frame.panorama, ())
    ]
    pairs = np.array(matches, np.int64).reshape(-1, 2)
    return Pairs.of(pairs[:, 0], pairs[:, 1], len(queries), len(database))


def horizontal_positions(
    queries: Sequence[Frame], database: Sequence[Frame]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Metric positions of both sets in one frame: (Q, 2) and (N, 2) float64, metres.

    WGS84 positions are projected to east-north about the first database item; given metric
    positions are taken as they are, and only where not every frame has a WGS84 position.

    Raises:
        SourceError: the two sets share no kind of position; the first frame that lacks one is
            named.
    """
    frames = [*database, *queries]
    if all(frame.geo is not None for frame in frames):
        points = _east_north(frames)
    elif all(frame.pose is not None for frame in frames):
        points = np.array([f.pose.position_m[:2] for f in frames if f.pose], np.float64)
    else:
        raise SourceError(_no_position_message(frames))
    points = points.reshape(-1, 2)
    return points[len(database) :], points[: len(database)]


def _east_north(frames: Sequence[Frame]) -> NDArray[np.float64]:
    geo = [frame.geo for frame in frames if frame.geo is not None]
    degrees = np.array([(p.latitude_deg, p.longitude_deg, 0.0) for p in geo], np.float64)
    if not geo:
        return np.zeros((0, 2))
    origin = GeoPoint(geo[0].latitude_deg, geo[0].longitude_deg)
    return LocalFrame(origin).to_enu(degrees)[:, :2]


def _no_position_message(frames: Sequence[Frame]) -> str:
    bare = [frame for frame in frames if frame.geo is None and frame.pose is None]
    if bare:
        return (
            f'{bare[0].name}: no position, but ground truth by position needs one for every '
            f'image ({len(bare)} of {len(frames)} lack it); use a source with positions or '
            '`--ground-truth index`'
        )
    return (
        'database and queries: expected positions of one kind, found WGS84 positions in one and '
        'metric positions in the other; give both as latitude,longitude or both as x,y'
    )
