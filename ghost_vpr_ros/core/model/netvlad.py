"""NetVLAD: a feature map becomes K residual sums, one for each cluster.

Source: NetVLAD (journal version), Eqs. 1-4; normalisation as in its Section 3.1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.errors import SourceError, WeightsError

ASSIGNMENT_RATIO = 100.0
"""Mean ratio of the largest to the second largest soft assignment right after initialisation."""


class NetVLAD(nn.Module):
    """Pools (B, C, h, w) into (B, K * C) with unit norm.

    `version='v2'` is the paper: a_k(x) = softmax_k(w_k . x + b_k) with w_k = 2 alpha c_k and
    b_k = -alpha ||c_k||^2 at the start; w, b and c are then independent parameters.
    `version='v1'` is the authors' experiments: w_k = alpha c_k / ||c_k||, no bias.

    Attributes:
        initialised: False until `initialise` or loaded weights have set the clusters.
    """

    def __init__(self, channels: int, clusters: int, version: str = 'v2') -> None:
        super().__init__()
        self.assignment = nn.Conv2d(channels, clusters, 1, bias=version == 'v2')
        self.centres = nn.Parameter(torch.zeros(clusters, channels))
        self.initialised = False
        self.out_dim = clusters * channels

    def forward(self, feature_map: Tensor) -> Tensor:
        """Descriptors (B, K * C), float, unit norm, of a feature map (B, C, h, w).

        Raises:
            WeightsError: the clusters were never initialised.
        """
        if not self.initialised:
            raise WeightsError(
                'NetVLAD: the clusters are not initialised; initialise them from local features, '
                'or load trained weights, before the network is run'
            )
        x = nn.functional.normalize(feature_map, dim=1)
        a = self.soft_assignment(x).flatten(2)
        # Eq. 4, sum_i a_k(x_i) (x_i - c_k), as two terms so that no (B, K, C, h w) array exists.
        weighted = torch.bmm(a, x.flatten(2).transpose(1, 2))
        v = weighted - a.sum(dim=2, keepdim=True) * self.centres
        v = nn.functional.normalize(v, dim=2)
        return nn.functional.normalize(v.flatten(1), dim=1)

    def soft_assignment(self, features: Tensor) -> Tensor:
        """a_k(x_i), (B, K, h, w), of unit-norm local features (B, C, h, w)."""
        return self.assignment(features).softmax(dim=1)

    @torch.no_grad()
    def initialise(self, centres: Tensor, local_features: Tensor) -> float:
        """Set centres and assignment from k-means; return alpha.

        Args:
            centres: (K, C) float32, k-means centres of unit-norm local features.
            local_features: (N, C) float32, unit norm: the sample that alpha is measured on.

        Alpha makes the mean log ratio of the largest to the second largest soft assignment
        ln(100): alpha = ln(100) / mean(score_1 - score_2), where score is -d^2 to a centre for v2
        and the cosine to it for v1.

        Raises:
            SourceError: every local feature is as far from its second centre as from its first.
        """
        first_two = self._scores(centres, local_features).topk(2, dim=1).values
        gap = (first_two[:, 0] - first_two[:, 1]).mean().item()
        if not gap > 0.0:
            raise SourceError(
                'NetVLAD: expected local features that differ, found none nearer to one centre '
                'than to another; initialise the clusters from images that show something'
            )
        alpha = math.log(ASSIGNMENT_RATIO) / gap
        self.centres.copy_(centres)
        if self.assignment.bias is None:
            weight = alpha * nn.functional.normalize(centres, dim=1)
        else:
            weight = 2.0 * alpha * centres
            self.assignment.bias.copy_(-alpha * centres.square().sum(dim=1))
        self.assignment.weight.copy_(weight[:, :, None, None])
        self.initialised = True
        return alpha

    def _scores(self, centres: Tensor, local_features: Tensor) -> Tensor:
        """(N, K): what alpha multiplies in the assignment's exponent."""
        if self.assignment.bias is None:
            return local_features @ nn.functional.normalize(centres, dim=1).T
        return -torch.cdist(local_features, centres).square()
