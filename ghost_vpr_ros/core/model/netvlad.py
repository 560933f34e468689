"""NetVLAD: a feature map becomes K residual sums, one for each cluster.

Source: NetVLAD (journal version), Eqs. 1-4; normalisation as in its Section 3.1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.model.description import POOLING_TITLES
from ghost_vpr_ros.core.model.kmeans import kmeans_centres
from ghost_vpr_ros.core.model.poolings.pooling import LocalSample, Pooling

ASSIGNMENT_RATIO = 100.0
"""Mean ratio of the largest to the second largest soft assignment right after initialisation."""


class NetVLAD(Pooling):
    """Pools (B, C, h, w) into (B, K * C) with unit norm.

    `version='v2'` is the paper: a_k(x) = softmax_k(w_k . x + b_k) with w_k = 2 alpha c_k and
    b_k = -alpha ||c_k||^2 at the start; w, b and c are then independent parameters.
    `version='v1'` is the authors' experiments: w_k = alpha c_k / ||c_k||, no bias.

    Variants of NetVLAD override `weights`, the assignment of locations to clusters. Those with
    further centres, without residuals, append rows for them to the K rows of the assignment.
    """

    label = POOLING_TITLES['netvlad']
    needs_features = True

    def __init__(
        self, channels: int, clusters: int, version: str = 'v2', further: int = 0
    ) -> None:
        super().__init__(clusters * channels, initialised=False)
        self.assignment = nn.Conv2d(channels, clusters + further, 1, bias=version == 'v2')
        self.centres = nn.Parameter(torch.zeros(clusters, channels))

    def forward(self, feature_map: Tensor) -> Tensor:
        """Descriptors (B, K * C), float, unit norm, of a feature map (B, C, h, w).

        Raises:
            WeightsError: the clusters were never initialised.
        """
        self.check_initialised('clusters')
        x = nn.functional.normalize(feature_map, dim=1)
        return vlad(x.flatten(2), self.weights(x, feature_map).flatten(2), self.centres)

    def weights(self, x: Tensor, feature_map: Tensor) -> Tensor:
        """The soft assignment of each location to each cluster, (B, K, h, w).

        Args:
            x: (B, C, h, w), unit norm at each location.
            feature_map: the same before it was normalised.
        """
        return self.assignment(x).softmax(dim=1)

    @torch.no_grad()
    def initialise(
        self, centres: Tensor, local_features: Tensor, further: Tensor | None = None
    ) -> float:
        """Set centres and assignment from k-means; return alpha.

        Args:
            centres: (K, C) float32, k-means centres of unit-norm local features.
            local_features: (N, C) float32, unit norm: the sample that alpha is measured on.
            further: centres after the K, if the assignment has rows for them.

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
                f'{self.label}: expected local features that differ, found none nearer to one '
                'centre than to another; initialise the clusters from images that show something'
            )
        alpha = math.log(ASSIGNMENT_RATIO) / gap
        self.centres.copy_(centres)
        rows = centres if further is None else torch.cat([centres, further])
        if self.assignment.bias is None:
            weight = alpha * nn.functional.normalize(rows, dim=1)
        else:
            weight = 2.0 * alpha * rows
            self.assignment.bias.copy_(-alpha * rows.square().sum(dim=1))
        self.assignment.weight.copy_(weight[:, :, None, None])
        self.initialised = True
        return alpha

    def initialise_from(self, sample: LocalSample | None, seed: int) -> None:
        """Clusters by k-means on the local features.

        Raises:
            SourceError: fewer local features than clusters, or all alike.
        """
        assert sample is not None
        centres = kmeans_centres(sample.features, len(self.centres), seed)
        self.initialise(centres, sample.features)

    def _scores(self, centres: Tensor, local_features: Tensor) -> Tensor:
        """(N, K): what alpha multiplies in the assignment's exponent."""
        if self.assignment.bias is None:
            return local_features @ nn.functional.normalize(centres, dim=1).T
        return -torch.cdist(local_features, centres).square()


def vlad(x: Tensor, weights: Tensor, centres: Tensor) -> Tensor:
    """Eq. 4 with given weights a_k, intra-normalised, unit norm: (B, K * C).

    Args:
        x: (B, C, N), unit norm at each of the N locations.
        weights: (B, K, N).
        centres: (K, C).
    """
    # Sum_i a_k(x_i) (x_i - c_k) as two terms, so that no (B, K, C, N) array exists.
    weighted = torch.bmm(weights, x.transpose(1, 2))
    v = weighted - weights.sum(dim=2, keepdim=True) * centres
    v = nn.functional.normalize(v, dim=2)
    return nn.functional.normalize(v.flatten(1), dim=1)
