"""The weakly supervised ranking loss on squared distances."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ghost_vpr_ros.core.settings import Config, setting


@dataclass(frozen=True)
class LossConfig(Config):
    """The weakly supervised ranking loss."""

    margin: float = setting(0.1, 'margin between squared distances', low=0.0, high=4.0)
    reduction: str = setting(
        'sum',
        'over the negatives of a tuple; sum: NetVLAD, mean: SRALNet',
        choices=('sum', 'mean'),
    )
    negatives_from_batch: bool = setting(
        False, 'definite negatives among the images of the other tuples of a batch count too'
    )


@dataclass(frozen=True)
class RankingLoss:
    """The loss of a batch of tuples.

    Attributes:
        per_tuple: (T,) float32, with gradients.
        active_share: of the negatives that violate the margin, 0 to 1.
    """

    per_tuple: Tensor
    active_share: float

    @property
    def mean(self) -> Tensor:
        """Scalar mean over the tuples."""
        return self.per_tuple.mean()


def ranking_loss(
    queries: Tensor,
    positives: Tensor,
    negatives: Tensor,
    mask: Tensor,
    config: LossConfig,
    batch_mask: Tensor | None = None,
) -> RankingLoss:
    """The loss of T tuples.

    Args:
        queries: (T, D) descriptors.
        positives: (T, D) descriptors of the best positives.
        negatives: (T, J, D) descriptors.
        mask: (T, J) bool, False where a tuple has fewer than J negatives.
        config: margin and reduction.
        batch_mask: (T, T * (2 + J)) bool, needed for `negatives_from_batch`.
    """
    raise NotImplementedError
