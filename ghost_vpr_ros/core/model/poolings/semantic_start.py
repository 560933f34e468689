"""Where further clusters start: far from the others, or at what label maps call dynamic.

Source: SRALNet, Section III-E.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.model.label_maps import DYNAMIC, STATIC
from ghost_vpr_ros.core.model.poolings.pooling import LocalSample


def distant_directions(centres: Tensor, count: int, seed: int) -> Tensor:
    """(K, count, C) random unit vectors; those of a centre (K, C) point away from it.

    Drawn evenly over the sphere, those on the centre's side turned round: a local feature x of
    unit norm that lies at a centre is then at least sqrt(2) away from them.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(len(centres), count, centres.shape[1], generator=generator)
    towards = (drawn * centres[:, None]).sum(dim=2, keepdim=True) > 0
    return nn.functional.normalize(torch.where(towards, -drawn, drawn), dim=2)


def by_role(sample: LocalSample) -> tuple[Tensor, Tensor]:
    """Local features of static and of dynamic classes; those without a class are left out."""
    assert sample.roles is not None
    return sample.features[sample.roles == STATIC], sample.features[sample.roles == DYNAMIC]
