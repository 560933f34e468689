"""Mining with a stub in place of the network: which images are chosen, and how many passes."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ghost_vpr_ros.core.errors import TrainingError
from ghost_vpr_ros.replay.config import TupleConfig
from ghost_vpr_ros.replay.places.positives import WeakLabels, weak_labels
from test.replay.places.weak_places import places_at
from test.training.places.predicted_passes import EpochSize, predicted_passes
from training.places.descriptor_cache import DescriptorCache
from training.places.mining import (
    SCHEMES,
    Miner,
    MiningConfig,
    squared_distances,
)

QUERIES, SPOTS, FAR = 6, 2, 60
"""Three queries at each of two spots with two positives each; the far images stand alone."""

POSITIVES = 2
DATABASE = SPOTS * POSITIVES + FAR
SIZE = QUERIES + DATABASE


def town() -> WeakLabels:
    """Rows 0-2 and 6-7 are the first spot, 3-5 and 8-9 the second, from 10 on everything else."""
    queries = [(1000.0 * (row // 3), 0.0) for row in range(QUERIES)]
    positives = [(1000.0 * (row // POSITIVES), 5.0) for row in range(SPOTS * POSITIVES)]
    far = [(5000.0 + 100.0 * row, 0.0) for row in range(FAR)]
    places = places_at(queries + positives + far, range(QUERIES), range(QUERIES, SIZE))
    return weak_labels(places, TupleConfig())


def descriptors(seed: int = 0, dim: int = 8) -> NDArray[np.float32]:
    values = np.random.default_rng(seed).normal(size=(SIZE, dim))
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    return unit.astype(np.float16).astype(np.float32)  # as the cache gives them back


class Network:
    """Answers from a table, and remembers its calls."""

    def __init__(self, table: NDArray[np.float32]) -> None:
        self.table = table
        self.asked: list[int] = []

    def __call__(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        self.asked += rows.tolist()
        return self.table[rows]


def miner_of(folder: Path, scheme: str, *, margin: float = 4.1, **numbers: int) -> Miner:
    """A margin above 4 is violated by any two unit vectors."""
    settings = {'random_negatives': 9, 'hard_negatives': 3, 'refresh_queries': 3, **numbers}
    return Miner(
        town(),
        MiningConfig(scheme, **settings),
        margin=margin,
        seed=5,
        halve_every=5,
        tuples_per_batch=2,
        cache=None if scheme == 'hard+nocache' else DescriptorCache(folder, SIZE, 8),
    )


@pytest.mark.parametrize('scheme', SCHEMES)
def test_every_query_stands_once_in_an_epoch(tmp_path: Path, scheme: str) -> None:
    miner = miner_of(tmp_path, scheme)
    blocks = miner.blocks(1)
    assert sorted(np.concatenate([b.queries for b in blocks]).tolist()) == list(range(QUERIES))
    assert [len(b.queries) for b in blocks] == ([2, 2, 2] if scheme == 'hard+nocache' else [3, 3])


@pytest.mark.parametrize('scheme', SCHEMES)
def test_epochs_differ_and_can_be_repeated(tmp_path: Path, scheme: str) -> None:
    miner = miner_of(tmp_path, scheme)
    orders = [
        tuple(np.concatenate([b.queries for b in miner.blocks(epoch)]).tolist())
        for epoch in (0, 1, 2, 3, 0)
    ]
    assert orders[0] == orders[4]
    assert len(set(orders)) > 1


def test_blocks_of_the_clustered_scheme_lie_at_one_spot(tmp_path: Path) -> None:
    for epoch in range(4):
        for block in miner_of(tmp_path, 'hard+cache+query').blocks(epoch):
            assert len(set((block.queries // 3).tolist())) == 1


def test_the_interval_doubles_when_the_learning_rate_halves(tmp_path: Path) -> None:
    config = MiningConfig(refresh_queries=500)
    assert [config.interval(epoch, 5) for epoch in (0, 4, 5, 10, 29)] == [
        500,
        500,
        1000,
        2000,
        16000,
    ]
    assert config.interval(29, 0) == 500
    miner = miner_of(tmp_path, 'hard+cache', refresh_queries=2)
    assert [len(miner.blocks(epoch)) for epoch in (4, 5, 10)] == [3, 2, 1]


@pytest.mark.parametrize('scheme', SCHEMES)
def test_best_positive_and_hardest_negatives_of_all_images(tmp_path: Path, scheme: str) -> None:
    """With a pool of the whole database the choice is that of brute force."""
    miner, table, labels = (
        miner_of(tmp_path, scheme, random_negatives=10**6),
        descriptors(),
        town(),
    )
    tuples = [t for b in miner.blocks(0) for t in miner.mine(b, Network(table))]
    assert [t.query for t in tuples] == [q for b in miner.blocks(0) for q in b.queries]
    distance = np.square(table[:, None] - table[None]).sum(axis=2)
    for each in tuples:
        positives = labels.positives(each.query)
        assert each.best_positive == positives[distance[each.query, positives].argmin()]
        negatives = labels.database[labels.are_negatives(each.query, labels.database)]
        order = np.argsort(distance[each.query, negatives])
        assert each.negatives == tuple(negatives[order[:3]].tolist())


@pytest.mark.parametrize('scheme', SCHEMES)
def test_only_negatives_that_violate_the_margin_are_kept(tmp_path: Path, scheme: str) -> None:
    """The first query's squared distances: 0.5 to its positives, 0.55, 0.65 and 2 to others."""
    table = np.zeros((SIZE, 8), np.float32)
    table[:, 7] = 1.0  # all others are orthogonal to the queries and nearest to each other
    table[:QUERIES] = np.eye(8)[0]
    for row, squared in ((6, 0.5), (7, 0.5), (10, 0.55), (11, 0.65)):
        cosine = 1.0 - squared / 2.0
        table[row] = cosine * np.eye(8)[0] + np.sqrt(1.0 - cosine**2) * np.eye(8)[1]
    miner = miner_of(tmp_path, scheme, margin=0.1, random_negatives=100)
    tuples = {t.query: t for b in miner.blocks(0) for t in miner.mine(b, Network(table))}
    assert tuples[0].negatives == (10,)
    assert tuples[0].best_positive in (6, 7)


