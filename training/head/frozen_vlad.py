"""A pooling without gradient training: joined maps -> principal components -> hard VLAD.

It describes images by a network that was not trained for places, at the layers that a student
learns from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.model.kmeans import kmeans_centres
from ghost_vpr_ros.core.model.poolings.hard_vlad import HardVLAD
from ghost_vpr_ros.core.model.reduction import Reduction
from ghost_vpr_ros.core.sampling import evenly_spaced

CLUSTER_IMAGES = 500
CELLS_OF_AN_IMAGE = 100


def joined(maps: Sequence[Tensor]) -> Tensor:
    """(B, sum C_i, h, w) from maps (B, C_i, h_i, w_i), in the first map's size.

    Each map has unit norm in every cell.
    """
    size = maps[0].shape[2:]
    units = [nn.functional.normalize(each, dim=1) for each in maps]
    return torch.cat([nn.functional.interpolate(each, size=size) for each in units], dim=1)


class FrozenVlad(nn.Module):
    """Feature maps (B, C, h, w) -> principal components -> hard VLAD (B, K * R), unit norm."""

    def __init__(self, channels: int, reduced_channels: int, clusters: int) -> None:
        super().__init__()
        self.reduction = Reduction(channels, reduced_channels)
        self.pooling = HardVLAD(reduced_channels, clusters)

    def forward(self, feature_map: Tensor) -> Tensor:
        """Descriptors of feature maps.

        Raises:
            WeightsError: `learn` was not called.
        """
        found: Tensor = self.pooling(self.reduction(feature_map))
        return found

    @torch.no_grad()
    def learn(self, frames: Sequence[Frame], feature_map: Callable[[Frame], Tensor]) -> None:
        """Learn components and clusters on 100 cells of each of at most 500 frames.

        Args:
            frames: training images.
            feature_map: a frame's (1, C, h, w).

        Raises:
            ImageError: an image cannot be read.
            SourceError: too few local features.
        """
        rng = np.random.default_rng(0)
        cells = []
        rows = evenly_spaced(len(frames), CLUSTER_IMAGES)
        for row in tqdm(rows, 'clusters', leave=False, disable=None):
            found = feature_map(frames[row])[0].flatten(1).T
            cells.append(found[rng.permutation(len(found))[:CELLS_OF_AN_IMAGE]])
        sample = torch.cat(cells)
        self.reduction.initialise(sample)
        reduced = self.reduction(sample.T[None, :, :, None])[0, :, :, 0].T
        # The pooling normalises its inputs in the same way.
        reduced = nn.functional.normalize(reduced, dim=1).contiguous()
        self.pooling.centres.copy_(kmeans_centres(reduced, len(self.pooling.centres), seed=0))
        self.pooling.initialised = True
