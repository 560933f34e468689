"""Training tuples with hard negatives, from cached descriptors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.settings import Config, setting
from training.descriptor_cache import DescriptorCache
from training.passes import SCHEMES, PassCounter
from training.positives import WeakLabels
from training.tuples import TrainingTuple

Describe = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Runs the network: (n,) int64 image rows to (n, D) float32 descriptors."""


@dataclass(frozen=True)
class MiningConfig(Config):
    """How negatives are found, and how often the cache is computed anew."""

    scheme: str = setting('hard+cache', 'what is cached', choices=SCHEMES)
    random_negatives: int = setting(
        1000, 'random negatives to choose from for each query', low=1, high=10**6
    )
    hard_negatives: int = setting(10, 'hardest negatives of a query', low=1, high=1000)
    refresh_queries: int = setting(
        1000, 'queries until the cache is computed anew', low=1, high=10**7
    )

    def interval(self, epoch: int, halve_every: int) -> int:
        """Queries between two computations of the cache; doubles when the learning rate halves.

        Args:
            epoch: from 0.
            halve_every: epochs after which the learning rate halves; 0: it never does.
        """
        return self.refresh_queries * 2 ** (epoch // halve_every if halve_every else 0)


@dataclass(frozen=True)
class Block:
    """Queries that are mined at once, before any of them is trained on.

    Attributes:
        epoch: from 0.
        number: of the block in its epoch, from 0.
        queries: (n,) int64 rows in the order of training.
    """

    epoch: int
    number: int
    queries: NDArray[np.int64]


class Miner:
    """Makes the training tuples of an epoch, block by block.

    Attributes:
        counter: passes so far; the caller adds those of its training steps.
    """

    counter: PassCounter

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
        raise NotImplementedError

    def blocks(self, epoch: int) -> list[Block]:
        """The epoch's queries, each once, in their order."""
        raise NotImplementedError

    def mine(
        self, block: Block, describe: Describe, model_hash: str | None = None
    ) -> list[TrainingTuple]:
        """The tuples of a block, in the order of its queries; those without violation are skipped."""
        raise NotImplementedError

    def state(self) -> dict[str, NDArray[np.int64]]:
        """What a checkpoint has to keep."""
        raise NotImplementedError

    def restore(self, state: dict[str, NDArray[np.int64]]) -> None:
        """Go on from `state()`."""
        raise NotImplementedError
