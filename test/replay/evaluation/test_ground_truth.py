"""Ground truth against brute force, hand numbers and the published pitts30k and Tokyo sets."""

import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import Frame, GeoPoint, Pose
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.evaluation.ground_truth import (
    by_index,
    by_position,
    horizontal_positions,
    pairs_of_panorama,
)
from ghost_vpr_ros.replay.evaluation.pairs import Pairs, pairs_within


def frame(name='a', **known) -> Frame:
    return Frame(name=name, load=lambda: np.zeros((2, 2, 3), np.uint8), **known)


def frames(count: int) -> list[Frame]:
    return [frame(str(number)) for number in range(count)]


def at(x: float, y: float) -> Pose:
    return Pose(np.array([x, y, 0.0]))


def brute_force(queries, database, radius_m) -> set[tuple[int, int]]:
    offset = queries[:, None] - database[None]
    near = (offset**2).sum(axis=2) <= radius_m**2
    return set(zip(*map(np.ndarray.tolist, np.nonzero(near)), strict=True))


def as_set(pairs: Pairs) -> set[tuple[int, int]]:
    return {(q, int(row)) for q in range(pairs.num_queries) for row in pairs.rows(q)}


def test_pairs_within_equal_brute_force():
    rng = np.random.default_rng(0)
    queries, database = rng.uniform(0, 300, (60, 2)), rng.uniform(0, 300, (80, 2))
    pairs = pairs_within(queries, database, 25.0)
    assert as_set(pairs) == brute_force(queries, database, 25.0)
    assert len(pairs) > 50


def test_the_radius_is_inclusive():
    pairs = pairs_within(np.zeros((1, 2)), np.array([[15.0, 20.0], [15.0, 20.01]]), 25.0)
    assert as_set(pairs) == {(0, 0)}


def test_an_empty_database_has_no_pairs():
    pairs = pairs_within(np.zeros((3, 2)), np.zeros((0, 2)), 25.0)
    assert pairs.counts().tolist() == [0, 0, 0]


def test_pairs_by_index_keep_the_tolerance():
    pairs = by_index(frames(5), frames(5), 1).positives
    assert [pairs.rows(q).tolist() for q in range(5)] == [
        [0, 1],
        [0, 1, 2],
        [1, 2, 3],
        [2, 3, 4],
        [3, 4],
    ]


def test_pairs_by_index_take_place_numbers_of_a_split_sequence():
    truth = by_index(frames(2), frames(4), 1, [1, 3], [0, 2, 4, 6])
    assert as_set(truth.positives) == {(0, 0), (0, 1), (1, 1), (1, 2)}


def test_mask_marks_pairs_in_a_ranking_and_never_the_filler():
    pairs = by_index(frames(2), frames(3), 0).positives
    ranking = np.array([[2, 0], [1, -1]])
    assert pairs.mask(ranking).tolist() == [[False, True], [True, False]]


def test_panorama_pairs_join_equal_labels_only():
    queries = [frame('q0', panorama='p'), frame('q1')]
    database = [frame('d0'), frame('d1', panorama='p'), frame('d2', panorama='r')]
    assert as_set(pairs_of_panorama(queries, database)) == {(0, 1)}


def test_a_query_whose_positives_show_its_own_panorama_has_none_left():
    frames = [frame('a', panorama='p', pose=at(0, 0)), frame('b', panorama='p', pose=at(1, 0))]
    truth = by_position(frames, frames, 25.0)
    assert truth.positives.counts().tolist() == [0, 0]
    assert len(truth.excluded) == 4


def test_distances_and_the_nearest_positive_by_position():
    database = [frame('a', pose=at(0, 20)), frame('b', pose=at(3, 4)), frame('c', pose=at(90, 0))]
    truth = by_position([frame('q', pose=at(0, 0)), frame('r', pose=at(50, 50))], database, 25.0)
    assert truth.distance(0, 1) == 5.0
    assert truth.nearest_positive(0) == 1
    assert truth.nearest_positive(1) is None


def test_distances_by_index_are_numbers_of_frames():
    truth = by_index(frames(5), frames(5), 1)
    assert (truth.distance(4, 1), truth.unit) == (3.0, 'frames')


def test_geographic_positions_become_metres_about_the_first_database_item():
    database = [frame('d', geo=GeoPoint(52.0, 0.0))]
    queries = [frame('q', geo=GeoPoint(52.001, 0.0))]
    query_points, database_points = horizontal_positions(queries, database)
    np.testing.assert_allclose(database_points, [[0.0, 0.0]], atol=1e-6)
    np.testing.assert_allclose(query_points, [[0.0, 111.27]], atol=0.05)


def test_another_continent_holds_no_positives():
    database = [frame(geo=GeoPoint(0.0, 100.0)), frame(geo=GeoPoint(0.0, 80.0))]
    queries = [frame(geo=GeoPoint(0.0, 10.0)), frame(geo=GeoPoint(0.0, 10.0 + 40 / 111_320))]
    truth = by_position([*queries, database[1]], database, 25.0)
    assert truth.positives.counts().tolist() == [0, 0, 1]
    assert truth.positives.rows(2).tolist() == [1]
    apart_m = np.linalg.norm(truth.query_points[0] - truth.query_points[1])
    assert apart_m == pytest.approx(40.0, abs=0.01)
    assert truth.distance(0, 1) > 7_700_000


def test_a_missing_position_names_the_image_and_the_way_out():
    with pytest.raises(SourceError, match=r'^q: no position.*1 of 2.*--ground-truth index'):
        horizontal_positions([frame('q')], [frame('d', pose=at(0, 0))])


def test_positions_of_two_kinds_are_refused():
    with pytest.raises(SourceError, match='WGS84 positions in one and metric'):
        horizontal_positions([frame('q', geo=GeoPoint(52, 0))], [frame('d', pose=at(0, 0))])


@pytest.mark.parametrize(
    ('name', 'num_queries', 'num_database', 'num_without'),
    [('pitts30k_test.npz', 6816, 10000, 0), ('tokyo247.npz', 315, 75984, 0)],
)
def test_ground_truth_at_full_scale(data_dir, name, num_queries, num_database, num_without):
    arrays = np.load(data_dir / 'classic_ground_truth' / name)
    queries, database = arrays['utmQ'], arrays['utmDb']
    pairs = pairs_within(queries, database, float(arrays['posDistThr']))
    counts = pairs.counts()
    assert (len(queries), len(database)) == (num_queries, num_database)
    assert int((counts == 0).sum()) == num_without
    for query in range(0, num_queries, num_queries // 20):
        near = np.linalg.norm(database - queries[query], axis=1) <= float(arrays['posDistThr'])
        assert pairs.rows(query).tolist() == np.flatnonzero(near).tolist()
