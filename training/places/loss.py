"""The weakly supervised ranking loss on squared distances.

Sources: NetVLAD (journal version), Section 4, Eq. 7 (sum over the negatives); SRALNet, Section IV,
Eqs. 6 and 7 (mean over the negatives).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ghost_vpr_ros.core.config.settings import Config, setting


@dataclass(frozen=True)
class LossConfig(Config):
    """The weakly supervised ranking loss; `loss` in an experiment's YAML file."""

    margin: float = setting(0.1, 'margin between squared distances', low=0.0, high=4.0)
    reduction: str = setting(
        'sum',
        'reduction over the negatives of a tuple; sum: NetVLAD, mean: SRALNet',
        choices=('sum', 'mean'),
    )
    negatives_from_batch: bool = setting(
        False, 'also use definite negatives among the images of the other tuples of a batch'
    )


@dataclass(frozen=True)
class RankingLoss:
    """The loss of a batch of tuples.

    Attributes:
        per_tuple: (T,) float32, with gradients.
        active_share: share of negatives that violate the margin, 0 to 1; 0 without negatives.
    """

    per_tuple: Tensor
    active_share: float


def ranking_loss(
    queries: Tensor,
    positives: Tensor,
    negatives: Tensor,
    mask: Tensor,
    config: LossConfig,
    batch_mask: Tensor | None = None,
) -> RankingLoss:
    """The loss of T tuples: l_j = max(0, d^2(q, p) + m - d^2(q, n_j)), summed or averaged over j.

    The best positive (min_i of Eq. 7) was chosen in mining.

    # Deviation: with `negatives_from_batch` a query is also compared with the images of the
    batch's other tuples that are definite negatives, whose descriptors are available anyway. The
    papers, and the default, use only the mined negatives.

    Args:
        queries: (T, D) descriptors, unit norm.
        positives: (T, D) descriptors of the best positives.
        negatives: (T, J, D) descriptors; any finite values where `mask` is False.
        mask: (T, J) bool, False for padding.
        config: margin and reduction.
        batch_mask: (T, T * (2 + J)) bool, which images of the batch are negatives of which query
            (`batch.batch_negatives`); required for `negatives_from_batch`.

    Raises:
        ValueError: `batch_mask` is missing.
    """
    queries, positives, negatives = (_at_least_float32(x) for x in (queries, positives, negatives))
    to_positive = (queries - positives).square().sum(dim=-1)  # (T,) d^2(q, p)
    to_negatives = (queries[:, None] - negatives).square().sum(dim=-1)  # (T, J) d^2(q, n_j)
    if config.negatives_from_batch:
        if batch_mask is None:
            raise ValueError('negatives_from_batch needs batch_mask')
        images = torch.cat([queries[:, None], positives[:, None], negatives], dim=1).flatten(0, 1)
        to_negatives = torch.cat([to_negatives, _squared_distances(queries, images)], dim=1)
        mask = torch.cat([mask, batch_mask], dim=1)
    hinge = (to_positive[:, None] + config.margin - to_negatives).clamp(min=0.0) * mask
    per_tuple = hinge.sum(dim=1)
    if config.reduction == 'mean':
        per_tuple = per_tuple / mask.sum(dim=1).clamp(min=1)
    active = (hinge.detach() > 0).sum() / mask.sum().clamp(min=1)
    return RankingLoss(per_tuple, float(active))


def _at_least_float32(descriptors: Tensor) -> Tensor:
    """The descriptors in float32 or float64: half precision is too coarse near the margin."""
    return descriptors if descriptors.dtype == torch.float64 else descriptors.float()


def _squared_distances(queries: Tensor, images: Tensor) -> Tensor:
    """(T, B) squared distances of (T, D) and (B, D), without a (T, B, D) array.

    Autocast is disabled, because it would compute the product in half precision.
    """
    with torch.autocast(queries.device.type, enabled=False):
        lengths = queries.square().sum(dim=1)[:, None] + images.square().sum(dim=1)
        return lengths - 2.0 * queries @ images.T
