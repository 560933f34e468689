"""A network without training: seeded random weights, clusters from the images at hand.

Source: NetVLAD (journal version), Section 5.1 for the clusters: k-means on local features that are
sampled evenly from the images (in the paper 50,000, 100 an image, of 500 database images).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import faiss
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ghost_vpr_ros.core.config import (
    MAX_INITIALISATION_IMAGES,
    ModelConfig,
    PreprocessingConfig,
)
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.model.reduction import Reduction
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.whitening import Whitening
from ghost_vpr_ros.core.preprocessing import preprocess

FEATURES_PER_IMAGE = 100
KMEANS_ITERATIONS = 25
BATCH_SIZE = 8


def build_untrained(
    config: ModelConfig,
    preprocessing: PreprocessingConfig,
    images: Iterable[NDArray[np.uint8]],
    seed: int = 0,
) -> VprModel:
    """A model in evaluation mode whose every number follows from the seed and the images.

    Random convolutions, batch norm as the identity, clusters by k-means on the images' local
    features, reduction (where R > 0) and whitening (where D > 0) by PCA. Signals shrink from
    layer to layer, and that is wanted: with He's weights, or with batch norm measured on the
    images, an untrained trunk is so non-linear that it finds far fewer places.

    Args:
        config: the architecture.
        preprocessing: the network's input.
        images: RGB uint8 (H, W, 3) each; the first `MAX_INITIALISATION_IMAGES` are used.
        seed: of the weights, the sample of local features and k-means.

    Raises:
        SourceError: no image, too few local features for K clusters, or all alike.
        ConfigError: too few images for the whitening's D.
    """
    inputs = _network_inputs(images, preprocessing)
    provenance = f'untrained, seed {seed}, {len(inputs)} images'
    # Building draws weights that are replaced at once; the caller's random numbers stay as is.
    with torch.random.fork_rng(devices=[]):
        model = VprModel(config, preprocessing, provenance)
    draw_random_weights(model.backbone, seed)
    model.eval()
    initialise_clusters(model, inputs, seed)
    if isinstance(model.whitening, Whitening):
        with torch.no_grad():
            raw = [model.describe_unwhitened(batch) for batch in inputs.split(BATCH_SIZE)]
        model.whitening.fit(torch.cat(raw))
    return model


def draw_random_weights(backbone: nn.Module, seed: int) -> None:
    """Uniform convolutions of gain 1/sqrt(3), from a generator of its own; biases 0."""
    generator = torch.Generator().manual_seed(seed)
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5.0), generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


@torch.no_grad()
def initialise_clusters(model: VprModel, inputs: Tensor, seed: int) -> float:
    """Set NetVLAD's clusters from (N, 3, h, w) inputs, and a reduction without numbers; alpha.

    Raises:
        SourceError: fewer local features than clusters, or all alike.
    """
    features = sample_local_features(model.backbone, inputs, seed)
    if isinstance(model.reduction, Reduction):
        if not model.reduction.initialised:
            model.reduction.initialise(features)
        features = model.reduction(features[:, :, None, None]).flatten(1)
    features = nn.functional.normalize(features, dim=1)
    clusters = model.config.clusters
    if len(features) < clusters:
        raise SourceError(
            f'cluster initialisation: expected at least K = {clusters} local features, found '
            f'{len(features)} in {len(inputs)} images; use more or larger images'
        )
    return model.pooling.initialise(_centres(features, clusters, seed), features)


def _centres(features: Tensor, clusters: int, seed: int) -> Tensor:
    """(K, C) float32 k-means centres of (N, C) local features."""
    kmeans = faiss.Kmeans(
        features.shape[1],
        clusters,
        niter=KMEANS_ITERATIONS,
        # A negative seed is the time of day to faiss, one beyond 31 bits an error.
        seed=(seed + 1) % 2**31,
        min_points_per_centroid=1,
        # By default faiss would learn from a sample of 256 a cluster, not from all.
        max_points_per_centroid=len(features),
    )
    kmeans.train(features.numpy())
    return torch.from_numpy(kmeans.centroids)


@torch.no_grad()
def sample_local_features(backbone: nn.Module, inputs: Tensor, seed: int) -> Tensor:
    """(N * FEATURES_PER_IMAGE at most, C) float32 local features of the inputs."""
    generator = torch.Generator().manual_seed(seed)
    sampled = []
    for batch in inputs.split(BATCH_SIZE):
        for feature_map in backbone(batch).flatten(2):
            order = torch.randperm(feature_map.shape[1], generator=generator)
            sampled.append(feature_map[:, order[:FEATURES_PER_IMAGE]].T)
    return torch.cat(sampled)


def _network_inputs(
    images: Iterable[NDArray[np.uint8]], preprocessing: PreprocessingConfig
) -> Tensor:
    inputs: list[NDArray[np.float32]] = []
    for image in images:
        inputs.append(preprocess(image, preprocessing))
        if len(inputs) == MAX_INITIALISATION_IMAGES:
            break
    if not inputs:
        raise SourceError('initialisation: expected at least one image, found none')
    return torch.from_numpy(np.concatenate(inputs))
