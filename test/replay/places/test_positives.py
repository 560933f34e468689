"""Potential positives and definite negatives, by hand and by brute force."""

import numpy as np
import pytest

from ghost_vpr_ros.core.errors import ConfigError, SourceError
from ghost_vpr_ros.replay.config import TupleConfig
from ghost_vpr_ros.replay.places.positives import weak_labels
from test.replay.places.weak_places import places_at

DAY_NS = 86_400 * 10**9
LINE = [(0.0, 0.0), (10.0, 0.0), (10.1, 0.0), (25.0, 0.0), (25.1, 0.0)]


def test_positives_lie_within_the_distance_and_negatives_beyond_the_other() -> None:
    labels = weak_labels(places_at(LINE, [0], [1, 2, 3, 4]), TupleConfig())
    assert labels.positives(0).tolist() == [1]
    assert labels.are_negatives(0, np.arange(5)).tolist() == [False, False, False, False, True]


def test_no_image_is_no_negative() -> None:
    labels = weak_labels(places_at(LINE, [0], [1, 2, 3, 4]), TupleConfig())
    assert labels.are_negatives(0, np.array([-1, 4])).tolist() == [False, True]


def test_an_image_is_not_its_own_positive() -> None:
    labels = weak_labels(places_at(LINE, [0, 1], [0, 1, 4]), TupleConfig())
    assert labels.positives(0).tolist() == [1]
    assert labels.positives(1).tolist() == [0]


def test_images_of_one_panorama_are_neither() -> None:
    places = places_at(
        [(0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (90.0, 0.0)], [0], [1, 2, 3], panorama=[7, 7, 8, 7]
    )
    labels = weak_labels(places, TupleConfig())
    assert labels.positives(0).tolist() == [2]
    assert labels.are_negatives(0, np.array([3])).tolist() == [False]


def test_time_machine_wants_time_between_query_and_both_kinds() -> None:
    places = places_at(
        [(0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (90.0, 0.0), (91.0, 0.0)],
        [0],
        [1, 2, 3, 4],
        stamp_ns=[100 * DAY_NS, 70 * DAY_NS, 71 * DAY_NS, 129 * DAY_NS, 130 * DAY_NS],
    )
    labels = weak_labels(places, TupleConfig(min_time_between_days=30.0))
    assert labels.positives(0).tolist() == [1]
    assert labels.are_negatives(0, np.array([3, 4])).tolist() == [False, True]


def test_hours_may_stand_for_the_month_and_tuples_may_be_of_one_time() -> None:
    """Two images at noon, two at midnight: 12 hours apart."""
    noon = DAY_NS // 2
    places = places_at(
        [(0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (90.0, 0.0), (91.0, 0.0)],
        [0],
        [1, 2, 3, 4],
        stamp_ns=[noon, noon + 1, DAY_NS, noon, DAY_NS],
    )
    other = weak_labels(places, TupleConfig(min_time_between_days=0.25))
    assert other.positives(0).tolist() == [2]
    assert other.are_negatives(0, np.array([3, 4])).tolist() == [False, True]
    same = weak_labels(places, TupleConfig(max_time_between_days=0.25))
    assert same.positives(0).tolist() == [1]
    assert same.are_negatives(0, np.array([3, 4])).tolist() == [True, False]
    with pytest.raises(ConfigError, match='max_time_between_days: expected at least'):
        TupleConfig(min_time_between_days=1.0, max_time_between_days=0.5)


def test_time_between_needs_times() -> None:
    with pytest.raises(SourceError, match='5 of 5 images have no time of capture'):
        weak_labels(places_at(LINE, [0], [1, 2, 3, 4]), TupleConfig(min_time_between_days=30.0))


def test_images_of_one_place_are_refused() -> None:
    with pytest.raises(SourceError, match='at least two places, found all 3 within 25 m'):
        weak_labels(places_at(LINE[:4], [0], [1, 2, 3]), TupleConfig())


@pytest.mark.parametrize(('limit_deg', 'rows'), [(0.0, [1, 2, 3, 4]), (40.0, [1, 2, 4])])
def test_known_headings_may_be_asked_to_agree(limit_deg: float, rows: list[int]) -> None:
    places = places_at(
        [*[(0.0, 0.0)] * 5, (90.0, 0.0)],
        [0],
        [1, 2, 3, 4, 5],
        heading_deg=[350.0, 30.0, 310.0, 31.0, np.nan, 0.0],
    )
    labels = weak_labels(places, TupleConfig(positive_heading_deg=limit_deg))
    assert labels.positives(0).tolist() == rows


def test_queries_without_positives_are_left_out() -> None:
    places = places_at([(0.0, 0.0), (500.0, 0.0), (1.0, 0.0), (900.0, 0.0)], [1, 0], [2, 3])
    labels = weak_labels(places, TupleConfig())
    assert labels.queries.tolist() == [0]
    with pytest.raises(ValueError, match='row 1'):
        labels.positives(1)


def test_most_queries_without_positives_are_refused_with_advice() -> None:
    places = places_at([(0.0, 0.0), (500.0, 0.0), (600.0, 0.0), (1.0, 0.0)], [0, 1, 2], [3])
    with pytest.raises(SourceError, match=r'2 of 3 queries .* raise positive_distance_m'):
        weak_labels(places, TupleConfig())


@pytest.mark.parametrize(('queries', 'database'), [([], [1, 2]), ([1], [])])
def test_nothing_to_train_on_is_refused(queries: list[int], database: list[int]) -> None:
    with pytest.raises(SourceError, match='no potential positive'):
        weak_labels(places_at(LINE, queries, database), TupleConfig())


def test_negatives_may_not_be_nearer_than_positives() -> None:
    with pytest.raises(ConfigError, match='negative_distance_m: expected at least'):
        TupleConfig(positive_distance_m=30.0)


def test_all_agree_with_brute_force() -> None:
    rng = np.random.default_rng(3)
    points = rng.uniform(0, 80, (300, 2)) + [553_000.0, 4_180_000.0]
    queries, database = rng.choice(300, 90, replace=False), rng.choice(300, 200, replace=False)
    panorama = rng.integers(-1, 60, 300)
    places = places_at(points.tolist(), queries, database, panorama=panorama)
    labels = weak_labels(places, TupleConfig())
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    other = (panorama[:, None] != panorama[None]) | (panorama[:, None] == -1)
    other &= ~np.eye(300, dtype=bool)
    wanted = {int(q): np.sort(database[(other & (distance <= 10))[q, database]]) for q in queries}
    assert labels.queries.tolist() == sorted(q for q, rows in wanted.items() if len(rows))
    for query in labels.queries:
        assert labels.positives(query).tolist() == wanted[int(query)].tolist()
        negatives = labels.are_negatives(query, np.arange(300))
        assert negatives.tolist() == (other & (distance > 25))[query].tolist()
