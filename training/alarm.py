"""Watches a training: a loss that is no number, stays at the margin, or has no active triplet."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ghost_vpr_ros.core.errors import TrainingError
from ghost_vpr_ros.core.settings import Config, setting


@dataclass(frozen=True)
class AlarmConfig(Config):
    """When training is called off; `alarm` in an experiment's YAML file."""

    collapsed_distance: float = setting(
        0.01,
        'mean squared distance from query to negative below which all images look alike (0 to 4)',
        low=0.0,
        high=4.0,
    )
    idle_blocks: int = setting(
        0, 'blocks in a row without an active tuple after which training ends; 0: an epoch', low=0
    )


@dataclass(frozen=True)
class BlockFigures:
    """What one block of training came to.

    Attributes:
        loss: mean over its tuples; NaN without a tuple.
        tuples: how many were trained on.
        active_tuples: those with a negative inside the margin.
        negative_distance2: mean squared distance from query to negative; NaN without a tuple.
    """

    loss: float
    tuples: int
    active_tuples: int
    negative_distance2: float


class Alarm:
    """Raises when training cannot go on, warns when it does not get on.

    Attributes:
        idle: blocks in a row without an active tuple.
    """

    def __init__(self, config: AlarmConfig, blocks_in_epoch: int, checkpoint: str) -> None:
        """Watch a training whose checkpoints go to `checkpoint`."""
        self._config = config
        self._idle_limit = config.idle_blocks or blocks_in_epoch
        self._checkpoint = checkpoint
        self.idle = 0

    def check_loss(self, loss: float, where: str) -> None:
        """Refuse a loss that is no number, before it reaches the weights.

        Raises:
            TrainingError: NaN or infinite.
        """
        if not math.isfinite(loss):
            raise TrainingError(
                f'{where}: the loss is {loss}, expected a number; {self._kept()}; start a run '
                'with a lower optimiser.learning_rate, or with optimiser.largest_gradient: 1'
            )

    def check_block(self, figures: BlockFigures, where: str) -> str:
        """A warning where training does not get on, else an empty text.

        Raises:
            TrainingError: all descriptors have become alike.
        """
        if figures.negative_distance2 < self._config.collapsed_distance:
            raise TrainingError(
                f'{where}: the network has collapsed: queries and negatives are '
                f'{figures.negative_distance2:.1e} apart (squared), so the loss stays at the '
                f'margin; {self._kept()}; start a run with a lower optimiser.learning_rate, a '
                'later optimiser.train_from, or loss.reduction: mean'
            )
        self.idle = 0 if figures.active_tuples else self.idle + 1
        if not self.idle:
            return ''
        return (
            f'{where}: no active triplet, so nothing was learnt; more negatives (mining), a '
            'larger loss.margin or harder data would give some'
        )

    @property
    def is_idle(self) -> bool:
        """Whether nothing was left to learn from for so long that training ends."""
        return self.idle >= self._idle_limit

    def _kept(self) -> str:
        return f'the last good checkpoint is {self._checkpoint}'
