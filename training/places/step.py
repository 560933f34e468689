"""One optimiser step: forward and backward pass of a batch of tuples, and the update."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.replay.places.positives import WeakLabels
from training.loop.image_batches import InputMaker
from training.loop.optimiser import OptimiserConfig, training_mode
from training.loop.parallel import Processes, without_exchange
from training.places.batch import BEFORE_NEGATIVES, TupleBatch, batch_negatives
from training.places.loss import LossConfig, RankingLoss, ranking_loss


@dataclass(frozen=True)
class StepSums:
    """Sums over the tuples of one or more steps, over all processes.

    Attributes:
        loss: sum over tuples.
        tuples: number of tuples.
        active_tuples: number of tuples with a loss above 0.
        active_negatives: share of active negatives, summed over tuples.
        negative_distance2: mean squared distance to the negatives, summed over tuples.
        images: number of images.
    """

    loss: float = 0.0
    tuples: float = 0.0
    active_tuples: float = 0.0
    active_negatives: float = 0.0
    negative_distance2: float = 0.0
    images: float = 0.0

    def __add__(self, other: StepSums) -> StepSums:
        """Both together."""
        return StepSums(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def mean(self, name: str) -> float:
        """A sum divided by the number of tuples; NaN without tuples."""
        value: float = getattr(self, name)
        return value / self.tuples if self.tuples else float('nan')


class TupleStep:
    """Performs optimiser steps on batches of tuples."""

    def __init__(
        self,
        model: VprModel,
        optimiser: torch.optim.Optimizer,
        scaler: torch.amp.GradScaler,
        labels: WeakLabels,
        loss: LossConfig,
        config: OptimiserConfig,
        processes: Processes,
    ) -> None:
        """Wrap the model for all processes, which start with the weights of rank 0."""
        self._model = model
        self._network = processes.wrap(model, same_buffers=config.freeze_batch_norm)
        self._optimiser = optimiser
        self._scaler = scaler
        self._labels = labels
        self._loss = loss
        self._config = config
        self._processes = processes
        self._inputs = InputMaker(model.preprocessing, processes.device)

    def backward(self, parts: Sequence[TupleBatch], batch_size: int) -> StepSums:
        """Gradients of the mean loss of a batch of tuples, averaged over all processes.

        Args:
            parts: this process's tuples, in parts that fit in memory; may be empty.
            batch_size: number of tuples in the batch, over all processes.
        """
        training_mode(self._model, self._config)
        self._optimiser.zero_grad(set_to_none=True)
        sums = StepSums()
        for number, part in enumerate(parts):
            with without_exchange(self._network, last=number == len(parts) - 1):
                sums += self._backward_part(part, batch_size)
        if not parts:
            self._backward_nothing()
        return StepSums(*self._processes.total(astuple(sums)))

    def gradient_norm(self) -> float:
        """Norm of all gradients; clips them to `largest_gradient`.

        0 if float16 gradients have overflowed: the scaler skips that step and reduces the scale.
        """
        self._scaler.unscale_(self._optimiser)
        largest = self._config.largest_gradient or float('inf')
        norm = float(nn.utils.clip_grad_norm_(self._model.parameters(), largest))
        return 0.0 if self._scaler.is_enabled() and not math.isfinite(norm) else norm

    def apply(self) -> None:
        """Update the weights; call `gradient_norm` first."""
        self._scaler.step(self._optimiser)
        self._scaler.update()

    def _backward_part(self, part: TupleBatch, batch_size: int) -> StepSums:
        descriptors = self._network(self._inputs(part.pixels))
        arranged = _arranged(descriptors, part.mask)
        found = self._ranking_loss(part, arranged)
        # Gradients are averaged over processes; each tuple must have the weight 1 / batch_size.
        share = found.per_tuple.sum() * (self._processes.world / batch_size)
        self._scaler.scale(share).backward()
        return _sums(part, arranged.detach(), found)

    def _ranking_loss(self, part: TupleBatch, arranged: Tensor) -> RankingLoss:
        batch_mask = None
        if self._loss.negatives_from_batch:
            batch_mask = torch.from_numpy(batch_negatives(part.packed, self._labels))
            batch_mask = batch_mask.to(arranged.device)
        return ranking_loss(
            arranged[:, 0],
            arranged[:, 1],
            arranged[:, BEFORE_NEGATIVES:],
            part.mask[:, BEFORE_NEGATIVES:].to(arranged.device),
            self._loss,
            batch_mask,
        )

    def _backward_nothing(self) -> None:
        """Take part in the gradient exchange with zero gradients."""
        if self._processes.world == 1:
            return
        config = self._model.preprocessing
        image = torch.zeros(1, config.height_px, config.width_px, 3, dtype=torch.uint8)
        nothing = 0.0 * self._network(self._inputs(image)).sum()
        self._scaler.scale(nothing).backward()


def _arranged(descriptors: Tensor, mask: Tensor) -> Tensor:
    """(T, 2 + J, D) from the (n, D) descriptors of all images, with zeros for padding."""
    if bool(mask.all()):
        return descriptors.unflatten(0, tuple(mask.shape))
    places = mask.flatten().nonzero()[:, 0].to(descriptors.device)
    empty = descriptors.new_zeros(mask.numel(), descriptors.shape[1])
    return empty.index_copy(0, places, descriptors).unflatten(0, tuple(mask.shape))


def _sums(part: TupleBatch, arranged: Tensor, found: RankingLoss) -> StepSums:
    per_tuple = found.per_tuple.detach()
    mask = part.mask[:, BEFORE_NEGATIVES:].to(arranged.device)
    distance2 = (arranged[:, :1] - arranged[:, BEFORE_NEGATIVES:]).square().sum(dim=2) * mask
    return StepSums(
        loss=float(per_tuple.sum()),
        tuples=len(per_tuple),
        active_tuples=float((per_tuple > 0).sum()),
        active_negatives=found.active_share * len(per_tuple),
        negative_distance2=float((distance2.sum(dim=1) / mask.sum(dim=1)).sum()),
        images=len(part.pixels),
    )
