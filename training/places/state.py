"""Progress of a training run, and its form in checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.places.batch import TrainingTuple, pack_tuples, unpack_tuples
from training.places.step import StepSums


@dataclass
class TrainingState:
    """Progress of a training run.

    Attributes:
        epoch: current epoch, from 0.
        block: current block, from 0.
        tuples: of that block; None before it is mined.
        done: number of its tuples that were trained on.
        step: optimiser steps so far.
        block_sums: of the steps of this block.
        idle_blocks: successive blocks without an active tuple.
        elapsed_s: time spent so far, including interrupted runs.
        ended: reason of the end of training; empty before.
    """

    epoch: int = 0
    block: int = 0
    tuples: list[TrainingTuple] | None = None
    done: int = 0
    step: int = 0
    block_sums: StepSums = field(default_factory=StepSums)
    idle_blocks: int = 0
    elapsed_s: float = 0.0
    ended: str = ''

    def next_block(self, blocks_in_epoch: int) -> None:
        """Advance to the next block, and to the next epoch after the last block."""
        self.block += 1
        if self.block == blocks_in_epoch:
            self.epoch, self.block = self.epoch + 1, 0
        self.tuples, self.done, self.block_sums = None, 0, StepSums()

    def tensors(self) -> dict[str, Tensor]:
        """The tuples as one tensor, if they are mined."""
        if self.tuples is None:
            return {}
        width = max((len(each.negatives) for each in self.tuples), default=0)
        return {'tuples': torch.from_numpy(pack_tuples(self.tuples, width))}

    def values(self) -> dict[str, Any]:
        """Everything but the tuples as plain values."""
        plain = ('epoch', 'block', 'done', 'step', 'idle_blocks', 'elapsed_s', 'ended')
        values = {name: getattr(self, name) for name in plain}
        return {**values, 'block_sums': asdict(self.block_sums)}

    @classmethod
    def restored(cls, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> TrainingState:
        """The state of these `values()` and `tensors()`."""
        plain = dict(values)
        plain['block_sums'] = StepSums(**plain['block_sums'])
        packed = tensors.get('tuples')
        if packed is not None:
            plain['tuples'] = unpack_tuples(np.asarray(packed.numpy(), np.int64))
        return cls(**plain)
