"""Training tuples with hard negatives, from cached descriptors.

Source: NetVLAD (journal version), Section 5, three schemes:

- hard+nocache: the images of each query are described with the current network.
- hard+cache: all images are described every N_r queries (Section 5.1).
- hard+cache+query: only the images needed for the next N_r queries, of one area (Section 5.2).

Queries are mined in blocks of N_r queries; the cache is refreshed for each block. Eqs. 8 to 11:
the cost of a scheme is the number of forward and backward passes of images.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import faiss
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.core.errors import TrainingError
from ghost_vpr_ros.replay.places.positives import WeakLabels
from training.places.batch import NO_ROW, TrainingTuple
from training.places.descriptor_cache import DescriptorCache

HARD_NOCACHE = 'hard+nocache'
HARD_CACHE = 'hard+cache'
HARD_CACHE_QUERY = 'hard+cache+query'
SCHEMES = (HARD_NOCACHE, HARD_CACHE, HARD_CACHE_QUERY)

_ITERATIONS = 20

Describe = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Runs the network: (n,) int64 image rows to (n, D) float32 descriptors."""

_IMAGES_PER_CALL = 1024
"""Limits the memory of descriptors while the cache is filled (61,440-D: 250 MB)."""


@dataclass
class PassCounter:
    """Number of passes of images through the network.

    # Deviation: Eqs. 9 and 11 count no forward pass of the tuples, as if the mining pass were
    differentiated. Here mining computes no gradients, because the graph of 1,061 images does not
    fit in memory: 1 % more passes with hard+nocache, 40 % more with hard+cache+query.

    Attributes:
        mining_forward: without gradients, to mine or to fill the cache.
        training_forward: with gradients, of images in training tuples.
        backward: of images in training tuples.
    """

    mining_forward: int = 0
    training_forward: int = 0
    backward: int = 0

    def count_mining(self, images: int) -> None:
        """Count images described for mining."""
        self.mining_forward += images

    def count_training(self, images: int) -> None:
        """Count images of training tuples, forward and backward."""
        self.training_forward += images
        self.backward += images

    def to_dict(self) -> dict[str, int]:
        """Plain values for `PassCounter(**values)`."""
        return asdict(self)


@dataclass(frozen=True)
class Block:
    """Queries that are mined together before training on them.

    Attributes:
        epoch: from 0.
        number: of the block in its epoch, from 0.
        queries: (n,) int64 rows in the order of training.
    """

    epoch: int
    number: int
    queries: NDArray[np.int64]


def cut_blocks(epoch: int, queries: NDArray[np.int64], size: int) -> list[Block]:
    """Blocks of `size` queries, in order; the last one may be smaller."""
    starts = range(0, len(queries), size)
    return [
        Block(epoch, number, queries[start : start + size]) for number, start in enumerate(starts)
    ]