@pytest.mark.parametrize('scheme', SCHEMES)
def test_queries_without_violation_are_skipped_but_tracked(tmp_path: Path, scheme: str) -> None:
    table = np.tile(np.eye(8, dtype=np.float32)[0], (SIZE, 1))
    table[QUERIES + SPOTS * POSITIVES :] *= -1.0  # negatives are opposite: 0 + 0.1 - 4 < 0
    table[3:6], table[8:10] = np.eye(8)[1], np.eye(8)[1]  # the second spot: 0 + 0.1 - 2 < 0
    miner = miner_of(tmp_path, scheme, margin=0.1)
    assert [t for b in miner.blocks(0) for t in miner.mine(b, Network(table))] == []
    assert (miner.state()['hard_negatives'] >= 0).all()


@pytest.mark.parametrize('scheme', SCHEMES)
def test_hard_negatives_of_the_last_epoch_stay_in_the_pool(tmp_path: Path, scheme: str) -> None:
    miner, table = miner_of(tmp_path, scheme, random_negatives=1), descriptors()
    tracked = np.array([[20, 30, 40]] * QUERIES)
    miner.restore({'hard_negatives': tracked})
    for block in miner.blocks(1):
        for each in miner.mine(block, Network(table)):
            assert len(set(each.negatives) & {20, 30, 40}) >= 2  # three of four candidates


@pytest.mark.parametrize('scheme', SCHEMES)
def test_negatives_become_harder_from_epoch_to_epoch(tmp_path: Path, scheme: str) -> None:
    miner, table = miner_of(tmp_path, scheme, random_negatives=5), descriptors()
    hardest = []
    for epoch in range(6):
        tuples = [t for b in miner.blocks(epoch) for t in miner.mine(b, Network(table))]
        similar = [float(table[t.query] @ table[t.negatives[0]]) for t in tuples]
        hardest.append(np.mean(similar))
    assert np.all(np.diff(hardest) >= -1e-6)
    assert hardest[-1] > hardest[0]


