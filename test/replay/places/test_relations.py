"""Positives and exclusions, against a comparison of every pair by hand."""

import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, Frame
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.places.place_set import NO_PLACE, PlaceSet
from ghost_vpr_ros.replay.places.relations import are_apart, excluded_of, positives_of


def place_set(positions, queries, database, **changed) -> PlaceSet:
    size = len(positions)
    values = {
        'panorama': np.full(size, NO_PLACE),
        'heading_deg': np.full(size, np.nan),
        'stamp_ns': np.full(size, UNKNOWN_STAMP_NS),
        **changed,
    }
    frames = [Frame(str(row), lambda: np.zeros((1, 1, 3), np.uint8)) for row in range(size)]
    points = np.array(positions, np.float64)
    return PlaceSet('small', frames, points, np.array(queries), np.array(database), **values)


def pairs_as_rows(places, pairs):
    found = set()
    for number, query in enumerate(places.queries):
        found |= {(int(query), int(places.database[place])) for place in pairs.rows(number)}
    return found


def brute_force(places, radius_m):
    """Positives and exclusions as the rule is written, one pair after the other."""
    positives, excluded = set(), set()
    for q in places.queries.tolist():
        for d in places.database.tolist():
            same = q == d or places.panorama[q] == places.panorama[d] != NO_PLACE
            if places.visit is not None and NO_PLACE not in (places.visit[q], places.visit[d]):
                same |= abs(places.visit[q] - places.visit[d]) < places.visit_gap
            near = np.hypot(*(places.positions_m[q] - places.positions_m[d])) <= radius_m
            if same:
                excluded.add((q, d))
            elif near:
                positives.add((q, d))
    return positives, excluded


def test_an_image_is_compared_with_other_images_panoramas_and_visits_only():
    places = place_set(
        [(0, 0), (1, 0), (2, 0), (3, 0), (11, 0)],
        queries=[0, 1],
        database=[4, 3, 2, 1, 0],
        panorama=np.array([7, 7, NO_PLACE, NO_PLACE, NO_PLACE]),
        visit=np.array([0, 1, 0, 2, NO_PLACE]),
    )
    # Row 0: row 1 is its panorama, row 2 its visit; row 4 is 11 m away. Row 1 is 10 m from row 4.
    assert pairs_as_rows(places, positives_of(places, 10.0)) == {(0, 3), (1, 2), (1, 3), (1, 4)}
    assert pairs_as_rows(places, excluded_of(places)) == {(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)}


@pytest.mark.parametrize('seed', range(6))
def test_random_sets_agree_with_brute_force(seed):
    rng = np.random.default_rng(seed)
    size = 60
    places = place_set(
        rng.uniform(0, 60, (size, 2)),
        rng.permutation(size)[:25],
        rng.permutation(size)[:40],
        panorama=rng.integers(NO_PLACE, 12, size),
        visit=rng.integers(NO_PLACE, 30, size) if seed % 3 else None,
        visit_gap=1 + 3 * (seed % 2),
    )
    positives, excluded = brute_force(places, 15.0)
    assert positives and excluded
    assert pairs_as_rows(places, positives_of(places, 15.0)) == positives
    assert pairs_as_rows(places, excluded_of(places)) == excluded
    for query in places.queries.tolist():
        apart = are_apart(places, np.array(query), places.database)
        assert [(query, int(d)) in excluded for d in places.database] == (~apart).tolist()


def test_no_queries_and_no_database():
    places = place_set([(0, 0)], np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert len(positives_of(places, 10.0)) == len(excluded_of(places)) == 0


@pytest.mark.parametrize('what', ['panorama', 'heading_deg', 'stamp_ns', 'visit', 'files'])
def test_lists_of_another_length_are_refused(what):
    with pytest.raises(SourceError, match=f'expected 2 values of {what}, .* found 3'):
        place_set([(0, 0), (1, 1)], [0], [1], **{what: np.zeros(3, np.int64)})


@pytest.mark.parametrize('row', [-1, 2])
def test_rows_outside_are_refused(row):
    with pytest.raises(SourceError, match='queries: rows outside the 2 images'):
        place_set([(0, 0), (1, 1)], [row], [1])