def clustered_order(
    points_m: NDArray[np.float64], clusters: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Query numbers, ordered by spatial cluster (Section 5.2).

    Nearby queries share potential positives, so a block of them needs few images. To emulate
    stochastic descent, clusters depend on `rng`, and clusters and the queries in them are in
    random order.

    The paper does not state the number of clusters; here it is the number of blocks.

    Args:
        points_m: (Q, 2) metres.
        clusters: at least 1.
        rng: of the epoch.
    """
    seed = int(rng.integers(2**31))
    shuffled = rng.permutation(len(points_m))
    if clusters > 1:
        member = _clusters(points_m[shuffled], clusters, seed)
        place_of_cluster = rng.permutation(clusters)
        shuffled = shuffled[np.argsort(place_of_cluster[member], kind='stable')]
    return shuffled


def _clusters(points_m: NDArray[np.float64], clusters: int, seed: int) -> NDArray[np.int64]:
    """(Q,) k-means cluster of each point; centred, because UTM exceeds float32 precision."""
    centred = np.ascontiguousarray(points_m - points_m.mean(axis=0), np.float32)
    kmeans = faiss.Kmeans(
        2,
        clusters,
        niter=_ITERATIONS,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=len(points_m),
    )
    kmeans.train(centred)
    member: NDArray[np.int64] = kmeans.index.search(centred, 1)[1][:, 0]
    return member


_ORDER, _OWN_POOL, _SHARED_POOL = range(3)
"""Streams of random numbers of an epoch."""


@dataclass(frozen=True)
class MiningConfig(Config):
    """Hard-negative mining; `mining` in an experiment's YAML file."""

    scheme: str = setting('hard+cache', 'caching scheme', choices=SCHEMES)
    random_negatives: int = setting(
        1000, 'size of the pool of random negatives of a query', low=1, high=10**6
    )
    hard_negatives: int = setting(10, 'number of hard negatives of a query', low=1, high=1000)
    refresh_queries: int = setting(
        1000, 'queries between refreshes of the cache', low=1, high=10**7
    )

    def interval(self, epoch: int, halve_every: int) -> int:
        """Queries between refreshes of the cache; doubles when the learning rate halves.

        Args:
            epoch: from 0.
            halve_every: epochs after which the learning rate halves; 0: it never does.
        """
        return self.refresh_queries * 2 ** (epoch // halve_every if halve_every else 0)


class Miner:
    """Mines the training tuples of an epoch, block by block.

    Random choices depend only on (seed, epoch, block or query), so an interrupted run that
    restores `state()` mines the same tuples from the same descriptors.

    Attributes:
        counter: passes so far; the caller adds those of training steps.
    """

    def __init__(
        self,
        labels: WeakLabels,
        config: MiningConfig,
        *,
        margin: float,
        seed: int,
        halve_every: int,
        tuples_per_batch: int,
        cache: DescriptorCache | None,
    ) -> None:
        """Start without tracked negatives.

        Args:
            labels: potential positives and definite negatives.
            config: scheme and numbers.
            margin: m of the loss.
            seed: of all random choices.
            halve_every: epochs after which the learning rate halves; 0: never.
            tuples_per_batch: block size of hard+nocache, which needs current descriptors, and the
                network changes after each batch.
            cache: one row for each image; None only for hard+nocache.

        Raises:
            ValueError: the scheme needs a cache.
        """
        if cache is None and config.scheme != HARD_NOCACHE:
            raise ValueError(f'{config.scheme} needs a cache')
        self.counter = PassCounter()
        self._labels = labels
        self._config = config
        self._margin = margin
        self._seed = seed
        self._halve_every = halve_every
        self._tuples_per_batch = tuples_per_batch
        self._cache = cache
        self._tracked = np.full((len(labels.queries), config.hard_negatives), NO_ROW, np.int64)

    def blocks(self, epoch: int) -> list[Block]:
        """The blocks of the epoch's queries; each query occurs once.

        # Deviation: the cache is refreshed for each block, so at least once per epoch, however
        long the interval (the paper's 500 of 8,000 queries grows to 16,000 from epoch 25 on, which
        would skip every other epoch).
        """
        queries = self._labels.queries
        rng = np.random.default_rng((self._seed, epoch, _ORDER))
        size = self._config.interval(epoch, self._halve_every)
        if self._config.scheme == HARD_NOCACHE:
            size = self._tuples_per_batch
        if self._config.scheme != HARD_CACHE_QUERY:
            return cut_blocks(epoch, rng.permutation(queries), size)
        points_m = self._labels.places.positions_m[queries]
        order = clustered_order(points_m, -(-len(queries) // size), rng)
        return cut_blocks(epoch, queries[order], size)

    def mine(
        self, block: Block, describe: Describe, model_hash: str | None = None
    ) -> list[TrainingTuple]:
        """The tuples of a block, in the order of its queries; updates the tracked negatives.

        Queries without a negative that violates the margin are skipped, because their loss is
        zero. `len(tuples) / len(block.queries)` is the share of active tuples.

        Args:
            block: of `blocks`.
            describe: runs the network.
            model_hash: identifies the network's state; images described with it by an interrupted
                call are reused. None: all images are described.

        Raises:
            TrainingError: a descriptor is not finite.
        """
        shared = self._shared_pool(block)
        look_up = self._look_up(block, shared, describe, model_hash)
        found = [self._tuple(block.epoch, int(q), shared, look_up) for q in block.queries]
        return [each for each in found if each.negatives]

    def state(self) -> dict[str, NDArray[np.int64]]:
        """State for a checkpoint, without the tuples of the current block.

        `hard_negatives`: (Q, hard_negatives) int64 rows, hardest first, padded with `NO_ROW`.
        """
        return {'hard_negatives': self._tracked.copy()}

    def restore(self, state: Mapping[str, NDArray[np.int64]]) -> None:
        """Restore the result of `state()`.

        Raises:
            TrainingError: the state is of another data set or configuration.
        """
        tracked = np.asarray(state['hard_negatives'], np.int64)
        if tracked.shape != self._tracked.shape:
            raise TrainingError(
                f'checkpoint: expected hard negatives of shape {self._tracked.shape} (queries, '
                f'hard_negatives), found {tracked.shape}; resume with the data set and the '
                'configuration of the start of the run'
            )
        self._tracked = tracked.copy()

    def _tuple(
        self, epoch: int, query: int, shared: NDArray[np.int64] | None, look_up: Describe
    ) -> TrainingTuple:
        """The tuple of one query; its negatives are tracked for the next epoch."""
        number = self._labels.number_of(query)
        positives = self._labels.positives(query)
        negatives = self._pool(epoch, query, shared)
        described = look_up(np.concatenate([[query], positives, negatives]))
        distances = squared_distances(described[0], described[1:])
        to_positives, to_negatives = np.split(distances, [len(positives)])
        best = int(to_positives.argmin())  # Eq. 5
        order = np.argsort(to_negatives, kind='stable')[: self._config.hard_negatives]
        hardest = negatives[order]
        self._tracked[number] = NO_ROW
        self._tracked[number, : len(hardest)] = hardest
        violates = to_positives[best] + self._margin > to_negatives[order]  # Eq. 7 is positive
        return TrainingTuple(query, int(positives[best]), tuple(hardest[violates].tolist()))

    def _pool(self, epoch: int, query: int, shared: NDArray[np.int64] | None) -> NDArray[np.int64]:
        """The hardest negatives of the last epoch and random ones, each row once."""
        tracked = self._tracked_rows(np.array([query], np.int64))
        rows = shared
        if rows is None:
            rng = np.random.default_rng((self._seed, epoch, _OWN_POOL, query))
            rows = rng.permutation(self._labels.database)
        rows = rows[self._labels.are_negatives(query, rows) & ~np.isin(rows, tracked)]
        return np.concatenate([tracked, rows[: self._config.random_negatives]])

    def _shared_pool(self, block: Block) -> NDArray[np.int64] | None:
        """Random database rows shared by all queries of a block; None: not shared."""
        if self._config.scheme != HARD_CACHE_QUERY:
            return None
        rng = np.random.default_rng((self._seed, block.epoch, _SHARED_POOL, block.number))
        return rng.permutation(self._labels.database)[: self._config.random_negatives]

    def _tracked_rows(self, queries: NDArray[np.int64]) -> NDArray[np.int64]:
        """Tracked negatives of some queries, without padding."""
        numbers = np.searchsorted(self._labels.queries, queries)
        rows = self._tracked[numbers].reshape(-1)
        return rows[rows != NO_ROW]

    def _look_up(
        self,
        block: Block,
        shared: NDArray[np.int64] | None,
        describe: Describe,
        model_hash: str | None,
    ) -> Describe:
        """Returns descriptors of rows, from the network or from the refreshed cache."""
        if self._cache is None or self._config.scheme == HARD_NOCACHE:
            return lambda rows: self._described(rows, describe)
        rows = np.union1d(self._labels.queries, self._labels.database)
        if shared is not None:
            positives = [self._labels.positives(int(query)) for query in block.queries]
            tracked = self._tracked_rows(block.queries)
            rows = np.unique(np.concatenate([block.queries, *positives, tracked, shared]))
        self._cache.start_refresh(model_hash or uuid.uuid4().hex)
        rows = self._cache.missing(rows)
        starts = range(0, len(rows), _IMAGES_PER_CALL)
        for start in tqdm(starts, 'cache', leave=False, disable=None):
            part = rows[start : start + _IMAGES_PER_CALL]
            self._cache.fill(part, self._described(part, describe))
        return self._cache.read

    def _described(self, rows: NDArray[np.int64], describe: Describe) -> NDArray[np.float32]:
        descriptors = describe(rows)
        self.counter.count_mining(len(rows))
        if not np.isfinite(descriptors).all():
            raise TrainingError(
                f'{self._labels.places.name}: descriptors of the network are not finite; lower '
                'the learning rate and resume from the last checkpoint'
            )
        return descriptors


def squared_distances(
    query: NDArray[np.float32], descriptors: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(n,) squared Euclidean distances of (D,) to (n, D)."""
    lengths = query @ query + np.einsum('ij,ij->i', descriptors, descriptors)
    distances: NDArray[np.float32] = lengths - 2.0 * (descriptors @ query)
    return distances
