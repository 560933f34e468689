"""The order of queries: every one once, neighbours together, new in each epoch."""

import numpy as np

from training.places.mining import clustered_order, cut_blocks

TOWNS = np.repeat([[553_000.0, 4_180_000.0], [558_000.0, 4_180_000.0]], 6, axis=0)
POINTS_M = TOWNS + np.arange(24).reshape(12, 2)


def order_of(seed: int) -> list[int]:
    return clustered_order(POINTS_M, 2, np.random.default_rng(seed)).tolist()


def test_queries_of_one_town_follow_each_other() -> None:
    for seed in range(5):
        order = order_of(seed)
        assert sorted(order) == list(range(12))
        towns = [number // 6 for number in order]
        assert all(len(set(towns[start : start + 6])) == 1 for start in (0, 6))


def test_the_same_seed_gives_the_same_order() -> None:
    assert order_of(1) == order_of(1)


def test_towns_and_queries_inside_them_are_shuffled() -> None:
    orders = [order_of(seed) for seed in range(10)]
    assert len({order[0] // 6 for order in orders}) > 1
    assert len({tuple(n for n in order if n < 6) for order in orders}) > 1


def test_one_cluster_is_a_shuffle() -> None:
    order = clustered_order(POINTS_M, 1, np.random.default_rng(0)).tolist()
    assert sorted(order) == list(range(12)) != order


def test_as_many_clusters_as_queries_at_one_point() -> None:
    order = clustered_order(np.zeros((5, 2)), 5, np.random.default_rng(0)).tolist()
    assert sorted(order) == list(range(5))


def test_blocks_keep_the_order_and_the_last_one_is_smaller() -> None:
    blocks = cut_blocks(2, np.array([5, 3, 1, 4, 2]), 2)
    assert [(b.epoch, b.number, b.queries.tolist()) for b in blocks] == [
        (2, 0, [5, 3]),
        (2, 1, [1, 4]),
        (2, 2, [2]),
    ]
