"""GhostVLAD: NetVLAD with G more clusters that take locations in and are then left out."""

from __future__ import annotations

from torch import Tensor

from ghost_vpr_ros.core.model.description import POOLING_TITLES
from ghost_vpr_ros.core.model.kmeans import kmeans_centres
from ghost_vpr_ros.core.model.netvlad import NetVLAD
from ghost_vpr_ros.core.model.poolings.pooling import LocalSample
from ghost_vpr_ros.core.model.poolings.semantic_start import by_role, least_typical


class GhostVLAD(NetVLAD):
    """Pools (B, C, h, w) into (B, K * C); G = 0 is NetVLAD.

    Source: Zhong, Arandjelovic, Zisserman, "GhostVLAD for set-based face recognition": soft
    assignment by a softmax over K + G clusters, residuals of the first K. The ghosts have no
    centres: nothing is subtracted from what is assigned to them.

    The start: k-means for the K, and ghosts at the k-means centres of the local features that are
    least typical of them; with `semantic` (SRALNet, Section V-D), ghosts at the k-means centres of
    what the label maps call dynamic, and the K at those of what is static.

    Deviation: SRALNet starts ghosts far from everything, so that it begins as VLAD does. With an
    assignment as sharp as NetVLAD's they are then assigned 1e-9 with gradients of 1e-10, and no
    training wakes them.
    """

    label = POOLING_TITLES['ghostvlad']

    def __init__(
        self, channels: int, clusters: int, version: str, ghosts: int, semantic: bool = False
    ) -> None:
        super().__init__(channels, clusters, version, further=ghosts)
        self.ghosts = ghosts
        self.needs_roles = semantic
        if semantic:
            self.label = POOLING_TITLES['ghostvlad-sc']

    def weights(self, x: Tensor, feature_map: Tensor) -> Tensor:
        """The soft assignment of each location to each of the K clusters, (B, K, h, w)."""
        return super().weights(x, feature_map)[:, : len(self.centres)]

    def initialise_from(self, sample: LocalSample | None, seed: int) -> None:
        """Clusters by k-means; ghosts from dynamic features where known, else from untypical ones.

        Raises:
            SourceError: fewer local features than clusters, or all alike.
        """
        assert sample is not None
        count = len(self.centres)
        if self.needs_roles:
            features, dynamic = by_role(sample)
            what, other = (f'local features of {kind} classes' for kind in ('static', 'dynamic'))
            ghosts = kmeans_centres(dynamic, self.ghosts, seed, other)
            centres = kmeans_centres(features, count, seed, what)
        else:
            features = sample.features
            centres = kmeans_centres(features, count, seed)
            left_out = least_typical(features, centres, self.ghosts)
            ghosts = kmeans_centres(left_out, self.ghosts, seed)
        self.initialise(centres, features, ghosts)
