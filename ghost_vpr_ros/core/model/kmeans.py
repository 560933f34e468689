"""Cluster centres of local features: k-means of faiss, the same for the same seed."""

from __future__ import annotations

import faiss
import torch
from torch import Tensor

from ghost_vpr_ros.core.errors import SourceError

ITERATIONS = 25


def kmeans_centres(
    features: Tensor, clusters: int, seed: int, what: str = 'local features'
) -> Tensor:
    """(K, C) float32 k-means centres of (N, C) float32 features.

    Args:
        features: what is clustered.
        clusters: K.
        seed: of the first centres.
        what: the features in words, for the message.

    Raises:
        SourceError: fewer features than clusters.
    """
    if len(features) < clusters:
        raise SourceError(
            f'cluster initialisation: expected at least K = {clusters} {what}, found '
            f'{len(features)}; use more or larger images, or fewer clusters'
        )
    if not clusters:
        return features.new_zeros(0, features.shape[1])
    kmeans = faiss.Kmeans(
        features.shape[1],
        clusters,
        niter=ITERATIONS,
        # A negative seed is the time of day to faiss, one beyond 31 bits an error.
        seed=(seed + 1) % 2**31,
        min_points_per_centroid=1,
        # By default faiss would learn from a sample of 256 a cluster, not from all.
        max_points_per_centroid=len(features),
    )
    kmeans.train(features.numpy())
    return torch.from_numpy(kmeans.centroids)
