"""A network without training: seeded random weights, pooling set from the images at hand.

Source: NetVLAD (journal version), Section 6.1 for the clusters: k-means on local features. Their
number is from the code of its authors: 50,000, 100 an image, of 500 database images.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ghost_vpr_ros.core.config.model import (
    MAX_INITIALISATION_IMAGES,
    SEMANTIC,
    ModelConfig,
    PreprocessingConfig,
)
from ghost_vpr_ros.core.errors import ConfigError, SourceError
from ghost_vpr_ros.core.model.label_maps import roles_at_cells
from ghost_vpr_ros.core.model.poolings.pooling import LocalSample
from ghost_vpr_ros.core.model.reduction import Reduction
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.whitening import Whitening
from ghost_vpr_ros.core.preprocessing import preprocess

FEATURES_PER_IMAGE = 100
BATCH_SIZE = 8


def build_untrained(
    config: ModelConfig,
    preprocessing: PreprocessingConfig,
    images: Iterable[NDArray[np.uint8]],
    seed: int = 0,
    label_maps: Iterable[NDArray[np.number]] | None = None,
) -> VprModel:
    """A model in evaluation mode whose every number follows from the seed and the images.

    Random convolutions, batch norm as the identity, clusters (where the pooling has some) by
    k-means on the images' local features, reduction (where R > 0) and whitening (where D > 0) by
    PCA. Signals shrink from layer to layer, on purpose: with He's weights, or with batch
    norm measured on the images, an untrained trunk is so non-linear that it finds far fewer
    places.

    Args:
        config: the architecture.
        preprocessing: the network's input.
        images: RGB uint8 (H, W, 3) each; the first `MAX_INITIALISATION_IMAGES` are used.
        seed: of the weights, the sample of local features and k-means.
        label_maps: one of each image that is used, see `label_maps.py`; read after the images, and
            only by poolings that start from them (their names end in -sc).

    Raises:
        SourceError: no image, too few local features for K clusters, or all alike; a label map
            that does not fit.
        ConfigError: too few images for the whitening's D, or a pooling without the label maps that
            it needs.
    """
    inputs = _network_inputs(images, preprocessing)
    provenance = f'untrained, seed {seed}, {len(inputs)} images'
    # Building draws weights that are replaced at once; the caller's random numbers stay as is.
    with torch.random.fork_rng(devices=[]):
        model = VprModel(config, preprocessing, provenance)
    draw_random_weights(model.backbone, seed)
    model.eval()
    initialise_pooling(model, inputs, seed, label_maps)
    if isinstance(model.whitening, Whitening):
        with torch.no_grad():
            raw = [model.describe_unwhitened(batch) for batch in inputs.split(BATCH_SIZE)]
        model.whitening.fit(torch.cat(raw))
    return model


def draw_random_weights(backbone: nn.Module, seed: int) -> None:
    """Uniform convolutions of gain 1/sqrt(3), from a generator of its own; biases 0.

    What joins the maps of several rows stays the identity.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, module in backbone.named_modules():
        if isinstance(module, nn.Conv2d) and not name.startswith('joint.'):
            # `kaiming_uniform_` itself takes a generator only since PyTorch 2.1.
            fan_in = module.weight[0].numel()
            bound = math.sqrt(3.0) * (math.sqrt(2.0 / (1.0 + 5.0)) / math.sqrt(fan_in))
            with torch.no_grad():
                module.weight.uniform_(-bound, bound, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


@torch.no_grad()
def initialise_pooling(
    model: VprModel,
    inputs: Tensor,
    seed: int,
    label_maps: Iterable[NDArray[np.number]] | None = None,
) -> None:
    """Initialise the pooling, and a reduction without weights.

    Args:
        model: changed in place.
        inputs: (N, 3, h, w) network inputs; not read unless `needs_local_features`.
        seed: of everything random.
        label_maps: N, of the same images; read only by poolings that start from them.

    Raises:
        SourceError: fewer local features than clusters, or all alike; a label map that does not
            fit.
        ConfigError: a pooling without the label maps that it needs.
    """
    if model.pooling.needs_roles and label_maps is None:
        raise ConfigError(
            f'pooling: {model.config.pooling} starts from label maps, found none; give them in '
            'training (section semantics), load trained weights, or choose '
            f'{model.config.pooling.removesuffix(SEMANTIC)}'
        )
    sample = None
    if needs_local_features(model):
        features = _reduced(model, sample_local_features(model.backbone, inputs, seed))
        roles = None
        if model.pooling.needs_roles and label_maps is not None:
            roles = sample_roles(model.backbone, inputs, list(label_maps), seed)
        sample = LocalSample(nn.functional.normalize(features, dim=1), roles)
    model.pooling.initialise_from(sample, seed)


def needs_local_features(model: VprModel) -> bool:
    """Whether `initialise_pooling` needs the inputs: for the pooling, or for a reduction."""
    reduces = isinstance(model.reduction, Reduction)
    return model.pooling.needs_features or (reduces and not model.reduction.initialised)


def _reduced(model: VprModel, features: Tensor) -> Tensor:
    """(N, R) of local features (N, C); a reduction without numbers is set from them."""
    if not isinstance(model.reduction, Reduction):
        return features
    if not model.reduction.initialised:
        model.reduction.initialise(features, _separate_maps(model.config))
    return model.reduction(features[:, :, None, None]).flatten(1)


def _separate_maps(config: ModelConfig) -> tuple[int, ...]:
    """Channels of the maps that are reduced separately; empty: they are reduced as one."""
    return config.row_channels if config.join == 'vlads' else ()


@torch.no_grad()
def sample_local_features(backbone: nn.Module, inputs: Tensor, seed: int) -> Tensor:
    """(N * FEATURES_PER_IMAGE at most, C) float32 local features of the inputs."""
    generator = torch.Generator().manual_seed(seed)
    sampled = []
    for batch in inputs.split(BATCH_SIZE):
        for feature_map in backbone(batch).flatten(2):
            cells = _sampled_cells(feature_map.shape[1], generator)
            sampled.append(feature_map[:, cells].T)
    return torch.cat(sampled)


@torch.no_grad()
def sample_roles(
    backbone: nn.Module, inputs: Tensor, label_maps: Sequence[NDArray[np.number]], seed: int
) -> Tensor:
    """(N * FEATURES_PER_IMAGE at most,) uint8: what each of the sampled local features shows.

    Raises:
        SourceError: not one label map for each input, or one that does not fit it.
    """
    if len(label_maps) != len(inputs):
        raise SourceError(
            f'label maps: expected {len(inputs)}, one for each image, found {len(label_maps)}; '
            'label every image, or leave the others out'
        )
    size: tuple[int, int] = (inputs.shape[2], inputs.shape[3])
    found = backbone(inputs[:1])
    grid: tuple[int, int] = (found.shape[2], found.shape[3])
    generator = torch.Generator().manual_seed(seed)
    sampled = []
    for label_map in label_maps:
        roles = torch.from_numpy(roles_at_cells(label_map, size, grid)).flatten()
        sampled.append(roles[_sampled_cells(len(roles), generator)])
    return torch.cat(sampled)


def _sampled_cells(count: int, generator: torch.Generator) -> Tensor:
    """Of `count` cells at most FEATURES_PER_IMAGE, each at most once."""
    return torch.randperm(count, generator=generator)[:FEATURES_PER_IMAGE]


def _network_inputs(
    images: Iterable[NDArray[np.uint8]], preprocessing: PreprocessingConfig
) -> Tensor:
    inputs: list[NDArray[np.float32]] = []
    if preprocessing.varies:  # Clusters are set from one batch, so from one size.
        preprocessing = replace(preprocessing, fit='stretch')
    for image in images:
        inputs.append(preprocess(image, preprocessing))
        if len(inputs) == MAX_INITIALISATION_IMAGES:
            break
    if not inputs:
        raise SourceError('initialisation: expected at least one image, found none')
    return torch.from_numpy(np.concatenate(inputs))
