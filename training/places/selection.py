"""Selection of the weights with the best validation recall, and early stopping.

Source: NetVLAD (journal version), Section 6.1 (best validation recall@5); SRALNet (early stop
after 10 epochs without improvement).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.replay.evaluation.evaluator import rank_database
from ghost_vpr_ros.replay.evaluation.ground_truth import GroundTruth
from ghost_vpr_ros.replay.evaluation.metrics import recall_at
from ghost_vpr_ros.replay.places.place_set import PlaceSet
from ghost_vpr_ros.replay.places.truth import place_set_truth
from training.loop.describing import Describer

VALIDATION_RANKS = (1, 5, 10)


@dataclass(frozen=True)
class SelectionConfig(Config):
    """Selection of weights; `selection` in an experiment's YAML file."""

    rank: int = setting(5, 'N of the recall@N to select by', choices=VALIDATION_RANKS)
    patience_epochs: int = setting(
        10, 'epochs without a better recall that stop training; 0: never', low=0
    )
    positive_distance_m: float = setting(
        25.0, 'largest distance of positives', unit='m', low=0.0, high=1e5
    )


@dataclass
class Selection:
    """The best recall so far, and its epoch.

    Attributes:
        best: recall in percent by N; empty before the first validation.
        best_epoch: number of epochs at that validation.
    """

    config: SelectionConfig
    best: dict[int, float]
    best_epoch: float = 0.0

    @classmethod
    def from_state(cls, config: SelectionConfig, state: Mapping[str, Any]) -> Selection:
        """The selection of a `state()`; an empty mapping is the initial state."""
        best = {int(n): float(value) for n, value in state.get('best', {}).items()}
        return cls(config, best, float(state.get('best_epoch', 0.0)))

    def state(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        return {'best': {str(n): v for n, v in self.best.items()}, 'best_epoch': self.best_epoch}

    def is_best(self, recall: Mapping[int, float], epoch: float) -> bool:
        """Record a validation; returns whether it is the best so far.

        Ties in recall@N are resolved by the other ranks, smallest first; if all are equal, the
        earlier weights are kept.
        """
        if self.best and self._order(recall) <= self._order(self.best):
            return False
        self.best, self.best_epoch = dict(recall), epoch
        return True

    def is_over(self, epoch: float) -> bool:
        """Whether recall has not improved for too long."""
        patience = self.config.patience_epochs
        return patience > 0 and epoch - self.best_epoch >= patience

    def _order(self, recall: Mapping[int, float]) -> list[float]:
        rest = [n for n in sorted(recall) if n != self.config.rank]
        return [
            -math.inf if math.isnan(recall[n]) else recall[n] for n in (self.config.rank, *rest)
        ]


def recall_of(
    queries: NDArray[np.float32], database: NDArray[np.float32], truth: GroundTruth
) -> dict[int, float]:
    """recall@1/5/10 in percent of the queries with positives.

    Args:
        queries: (Q, D) unit-norm descriptors of the queries.
        database: (M, D) unit-norm descriptors of the database.
        truth: of these queries and this database.
    """
    rows, _ = rank_database(queries, database, truth)
    has_positives = truth.positives.counts() > 0
    return recall_at(truth.positives.mask(rows), has_positives, VALIDATION_RANKS)


class Validation:
    """Callable that measures recall@1/5/10 of the current network."""

    def __init__(self, places: PlaceSet, describe: Describer, config: SelectionConfig) -> None:
        """Compute the ground truth of the set.

        Raises:
            SourceError: no query has a positive.
        """
        self._places = places
        self._describe = describe
        self._truth = place_set_truth(places, config.positive_distance_m)
        self._rows = np.union1d(places.queries, places.database)

    def __call__(self) -> dict[int, float]:
        """recall@N in percent of the queries with positives, by N; each image is described once.

        Raises:
            ImageError: an image cannot be read; the message names it.
        """
        descriptors = self._describe(self._rows)
        queries = descriptors[np.searchsorted(self._rows, self._places.queries)]
        database = descriptors[np.searchsorted(self._rows, self._places.database)]
        return recall_of(queries, database, self._truth)
