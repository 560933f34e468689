"""Ground truth of a set of places by position, excluding images of one visit or panorama."""

from __future__ import annotations

from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.evaluation.ground_truth import GroundTruth
from ghost_vpr_ros.replay.places.place_set import PlaceSet
from ghost_vpr_ros.replay.places.relations import excluded_of, positives_of


def place_set_truth(place_set: PlaceSet, radius_m: float) -> GroundTruth:
    """Positives of the queries in the database by position.

    Excluded from a query's ranking: itself, views of its panorama, images of its visit.

    Raises:
        SourceError: no query has a positive, or every answer would be correct.
    """
    queries, database = place_set.queries, place_set.database
    query_points, database_points = place_set.positions_m[queries], place_set.positions_m[database]
    near, same = positives_of(place_set, radius_m), excluded_of(place_set)
    if not len(near):
        raise SourceError(
            f'{place_set.name}: expected queries within {radius_m:g} m of the database, found '
            f'none of {len(queries)}; check its positions and roles'
        )
    protocol = {
        'ground_truth': 'position',
        'positive_distance_m': radius_m,
        'excluded_pairs': len(same),
    }
    truth = GroundTruth(near, same, query_points, database_points, 'm', protocol)
    if truth.any_answer_is_right:
        raise SourceError(
            f'{place_set.name}: all {len(database)} images of the database lie within '
            f'{radius_m:g} m of every query, so any answer would be right; add images of other '
            'places, or choose a smaller positive_distance_m'
        )
    return truth
