"""The contribution of each cell of an image to its similarity to another, as an overlay.

NetVLAD is a sum over cells, and the whitening is linear, so the similarity of a descriptor to
another is a sum of one term a cell once the lengths that it is divided by are held fixed:

    s = sum_i sum_k a_k(x_i) (x_i - c_k) . g_k / (|V_k| |V|) + a constant of the whitening's mean

where g is the other descriptor, carried back through the whitening (NetVLAD, Eqs. 1 and 4).
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from matplotlib import colormaps
from numpy.typing import NDArray
from torch import Tensor, nn

from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.model.netvlad import NetVLAD
from ghost_vpr_ros.core.model.poolings.joined_vlads import JoinedVlads
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.whitening import Whitening
from ghost_vpr_ros.core.preprocessing import preprocess

_OPACITY = 0.6
_COLOURS = 'inferno'


@torch.no_grad()
def cell_terms(
    model: VprModel, image: NDArray[np.uint8], other: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(h', w') contribution of each cell of an image to its similarity to another descriptor.

    Args:
        model: with NetVLAD as its pooling.
        image: RGB uint8 (H, W, 3).
        other: (D,) unit-norm descriptor by the same model.

    Raises:
        ConfigError: another pooling, whose descriptor is not a sum over cells.
        ImageError: the image cannot be preprocessed.
    """
    if type(model.pooling) not in (NetVLAD, JoinedVlads):
        raise ConfigError(
            f'attention: expected a network with pooling netvlad, found {model.config.pooling}; '
            'its descriptor is not a sum over cells'
        )
    batch = torch.from_numpy(preprocess(image, model.preprocessing))
    feature_map = model.feature_map(batch)
    wanted = torch.from_numpy(np.asarray(other, np.float32))
    if isinstance(model.whitening, Whitening):
        raw = model.pooling(feature_map)
        wanted = _before_whitening(model.whitening, raw[0], wanted)
    parts, vlads = _vlads(model.pooling, feature_map)
    shares = wanted.split([each.out_dim for each in vlads])
    terms = [_terms(vlad, part, g) for vlad, part, g in zip(vlads, parts, shares, strict=True)]
    found = torch.stack(terms).sum(dim=0) / len(terms) ** 0.5
    return np.asarray(found.numpy(), np.float32)


def _before_whitening(whitening: Whitening, raw: Tensor, other: Tensor) -> Tensor:
    """(K * C,) gradient of the whitened similarity to `other` at the pooled vector."""
    length = (whitening.projection @ (raw - whitening.mean)).norm()
    return whitening.projection.T @ other / length


def _vlads(pooling: nn.Module, feature_map: Tensor) -> tuple[list[Tensor], list[NetVLAD]]:
    """The maps that are pooled separately, and the layers that pool them."""
    if isinstance(pooling, JoinedVlads):
        layers = [each for each in pooling.vlads if isinstance(each, NetVLAD)]
        return list(feature_map.split(pooling.channels, dim=1)), layers
    assert isinstance(pooling, NetVLAD)
    return [feature_map], [pooling]


def _terms(vlad: NetVLAD, feature_map: Tensor, other: Tensor) -> Tensor:
    """(h', w') of a map (1, C, h', w') and the vector (K * C,) its VLAD is multiplied with."""
    x = nn.functional.normalize(feature_map, dim=1)
    assigned = vlad.weights(x, feature_map)[0].flatten(1)
    cells, centres = x[0].flatten(1), vlad.centres
    sums = assigned @ cells.T - assigned.sum(dim=1, keepdim=True) * centres
    lengths = sums.norm(dim=1, keepdim=True).clamp_min(1e-12)
    whole = (sums / lengths).norm().clamp_min(1e-12)
    directions = other.reshape(len(centres), -1) / (lengths * whole)
    each = directions @ cells - (directions * centres).sum(dim=1, keepdim=True)
    return (assigned * each).sum(dim=0).reshape(feature_map.shape[2:])


@torch.no_grad()
def described(model: VprModel, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(D,) unit-norm descriptor of an image, RGB uint8 (H, W, 3)."""
    batch = torch.from_numpy(preprocess(image, model.preprocessing))
    return np.asarray(model(batch)[0].numpy(), np.float32)


def overlay(image: NDArray[np.uint8], terms: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The image under the cells that contribute to the match: bright where they add most.

    Args:
        image: RGB uint8 (H, W, 3).
        terms: (h', w') of `cell_terms`; negative contributions stay dark.

    Returns:
        RGB uint8 (H, W, 3).
    """
    positive = np.maximum(terms, 0.0)
    shown = positive / max(float(np.percentile(positive, 99.0)), 1e-12)
    size = (image.shape[1], image.shape[0])
    smooth = cv2.resize(shown.astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    colours = colormaps[_COLOURS](np.clip(smooth, 0.0, 1.0))[..., :3] * 255.0
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    mixed = (1.0 - _OPACITY) * grey + _OPACITY * colours
    return np.asarray(np.clip(mixed, 0.0, 255.0), np.uint8)