@pytest.mark.parametrize('scheme', SCHEMES)
def test_a_restored_miner_goes_on_with_the_same_tuples(tmp_path: Path, scheme: str) -> None:
    table = descriptors()
    first = miner_of(tmp_path / 'a', scheme)
    for block in first.blocks(0):
        first.mine(block, Network(table))
    second = miner_of(tmp_path / 'b', scheme)
    second.restore(first.state())
    for block in first.blocks(1):
        assert first.mine(block, Network(table)) == second.mine(block, Network(table))


def test_the_state_of_another_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r'expected hard negatives of shape \(6, 3\)'):
        miner_of(tmp_path, 'hard+nocache').restore({'hard_negatives': np.zeros((4, 3), np.int64)})


@pytest.mark.parametrize(
    ('scheme', 'positives'),
    [
        ('hard+nocache', 2.0),  # N_p
        ('hard+cache', 2.0),
        ('hard+cache+query', 2 / 3),  # N_p,e: three queries of a block share two positives
    ],
)
def test_counted_passes_are_the_predicted_ones(
    tmp_path: Path, scheme: str, positives: float
) -> None:
    miner = miner_of(tmp_path, scheme, random_negatives=2, hard_negatives=4)
    tracked = QUERIES + SPOTS * POSITIVES + np.arange(QUERIES * 4).reshape(QUERIES, 4)
    miner.restore({'hard_negatives': tracked})  # a second epoch: each query has its own
    for block in miner.blocks(1):
        for each in miner.mine(block, Network(descriptors())):
            miner.counter.count_training(len(each.rows))
    size = EpochSize(SIZE, QUERIES, positives, 2, 4, refresh_queries=3)
    assert miner.counter == predicted_passes(scheme, size)


def test_the_cache_of_everything_holds_queries_and_database(tmp_path: Path) -> None:
    miner, network = miner_of(tmp_path, 'hard+cache'), Network(descriptors())
    miner.mine(miner.blocks(0)[0], network)
    assert network.asked == list(range(SIZE))


def test_an_interrupted_refresh_goes_on_under_the_same_network(tmp_path: Path) -> None:
    class Interrupted(Exception):
        pass

    class Breaking(Network):
        def __call__(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
            if self.asked:
                raise Interrupted
            return super().__call__(rows)

    block = miner_of(tmp_path, 'hard+cache').blocks(0)[0]
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr('training.places.mining._IMAGES_PER_CALL', 50)
        miner_of(tmp_path, 'hard+cache').mine(block, Breaking(descriptors()), 'network 1')
    same, other = Network(descriptors()), Network(descriptors())
    miner_of(tmp_path, 'hard+cache').mine(block, same, 'network 1')
    miner_of(tmp_path, 'hard+cache').mine(block, other, 'network 2')
    assert same.asked == list(range(50, SIZE))
    assert other.asked == list(range(SIZE))


def test_without_a_name_of_the_network_nothing_is_reused(tmp_path: Path) -> None:
    miner, network = miner_of(tmp_path, 'hard+cache'), Network(descriptors())
    for block in miner.blocks(0):
        miner.mine(block, network)
    assert len(network.asked) == 2 * SIZE


@pytest.mark.parametrize('scheme', SCHEMES)
def test_descriptors_that_are_not_finite_are_refused(tmp_path: Path, scheme: str) -> None:
    miner = miner_of(tmp_path, scheme)
    with pytest.raises(TrainingError, match='not finite; lower the learning rate'):
        miner.mine(miner.blocks(0)[0], Network(descriptors() * np.nan))


def test_caching_schemes_need_a_cache() -> None:
    with pytest.raises(ValueError, match='hard\\+cache needs a cache'):
        Miner(
            town(),
            MiningConfig(),
            margin=0.1,
            seed=0,
            halve_every=5,
            tuples_per_batch=4,
            cache=None,
        )


def test_squared_distances_agree_with_the_definition() -> None:
    values = np.random.default_rng(2).normal(size=(5, 3)).astype(np.float32)
    expected = np.square(values[1:] - values[0]).sum(axis=1)
    assert squared_distances(values[0], values[1:]) == pytest.approx(expected, rel=1e-5)
