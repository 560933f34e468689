"""One step of the optimiser: a batch of tuples forward, backward, and the weights moved."""

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
    """Sums over the tuples of one or more steps, all processes together.

    Attributes:
        loss: over tuples.
        tuples: how many.
        active_tuples: those with a loss.
        active_negatives: share of active negatives, summed over tuples.
        negative_distance2: mean squared distance to the negatives, summed over tuples.
        images: that went through the network.
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
    """Moves the weights of a model by batches of tuples."""

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
        """Work on this model; processes agree on the weights of rank 0."""
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
            parts: this process's tuples, as many at a time as memory allows; may be none.
            batch_size: tuples of the whole batch, of all processes.
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
        """Norm of all gradients, which are cut afterwards where they are too long.

        0 where float16 gradients have overflowed: the scaler leaves that step out and goes lower.
        """
        self._scaler.unscale_(self._optimiser)
        largest = self._config.largest_gradient or float('inf')
        norm = float(nn.utils.clip_grad_norm_(self._model.parameters(), largest))
        return 0.0 if self._scaler.is_enabled() and not math.isfinite(norm) else norm

    def apply(self) -> None:
        """Move the weights along the gradients; `gradient_norm` comes before it."""
        self._scaler.step(self._optimiser)
        self._scaler.update()

    def _backward_part(self, part: TupleBatch, batch_size: int) -> StepSums:
        descriptors = self._network(self._inputs(part.pixels))
        arranged = _arranged(descriptors, part.mask)
        found = self._ranking_loss(part, arranged)
        # Processes average their gradients; each tuple is to count 1 / batch_size in the end.
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
        """Take part in the exchange of gradients without any of its own."""
        if self._processes.world == 1:
            return
        config = self._model.preprocessing
        image = torch.zeros(1, config.height_px, config.width_px, 3, dtype=torch.uint8)
        nothing = 0.0 * self._network(self._inputs(image)).sum()
        self._scaler.scale(nothing).backward()


def _arranged(descriptors: Tensor, mask: Tensor) -> Tensor:
    """(T, 2 + J, D) of the (n, D) descriptors of the images that are there, zeros elsewhere."""
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
