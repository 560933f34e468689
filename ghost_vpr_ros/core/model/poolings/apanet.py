"""APANet: regions of a pyramid, weighed by two blocks of attention, the second after the first."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.model.description import POOLING_TITLES
from ghost_vpr_ros.core.model.poolings.pooling import LocalSample, Pooling
from ghost_vpr_ros.core.model.poolings.regions import grid, map_size


class APANet(Pooling):
    """Pools (B, C, h, w) into (B, C).

    Source: Zhu, Wang, Xie, Zheng, "Attention-based pyramid aggregation network for visual place
    recognition". Level l of the pyramid has l x l cells; r_i is the largest activations of a cell,
    to unit norm. First block: v = sum_i softmax_i(q . r_i) r_i. Second block, after what the first
    one saw: q' = tanh(W v + b), and the descriptor is sum_i softmax_i(q' . r_i) r_i, to unit norm.
    q, W and b start at 0, as the plain mean of all regions. One level is Max.

    The PCA power whitening of the paper is the network's whitening, learned with `whitening.power`
    0.5: deviations are divided by their square root.

    Deviation: its text was not at hand. The blocks are those of neural aggregation networks (Yang
    et al. 2017), which a cascade of attention over a set of vectors is; the cells are our choice.
    """

    label = POOLING_TITLES['apanet']

    def __init__(self, channels: int, levels: int) -> None:
        super().__init__(channels, initialised=True)
        self.levels = levels
        self.query = nn.Parameter(torch.zeros(channels))
        self.next_query = nn.Linear(channels, channels)
        self.initialise_from(None, 0)

    @torch.no_grad()
    def initialise_from(self, sample: LocalSample | None, seed: int) -> None:
        """All regions weigh the same."""
        for parameter in self.parameters():
            parameter.zero_()

    def forward(self, feature_map: Tensor) -> Tensor:
        """Descriptors (B, C), float, unit norm, of a feature map (B, C, h, w)."""
        size = map_size(feature_map)
        cells = [cell for side in range(1, self.levels + 1) for cell in grid(*size, side)]
        regions = torch.stack([cell.of(feature_map).amax((2, 3)) for cell in cells], dim=1)
        regions = nn.functional.normalize(regions, dim=2)
        first = _attended(regions, self.query[None])
        second = _attended(regions, self.next_query(first).tanh())
        return nn.functional.normalize(second, dim=1)


def _attended(regions: Tensor, query: Tensor) -> Tensor:
    """(B, C): mean of regions (B, R, C), weighted by the softmax of their dot with (1 or B, C)."""
    weights = (regions @ query[:, :, None]).softmax(dim=1)
    return (weights * regions).sum(dim=1)
