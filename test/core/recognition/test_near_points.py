"""The growing radius search against comparing all points."""

import numpy as np
import pytest

from ghost_vpr_ros.core.recognition.keyframe_table import NearPoints


@pytest.mark.parametrize(
    ('first', 'added'), [(0, 0), (0, 700), (1000, 300), (1000, 1), (20_000, 9000)]
)
def test_it_finds_what_comparing_all_points_finds(first: int, added: int) -> None:
    rng = np.random.default_rng(first + added)
    points = rng.uniform(0.0, 100.0, (first + added, 2))
    places = NearPoints(points[:first])
    numbers = [places.add(point) for point in points[first:]]
    assert numbers == list(range(first, first + added))
    assert len(places) == first + added
    np.testing.assert_array_equal(places.points, points)
    asked = rng.uniform(0.0, 100.0, (20, 2))
    expected = [np.flatnonzero(np.hypot(*(points - each).T) <= 10.0) for each in asked]
    for point, numbers_near in zip(asked, expected, strict=True):
        np.testing.assert_array_equal(places.within(point, 10.0), numbers_near)
    counts = [len(numbers_near) for numbers_near in expected]
    np.testing.assert_array_equal(places.count_within(asked, 10.0), counts)


def test_a_point_at_the_radius_is_within_it_in_the_tree_and_in_the_tail() -> None:
    places = NearPoints(np.array([[3.0, 4.0]]))
    places.add(np.array([-3.0, -4.0]))
    assert places.within(np.zeros(2), 5.0).tolist() == [0, 1]
    assert places.within(np.zeros(2), 4.99).tolist() == []


@pytest.mark.parametrize('spread_m', [1e-3, 1.0, 3e3, 1e9])
def test_places_are_found_at_any_scale_and_far_from_all_of_them(spread_m: float) -> None:
    rng = np.random.default_rng(4)
    points = rng.normal(scale=spread_m, size=(3000, 2))
    points[:20] = points[20]
    places = NearPoints(points)
    asked = np.vstack([points[::100], rng.uniform(-9.0, 9.0, (20, 2)) * spread_m])
    for radius_m in (0.0, 5.0, 0.3 * spread_m, 30.0 * spread_m):
        near = np.hypot(*(asked[:, np.newaxis] - points).transpose(2, 0, 1)) <= radius_m
        found = places.pairs_within(asked, radius_m)
        np.testing.assert_array_equal(np.transpose(found), np.argwhere(near))
        np.testing.assert_array_equal(places.count_within(asked, radius_m), near.sum(axis=1))
