"""Detect failed training: a loss that is not finite, a collapsed network, no active triplets."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.core.errors import TrainingError
from training.places.step import StepSums


@dataclass(frozen=True)
class AlarmConfig(Config):
    """Limits of failed training; `alarm` in an experiment's YAML file."""

    collapsed_distance: float = setting(
        0.01,
        'mean squared distance from query to negative (0 to 4) below which the network has '
        'collapsed',
        low=0.0,
        high=4.0,
    )
    idle_blocks: int = setting(
        0, 'successive blocks without an active tuple that end training; 0: an epoch', low=0
    )


class Alarm:
    """Raises an error if training has failed, and ends it if it makes no progress.

    Attributes:
        idle: number of successive blocks without an active tuple.
    """

    def __init__(self, config: AlarmConfig, checkpoint: str, idle: int = 0) -> None:
        """Start with `idle` blocks; `checkpoint` is the path for messages."""
        self._config = config
        self._checkpoint = checkpoint
        self.idle = idle

    def check_number(self, what: str, value: float, where: str) -> None:
        """Check that a loss or gradient is finite, before it changes the weights.

        Raises:
            TrainingError: NaN or infinite.
        """
        if not math.isfinite(value):
            raise TrainingError(
                f'{where}: the {what} is {value}, expected a number; {self._kept()}; start a run '
                'with a lower optimiser.learning_rate, or with optimiser.largest_gradient: 1'
            )

    def check_block(self, sums: StepSums, where: str) -> None:
        """Check the results of a block.

        Raises:
            TrainingError: all descriptors have become similar.
        """
        distance2 = sums.mean('negative_distance2')
        if distance2 < self._config.collapsed_distance:
            raise TrainingError(
                f'{where}: the network has collapsed: queries and negatives are {distance2:.1e} '
                f'apart (squared), so the loss stays at the margin; {self._kept()}; start a run '
                'with a lower optimiser.learning_rate, a later optimiser.train_from, or '
                'loss.reduction: mean'
            )
        self.idle = 0 if sums.active_tuples else self.idle + 1

    def why_end(self, blocks_in_epoch: int) -> str:
        """The reason to end training early, if there were no active tuples for too long."""
        if self.idle < (self._config.idle_blocks or blocks_in_epoch):
            return ''
        return (
            f'no active triplet in {self.idle} blocks; a larger loss.margin, more '
            'mining.random_negatives or harder data would give some'
        )

    def _kept(self) -> str:
        return f'{self._checkpoint} and the best weights beside it are intact'
