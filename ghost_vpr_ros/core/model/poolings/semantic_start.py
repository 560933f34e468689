"""Where clusters start that are left out: at the least typical, or at what is called dynamic.

Source: SRALNet, Section III-E.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ghost_vpr_ros.core.model.label_maps import DYNAMIC, STATIC
from ghost_vpr_ros.core.model.poolings.pooling import LocalSample

ATYPICAL_SHARE = 0.1
"""Share of the local features that count as the least typical ones."""


def least_typical(features: Tensor, centres: Tensor, least: int) -> Tensor:
    """(M, C): the tenth of the local features that lie farthest from their nearest centre.

    A cluster far from all local features would be assigned nothing, have no gradient and stay
    where it is for ever; among these it takes in some of them from the first step on.

    Args:
        features: (N, C), unit norm.
        centres: (K, C) k-means centres of them.
        least: minimum number, where there are as many.
    """
    distance = torch.cdist(features, centres).amin(dim=1)
    count = max(round(ATYPICAL_SHARE * len(features)), least)
    return features[distance.argsort(descending=True)[:count]]


def by_role(sample: LocalSample) -> tuple[Tensor, Tensor]:
    """Local features of static and of dynamic classes; those without a class are left out."""
    assert sample.roles is not None
    return sample.features[sample.roles == STATIC], sample.features[sample.roles == DYNAMIC]
