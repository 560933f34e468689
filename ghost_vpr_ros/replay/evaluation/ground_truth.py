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

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.geodesy import east_north
from ghost_vpr_ros.replay.evaluation.pairs import Pairs, pairs_within


@dataclass(frozen=True)
class GroundTruth:
    """The ground truth of answers.

    Attributes:
        positives: database rows that show the query's place, the excluded ones left out.
        excluded: database rows of the query's own panorama, left out of its ranking.
        query_points: (Q, 2) float64 places of the queries, in `unit`.
        database_points: (N, 2) float64 places of the database in the same frame.
        unit: `m`, or `frames` where places are numbers of a sequence.
        protocol: how the positives were found, for reports.
    """

    positives: Pairs
    excluded: Pairs
    query_points: NDArray[np.float64]
    database_points: NDArray[np.float64]
    unit: str
    protocol: dict[str, Any]

    @property
    def limit_text(self) -> str:
        """Up to which distance an answer is right, with its unit."""
        if 'file' in self.protocol:
            return f'the pairs of {self.protocol["file"]}'
        limit = self.protocol.get('positive_distance_m', self.protocol.get('tolerance'))
        return f'{limit:g} {self.unit}'

    @property
    def any_answer_is_right(self) -> bool:
        """Whether no answer to any query could be wrong, so that recall tells nothing."""
        num_database = len(self.database_points)
        counts = self.positives.counts() + self.excluded.counts()
        return num_database > 1 and bool((counts == num_database).all())

    def distance(self, query: int, row: int) -> float:
        """How far the database row is from the query, in `unit`."""
        return float(np.linalg.norm(self.query_points[query] - self.database_points[row]))

    def nearest_positive(self, query: int) -> int | None:
        """The positive that is nearest to the query, or None where it has none."""
        rows = self.positives.rows(query)
        offset = self.database_points[rows] - self.query_points[query]
        return int(rows[np.linalg.norm(offset, axis=1).argmin()]) if len(rows) else None


def by_position(
    queries: Sequence[Frame], database: Sequence[Frame], radius_m: float
) -> GroundTruth:
    """Positives within a horizontal distance; images of one panorama are kept apart.

    Raises:
        SourceError: as `horizontal_positions`.
    """
    query_points, database_points = horizontal_positions(queries, database)
    same = pairs_of_panorama(queries, database)
    near = pairs_within(query_points, database_points, radius_m).without(same)
    protocol = {
        'ground_truth': 'position',
        'positive_distance_m': radius_m,
        'panorama_pairs': len(same),
    }
    return GroundTruth(near, same, query_points, database_points, 'm', protocol)


def by_index(
    queries: Sequence[Frame],
    database: Sequence[Frame],
    tolerance: int,
    query_index: Sequence[int] | None = None,
    database_index: Sequence[int] | None = None,
) -> GroundTruth:
    """Positives at the same place number, give or take a tolerance.

    Args:
        queries: Q frames.
        database: N frames.
        tolerance: largest difference of the place numbers, inclusive.
        query_index: (Q,) place numbers; the order of the frames where not given.
        database_index: (N,) of the database.
    """
    query_points = _on_a_line(range(len(queries)) if query_index is None else query_index)
    database_points = _on_a_line(
        range(len(database)) if database_index is None else database_index
    )
    same = pairs_of_panorama(queries, database)
    near = pairs_within(query_points, database_points, float(tolerance)).without(same)
    protocol = {'ground_truth': 'index', 'tolerance': tolerance, 'panorama_pairs': len(same)}
    return GroundTruth(near, same, query_points, database_points, 'frames', protocol)


def _on_a_line(numbers: Sequence[int]) -> NDArray[np.float64]:
    """(N, 2) points whose distance is the difference of the numbers."""
    return np.stack([np.asarray(numbers, np.float64), np.zeros(len(numbers))], axis=1)


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

    WGS84 positions are projected to east-north about the first database item, places far from it
    about one of their own (`core.geodesy.east_north`); given metric positions are taken as they
    are, and only where not every frame has a WGS84 position.

    Raises:
        SourceError: the two sets share no kind of position; the first frame that lacks one is
            named.
    """
    frames = [*database, *queries]
    if all(frame.geo is not None for frame in frames):
        points = _east_north(frames)
    elif all(frame.has_metric_position for frame in frames):
        points = np.array([f.pose.position_m[:2] for f in frames if f.pose], np.float64)
    else:
        raise SourceError(_no_position_message(frames))
    points = points.reshape(-1, 2)
    return points[len(database) :], points[: len(database)]


def _east_north(frames: Sequence[Frame]) -> NDArray[np.float64]:
    geo = [frame.geo for frame in frames if frame.geo is not None]
    return east_north(np.array([(p.latitude_deg, p.longitude_deg) for p in geo], np.float64))


def _no_position_message(frames: Sequence[Frame]) -> str:
    bare = [frame for frame in frames if not frame.has_position]
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
