"""The likelihood of right and wrong matches in a map, against margins known by hand."""

import numpy as np
import pytest

from ghost_vpr_ros.core.probability import likelihood
from ghost_vpr_ros.core.probability.likelihood import PlaceLikelihood, learn_likelihood

RADIUS_M = 25.0
NUM_PLACES = 8


def descriptors_of(gram: np.ndarray) -> np.ndarray:
    """(N, N) float32 unit vectors whose inner products are those of `gram`."""
    return np.linalg.cholesky(gram).astype(np.float32)


def two_views_of_each_place(inside=(0.8, 0.9)) -> np.ndarray:
    """Inner products: `inside` in turn between the two views of a place, 0.3 elsewhere."""
    gram = np.full((2 * NUM_PLACES, 2 * NUM_PLACES), 0.3)
    for place in range(NUM_PLACES):
        gram[2 * place : 2 * place + 2, 2 * place : 2 * place + 2] = inside[place % 2]
    np.fill_diagonal(gram, 1.0)
    return gram


def positions_of_pairs() -> np.ndarray:
    """Two views 1 m apart at each place, places 100 m apart."""
    along = 100.0 * np.repeat(np.arange(NUM_PLACES), 2) + np.tile([0.0, 1.0], NUM_PLACES)
    return np.column_stack([along, np.zeros_like(along), np.zeros_like(along)])


def learn(gram=None, positions=None, radius_m: float = RADIUS_M) -> PlaceLikelihood | None:
    gram = two_views_of_each_place() if gram is None else gram
    positions = positions_of_pairs() if positions is None else positions
    return learn_likelihood(descriptors_of(gram), positions, radius_m)


def test_margins_of_a_map_known_by_hand():
    """Right margins 0.8 - 0.3 and 0.9 - 0.3, wrong ones 0.3 - 0.3: 0.55, 0, deviation below."""
    learned = learn()
    assert learned.right_margin == pytest.approx(0.55, abs=1e-6)
    assert learned.wrong_margin == pytest.approx(0.0, abs=1e-6)
    # Variances 0.05^2 and 0; their mean is common to both.
    assert learned.deviation == pytest.approx(np.sqrt(0.05**2 / 2), abs=1e-6)
    assert learned.right_similarity == pytest.approx(0.8, abs=1e-6)


def test_a_wrong_margin_is_to_the_third_place():
    """Places 0 and 1 look alike (0.7), so at each the wrong place leads by 0.7 - 0.3."""
    gram = two_views_of_each_place()
    gram[0:2, 2:4] = gram[2:4, 0:2] = 0.7
    learned = learn(gram)
    assert learned.wrong_margin == pytest.approx(4 * 0.4 / 16, abs=1e-6)
    assert learned.right_margin == pytest.approx((2 * 0.1 + 2 * 0.2 + 6 * 0.5 + 6 * 0.6) / 16)


def test_random_maps_agree_with_a_search_by_loops():
    rng = np.random.default_rng(1)
    positions = rng.uniform(0.0, 120.0, (60, 3)) * (1.0, 1.0, 0.0)
    # Random waves over the plane: the nearer two positions, the more alike.
    rows = np.cos(positions @ rng.normal(0.0, 0.03, (3, 64)) + rng.uniform(0.0, 6.3, 64))
    descriptors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    learned = learn_likelihood(descriptors, positions, RADIUS_M)
    right, wrong = margins_by_loops(descriptors, positions)
    assert learned.right_margin == pytest.approx(np.mean(right), abs=1e-6)
    assert learned.wrong_margin == pytest.approx(np.mean(wrong), abs=1e-6)
    spread = np.sqrt((np.var(right) + np.var(wrong)) / 2)
    assert learned.deviation == pytest.approx(spread, abs=1e-6)


