"""A network's whitening, learned from the descriptors of training images.

Source: NetVLAD (journal version), Section 6.2: PCA with whitening, learned on training database
descriptors, then L2 normalisation.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ghost_vpr_ros.core.config.model import ModelConfig, PcaConfig, PreprocessingConfig
from ghost_vpr_ros.core.config.settings import setting
from ghost_vpr_ros.core.model.principal_components import Rows
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.whitening import Whitening
from training.head.condition_shifts import WithoutDirections, without_directions
from training.head.pair_whitening import pair_projection


@dataclass(frozen=True)
class DeploymentConfig(PreprocessingConfig):
    """Input of the finished network, if it differs from training; `deployment` in YAML."""


@dataclass(frozen=True)
class WhiteningConfig(PcaConfig):
    """Settings and images of the whitening; `whitening` in an experiment's YAML file."""

    dim: int = setting(512, 'size D of the whitened descriptor', low=1, high=65536)
    power: float = setting(
        1.0,
        'exponent of the deviations in the division; 1: whitening, 0: PCA only',
        low=0.0,
        high=1.0,
    )
    shrinkage: float = setting(
        0.0,
        'share of the mean variance in the variances of the D directions, which keeps directions '
        'of low variance from being amplified',
        low=0.0,
        high=1.0,
    )
    light_pairs: bool = setting(
        False,
        'whiten the differences between an image and itself under other light (section '
        'augmentation), and keep the directions of largest remaining variance; power and '
        'shrinkage are then unused',
    )
    pair_subspace: int = setting(
        1024, 'directions of largest variance in which pairs are compared', low=1, high=65536
    )
    pair_shrinkage: float = setting(
        0.4, 'share of the identity in the covariance of the differences', low=0.0, high=1.0
    )
    images: tuple[str, ...] = setting(
        (), 'training images, each PATH [COLUMN=VALUE ...]; empty: the database of data.train'
    )
    conditions: tuple[str, ...] = setting(
        (),
        'sources of photos of the same places under different conditions, for example by day and '
        'by night, each PATH [COLUMN=VALUE ...]; the differences of their mean descriptors are '
        'removed',
    )
    max_images: int = setting(
        20_000, 'largest number of images; of more, an even sample is used', low=2, high=10**7
    )


def whitened(
    model: VprModel,
    descriptors: Rows,
    dim: int,
    config: WhiteningConfig,
    seed: int = 0,
    changed: Rows | None = None,
    removed: NDArray[np.float32] | None = None,
) -> VprModel:
    """A copy of the model with a new whitening; the model is not changed.

    Args:
        model: with or without a whitening, which is replaced.
        descriptors: (N, K * C) of training images, unwhitened.
        dim: D.
        config: settings of the whitening.
        seed: of the randomised method.
        changed: (N, K * C) of the same images under other light; None: plain PCA whitening.
        removed: (k, K * C) orthonormal directions that the projection ignores; None: none.

    Raises:
        SpanError: the descriptors span fewer than D directions.
        ConfigError: the memory is too small.
    """
    result = copy.deepcopy(model)
    settings = {**model.config.to_dict(), 'descriptor_dim': dim}
    result.config = ModelConfig.from_dict(settings)
    result.descriptor_dim = dim
    layer = Whitening(model.pooling.out_dim, dim)
    if removed is not None:
        descriptors = WithoutDirections(descriptors, removed)
        changed = None if changed is None else WithoutDirections(changed, removed)
    if changed is None:
        layer.fit(descriptors, config, config.power, seed, config.shrinkage)
    else:
        layer.set_projection(*_of_pairs(descriptors, changed, dim, config, seed))
    if removed is not None:
        projection = without_directions(layer.projection.detach().numpy(), removed)
        layer.set_projection(layer.mean, torch.from_numpy(projection))
    result.whitening = layer
    return result.eval()


def _of_pairs(
    descriptors: Rows, changed: Rows, dim: int, config: WhiteningConfig, seed: int
) -> tuple[Tensor, Tensor]:
    mean, projection = pair_projection(
        descriptors,
        changed,
        dim,
        subspace=max(dim, config.pair_subspace),
        shrinkage=config.pair_shrinkage,
        pca=config,
        seed=seed,
    )
    return torch.from_numpy(mean), torch.from_numpy(projection)
