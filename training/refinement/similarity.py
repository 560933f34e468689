"""The multi-similarity loss over a batch of P places with K views each, with its miner.

Source: X. Wang et al., Multi-Similarity Loss with General Pair Weighting for Deep Metric Learning,
CVPR 2019, Equations 11 to 15; as a loss for place recognition: A. Ali-bey et al., GSV-Cities,
Neurocomputing 2022.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ghost_vpr_ros.core.config.settings import Config, setting


@dataclass(frozen=True)
class SimilarityConfig(Config):
    """Parameters of the loss; `similarity` in an experiment's YAML file."""

    alpha: float = setting(1.0, 'sharpness for views of the same place', low=0.01, high=1000.0)
    beta: float = setting(50.0, 'sharpness for views of different places', low=0.01, high=1000.0)
    threshold: float = setting(
        0.0, 'similarity threshold between same and different places', low=-1.0, high=1.0
    )
    margin: float = setting(
        0.1,
        'largest similarity gap of a mined pair to the hardest pair of the other kind',
        low=0.0,
        high=2.0,
    )


def multi_similarity(
    similarity: Tensor, same: Tensor, other: Tensor, config: SimilarityConfig
) -> Tensor:
    """The mean loss over the views that have another view of their place; 0 if none has.

    Args:
        similarity: (n, m) cosines of n views with themselves and with m - n others.
        same: (n, m) bool: two views of one place; False on the diagonal.
        other: (n, m) bool: certainly not of one place.
        config: sharpness, threshold, margin.
    """
    positive, negative = _mined(similarity.detach(), same, other, config.margin)
    above = similarity - config.threshold
    pulled = _soft_sum(-config.alpha * above, positive) / config.alpha
    pushed = _soft_sum(config.beta * above, negative) / config.beta
    count = same.any(dim=1).sum().clamp(min=1)
    return (pulled + pushed).sum() / count


def _mined(
    similarity: Tensor, same: Tensor, other: Tensor, margin: float
) -> tuple[Tensor, Tensor]:
    """The pairs of each kind that are close to the hardest pair of the other kind (Eq. 11, 12)."""
    most_alike_other = similarity.masked_fill(~other, -torch.inf).amax(dim=1, keepdim=True)
    least_alike_same = similarity.masked_fill(~same, torch.inf).amin(dim=1, keepdim=True)
    positive = same & (similarity - margin < most_alike_other)
    negative = other & (similarity + margin > least_alike_same)
    return positive, negative


def _soft_sum(exponents: Tensor, chosen: Tensor) -> Tensor:
    """(n,) log(1 + sum over the chosen of exp)."""
    exponents = exponents.masked_fill(~chosen, -torch.inf)
    zero = torch.zeros_like(exponents[:, :1])
    return torch.logsumexp(torch.cat([zero, exponents], dim=1), dim=1)
