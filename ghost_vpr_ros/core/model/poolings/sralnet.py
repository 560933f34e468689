"""SRALNet: NetVLAD whose clusters each have an informative part and S parts that are left out."""

from __future__ import annotations

import torch
from torch import Tensor

from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.model.description import POOLING_TITLES
from ghost_vpr_ros.core.model.kmeans import kmeans_centres
from ghost_vpr_ros.core.model.netvlad import NetVLAD
from ghost_vpr_ros.core.model.poolings.pooling import LocalSample
from ghost_vpr_ros.core.model.poolings.semantic_start import by_role, least_typical


class SRALNet(NetVLAD):
    """Pools (B, C, h, w) into (B, K * C); S = 0 is NetVLAD.

    Source: SRALNet, Eqs. 3-5. Rows of the assignment: first the K representative centroids, then
    S shadow centroids of the first cluster, of the second, ... alpha_k is the softmax over the K
    (Eq. 3), beta_k what the softmax over a cluster's representative and shadows gives the
    representative (Eq. 4), and V_k = sum_i alpha_k beta_k (x_i - c_k) (Eq. 5). Shadows have no
    centres.

    The start: representatives by k-means, and of K * S shadow candidates the S nearest to each;
    candidates are k-means centres of the local features that are least typical of the
    representatives. With `semantic` (SRALNet-SC, Section III-E), representatives come from local
    features of static classes and candidates from those of dynamic classes.

    Deviations: without labels Section III-E starts shadows at random, distant from their
    representative. With an assignment as sharp as NetVLAD's they are then assigned 1e-9 with
    gradients of 1e-10, and no training wakes them. With labels, the paper does not say how many
    candidates there are nor how they are made; ours are K * S k-means centres, or the features
    themselves where they are fewer.
    """

    label = POOLING_TITLES['sralnet']

    def __init__(
        self, channels: int, clusters: int, version: str, shadows: int, semantic: bool = False
    ) -> None:
        super().__init__(channels, clusters, version, further=clusters * shadows)
        self.shadows = shadows
        self.needs_roles = semantic
        if semantic:
            self.label = POOLING_TITLES['sralnet-sc']

    def weights(self, x: Tensor, feature_map: Tensor) -> Tensor:
        """alpha_k beta_k of each location, (B, K, h, w)."""
        clusters = len(self.centres)
        scores = self.assignment(x)
        representatives = scores[:, :clusters]
        alpha = representatives.softmax(dim=1)
        shadows = scores[:, clusters:].unflatten(1, (clusters, self.shadows))
        inside = torch.cat([representatives[:, :, None], shadows], dim=2)
        return alpha * inside.softmax(dim=2)[:, :, 0]

    def initialise_from(self, sample: LocalSample | None, seed: int) -> None:
        """Centroids by k-means; shadows from dynamic features where known, else untypical ones.

        Raises:
            SourceError: fewer local features than centroids, or all alike.
        """
        assert sample is not None
        clusters = len(self.centres)
        if self.needs_roles:
            features, left_out = by_role(sample)
            what, other = (f'local features of {kind} classes' for kind in ('static', 'dynamic'))
            centres = kmeans_centres(features, clusters, seed, what)
        else:
            features, other = sample.features, 'local features'
            centres = kmeans_centres(features, clusters, seed)
            left_out = least_typical(features, centres, self.shadows)
        shadows = self._nearest_candidates(centres, left_out, seed, other)
        self.initialise(centres, features, shadows.flatten(0, 1))

    def _nearest_candidates(
        self, centres: Tensor, left_out: Tensor, seed: int, what: str
    ) -> Tensor:
        """(K, S, C): the S nearest shadow candidates of each centre."""
        if len(left_out) < self.shadows:
            raise SourceError(
                f'{self.label}: expected at least S = {self.shadows} {what}, found '
                f'{len(left_out)}; use more images (with label maps: of sky, people or vehicles), '
                'or fewer shadow_clusters'
            )
        count = min(len(centres) * self.shadows, len(left_out))
        candidates = kmeans_centres(left_out, count, seed)
        order = torch.cdist(centres, candidates).argsort(dim=1)
        return candidates[order[:, : self.shadows]]