def margins_by_loops(descriptors, positions) -> tuple[list[float], list[float]]:
    right, wrong = [], []
    rows = range(len(descriptors))
    for query in rows:
        gap = [float(np.linalg.norm(positions[query] - positions[i])) for i in rows]
        score = [float(descriptors[query] @ descriptors[i]) for i in rows]
        neighbours = [score[i] for i in rows if gap[i] <= RADIUS_M and i != query]
        far = [i for i in rows if gap[i] > RADIUS_M]
        if not neighbours or not far:
            continue
        second = max(far, key=lambda i: score[i])
        third = [
            score[i] for i in far if np.linalg.norm(positions[second] - positions[i]) > RADIUS_M
        ]
        if third:
            right.append(max(neighbours) - score[second])
            wrong.append(score[second] - max(third))
    return right, wrong


def test_keyframes_without_a_position_change_nothing():
    gram = two_views_of_each_place()
    larger = np.full((18, 18), 0.29)
    larger[:16, :16] = gram
    np.fill_diagonal(larger, 1.0)
    unknown = np.full((2, 3), np.nan)
    unknown[1, 0] = 5.0
    assert learn(larger, np.vstack([positions_of_pairs(), unknown])) == learn()


def test_a_map_without_positions_teaches_nothing():
    assert learn(positions=np.full((16, 3), np.nan)) is None


def test_a_map_within_one_radius_teaches_nothing():
    assert learn(positions=positions_of_pairs() / 100.0) is None


def test_a_map_of_two_places_teaches_nothing():
    """There is no third place that a wrong match could be compared with."""
    positions = positions_of_pairs()
    positions[:, 0] = np.repeat([0.0, 500.0], 8)
    assert learn(positions=positions) is None


def test_keyframes_without_any_neighbour_teach_nothing():
    assert learn(positions=positions_of_pairs() * 100.0) is None


@pytest.mark.parametrize(('count', 'enough'), [(8, False), (10, True)])
def test_ten_keyframes_are_needed(count, enough):
    gram = two_views_of_each_place()[:count, :count]
    assert (learn(gram, positions_of_pairs()[:count]) is not None) == enough


def test_an_empty_map_teaches_nothing():
    empty = np.empty((0, 4), np.float32)
    assert learn_likelihood(empty, np.empty((0, 3)), RADIUS_M) is None


def test_right_margins_below_the_wrong_ones_teach_nothing():
    """The views of a place are less alike than a look-alike elsewhere."""
    gram = two_views_of_each_place(inside=(0.05, 0.1))
    for place in range(0, NUM_PLACES, 2):
        a = 2 * place
        gram[a : a + 2, a + 2 : a + 4] = gram[a + 2 : a + 4, a : a + 2] = 0.4
    assert learn(gram) is None


def test_margins_that_never_vary_teach_nothing():
    identity = np.eye(16, dtype=np.float32)
    pairs = identity[::2].repeat(2, axis=0)
    assert learn_likelihood(pairs, positions_of_pairs(), RADIUS_M) is None


def test_a_large_map_is_sampled_from_end_to_end(monkeypatch):
    asked = []
    margins = likelihood._margins
    monkeypatch.setattr(likelihood, 'MAX_SAMPLES', 12)
    monkeypatch.setattr(
        likelihood, '_margins', lambda row, *rest: asked.append(row) or margins(row, *rest)
    )
    assert learn() is not None
    assert len(asked) == 12
    assert (asked[0], asked[-1]) == (0, 15)


LEARNED = PlaceLikelihood(0.3, 0.1, 0.05, 0.8)


def test_the_probability_is_one_half_in_the_middle():
    assert LEARNED.probability(np.array([0.2])) == pytest.approx([0.5])


def test_the_probability_is_that_of_bayes_with_two_normal_distributions():
    margins = np.linspace(-0.2, 0.6, 33)

    def density(mean):
        return np.exp(-0.5 * ((margins - mean) / 0.05) ** 2)

    expected = density(0.3) / (density(0.3) + density(0.1))
    np.testing.assert_allclose(LEARNED.probability(margins), expected, rtol=1e-9)


def test_the_probability_rises_with_the_margin_and_stays_within_0_and_1():
    found = LEARNED.probability(np.linspace(-2.0, 2.0, 1001))
    assert (np.diff(found) >= 0.0).all()
    assert found[0] >= 0.0
    assert found[-1] <= 1.0


def test_a_margin_that_is_unknown_has_an_unknown_probability():
    assert np.isnan(LEARNED.probability(np.array([np.nan])))[0]
