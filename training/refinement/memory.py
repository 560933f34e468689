"""Descriptors of the steps before, as more places that a batch must be told apart from.

A batch of a few dozen places holds few that are easily confused. The network changes slowly, so
the descriptors that it gave a little earlier still stand for their images.

Source: X. Wang et al., Cross-Batch Memory for Embedding Learning, CVPR 2020.
"""

from __future__ import annotations

import torch
from torch import Tensor


class DescriptorMemory:
    """The latest descriptors, newest first.

    Attributes:
        descriptors: (M, D) float32 unit norm; the rows that are not filled yet are zero.
        groups: (M,) int64 group that each is a view of, -1 where a row is not filled yet.
    """

    def __init__(self, size: int, dim: int, device: torch.device) -> None:
        """Room for that many rows, none of them filled; 0 keeps nothing."""
        self.descriptors = torch.zeros(size, dim, device=device)
        self.groups = torch.full((size,), -1, dtype=torch.int64, device=device)

    def add(self, descriptors: Tensor, groups: Tensor) -> None:
        """Put rows first and let the oldest go.

        Args:
            descriptors: (n, D) float32, without a gradient.
            groups: (n,) int64.
        """
        size = len(self.groups)
        self.descriptors = torch.cat([descriptors, self.descriptors])[:size]
        self.groups = torch.cat([groups, self.groups])[:size]
