"""Margins against a search by loops, and candidates with their probabilities."""

import numpy as np
import pytest

from ghost_vpr_ros.core.probability.likelihood import PlaceLikelihood
from ghost_vpr_ros.core.recognition.candidates import (
    make_candidates,
    margins_of,
    positions_of,
    reaches_elsewhere,
)
from test.core.scripted import keyframe

LEARNED = PlaceLikelihood(0.3, 0.1, 0.05, 0.8)
RADIUS_M = 25.0


def on_a_line(*metres: float) -> np.ndarray:
    """(n, 3) positions along x; NaN marks an unknown position."""
    return np.array([[x, 0.0, 0.0] if np.isfinite(x) else [np.nan] * 3 for x in metres])


def margins(positions: np.ndarray, similarities, count: int | None = None) -> np.ndarray:
    numbers = np.asarray(similarities, dtype=np.float64)
    return margins_of(positions, numbers, RADIUS_M, len(numbers) if count is None else count)


def margins_by_loops(positions: np.ndarray, similarities: np.ndarray) -> list[float]:
    found = []
    for here, similarity in zip(positions, similarities, strict=True):
        far = [
            s
            for there, s in zip(positions, similarities, strict=True)
            if np.hypot(*(there - here)[:2]) > RADIUS_M
        ]
        known = not np.isnan(here).any()
        found.append(similarity - max(far, default=similarities[-1]) if known else np.nan)
    return found


@pytest.mark.parametrize('seed', range(10))
def test_margins_agree_with_a_search_by_loops(seed):
    rng = np.random.default_rng(seed)
    positions = rng.uniform(0.0, 80.0, (12, 3))
    positions[rng.random(12) < 0.2] = np.nan
    similarities = np.sort(rng.uniform(-1.0, 1.0, 12))[::-1]
    np.testing.assert_allclose(
        margins(positions, similarities), margins_by_loops(positions, similarities)
    )


def test_the_margin_is_to_the_best_one_elsewhere():
    found = margins(on_a_line(0, 10, 100, 200), [0.9, 0.8, 0.7, 0.6])
    np.testing.assert_allclose(found, [0.2, 0.1, -0.2, -0.3])


def test_a_keyframe_exactly_at_the_radius_shows_the_same_place():
    np.testing.assert_allclose(margins(on_a_line(0, 25, 26), [0.9, 0.8, 0.5])[0], 0.4)


def test_within_one_radius_the_margin_is_to_the_last_one_retrieved():
    np.testing.assert_allclose(margins(on_a_line(0, 5, 10), [0.9, 0.8, 0.6]), [0.3, 0.2, 0.0])


def test_a_single_candidate_has_no_margin():
    np.testing.assert_allclose(margins(on_a_line(0), [0.9]), [0.0])


def test_a_candidate_without_a_position_has_no_margin_and_gives_none():
    found = margins(on_a_line(0, np.nan, 100), [0.9, 0.8, 0.5])
    np.testing.assert_allclose(found, [0.4, np.nan, -0.4])


def test_keyframes_behind_the_candidates_count_as_elsewhere():
    found = margins(on_a_line(0, 1, 2, 100), [0.9, 0.88, 0.87, 0.5], count=2)
    np.testing.assert_allclose(found, [0.4, 0.38])


@pytest.mark.parametrize(
    ('metres', 'count', 'reaches'),
    [
        ((0, 5, 100), 2, True),
        ((0, 5, 25), 2, False),
        ((0, 5, 26), 1, True),
        ((0, 5, 26), 2, False),  # The second is only 21 m away.
        ((0, np.nan, 100), 2, True),
        ((0, np.nan), 2, False),
        ((np.nan, np.nan), 2, True),
        ((0,), 1, False),
    ],
)
def test_a_search_is_deep_enough_when_every_candidate_has_an_elsewhere(metres, count, reaches):
    assert reaches_elsewhere(on_a_line(*metres), RADIUS_M, count) == reaches


def test_candidates_keep_order_similarity_and_the_probability_of_their_margin():
    keyframes = [keyframe(7, (0, 0, 0)), keyframe(3, (100, 0, 0)), keyframe(5, (200, 0, 0))]
    similarities = np.array([0.9, 0.7, 0.6], np.float32)
    found = make_candidates(
        keyframes[:2], positions_of(keyframes), similarities, LEARNED, RADIUS_M
    )
    assert [c.keyframe.keyframe_id for c in found] == [7, 3]
    assert [c.similarity for c in found] == pytest.approx([0.9, 0.7])
    assert found[0].probability == pytest.approx(0.5)  # Its margin of 0.2 is in the middle.
    assert found[1].probability < 1e-6
    assert [c.inliers for c in found] == [-1, -1]


def test_without_a_likelihood_probabilities_are_unknown():
    found = make_candidates(
        [keyframe(1, (0, 0, 0))], np.zeros((1, 3)), np.float32([0.9]), None, RADIUS_M
    )
    assert np.isnan(found[0].probability)


def test_without_keyframes_there_are_no_candidates():
    nothing = np.empty(0, np.float32)
    assert make_candidates([], np.empty((0, 3)), nothing, LEARNED, RADIUS_M) == ()


def test_what_was_not_retrieved_may_be_more_alike_than_what_was():
    found = margins_of(on_a_line(0, 100), np.array([0.9, 0.5]), RADIUS_M, 2, 0.7)
    np.testing.assert_allclose(found, [0.2, -0.4])
    alone = margins_of(on_a_line(0, 5), np.array([0.9, 0.8]), RADIUS_M, 2, 0.7)
    np.testing.assert_allclose(alone, [0.2, 0.1])


def test_positions_of_keyframes_are_nan_where_unknown():
    found = positions_of([keyframe(1, (1, 2, 3)), keyframe(2)])
    np.testing.assert_array_equal(found, [[1.0, 2.0, 3.0], [np.nan] * 3])
    assert positions_of([]).shape == (0, 3)
