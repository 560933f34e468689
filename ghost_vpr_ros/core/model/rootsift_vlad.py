"""RootSIFT-VLAD: the baseline without a network that NetVLAD is compared with.

Source: NetVLAD (journal version), Section 6.2: VLAD with intra-normalisation (Arandjelovic and
Zisserman, "All about VLAD", 2013) of densely extracted RootSIFT (the same, "Three things everyone
should know", 2012), then PCA whitening and unit norm (Jegou and Chum 2012).
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.core.errors import WeightsError
from ghost_vpr_ros.core.model.description import content_hash
from ghost_vpr_ros.core.model.netvlad import vlad
from ghost_vpr_ros.core.model.poolings.hard_vlad import nearest_centre
from ghost_vpr_ros.core.model.vpr_model import arrays_of
from ghost_vpr_ros.core.model.whitening import Whitening

CHANNELS = 128
"""Numbers of a SIFT descriptor."""

_BIN_OF_SIZE = 1.5
"""Width of a bin for each pixel of a key point's size, in OpenCV's SIFT."""


@dataclass(frozen=True)
class RootSiftConfig(Config):
    """Where RootSIFT is computed, and how it is aggregated; the input is a grey image."""

    step_px: int = setting(8, 'from one point to the next, both ways', unit='px', low=1, high=256)
    bins_px: tuple[float, float, float, float] = setting(
        (4.0, 6.0, 8.0, 10.0),
        'widths of a bin, of which a descriptor has 4 x 4, at each point',
        unit='px',
        low=1.0,
        high=64.0,
    )
    clusters: int = setting(128, 'VLAD clusters K', low=2, high=4096)
    descriptor_dim: int = setting(512, 'size of the whitened descriptor D', low=1, high=65536)


class RootSiftVlad(nn.Module):
    """Dense RootSIFT -> VLAD with hard assignment -> whitening; a `DescribedModel`.

    Attributes:
        config: how.
        preprocessing: the input's size; only that counts.
        provenance: one sentence on what centres and whitening were learned from.
        descriptor_dim: D.
        initialised: False until `set_centres` or a loaded file has set the centres.
    """

    def __init__(self, config: RootSiftConfig, width_px: int, height_px: int) -> None:
        super().__init__()
        self.config = config
        self.preprocessing = PreprocessingConfig(
            width_px, height_px, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)
        )
        self.provenance = ''
        self.descriptor_dim = config.descriptor_dim
        self.initialised = False
        self.centres = nn.Parameter(torch.zeros(config.clusters, CHANNELS))
        self.whitening = Whitening(config.clusters * CHANNELS, config.descriptor_dim)

    def forward(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Descriptors (B, D), unit norm, of inputs, RGB uint8 (B, h, w, 3).

        Raises:
            WeightsError: centres or whitening were never learned.
        """
        return self.whitening(self.describe_unwhitened(pixels))

    def describe_unwhitened(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Descriptors (B, K * 128), unit norm, before the whitening.

        Raises:
            WeightsError: the centres were never learned.
        """
        if not self.initialised:
            raise WeightsError(
                'RootSIFT-VLAD: the centres are not learned; learn them with `python -m '
                'training.rootsift`, or load a file that has them'
            )
        features = torch.from_numpy(self.feature_map(pixels)).flatten(2)
        return sift_vlad(features, self.centres)

    def feature_map(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(B, 128, 4 * rows, columns): the grids of RootSIFT of the four widths one below another.

        Unit norm; where the image is even, zeros.
        """
        found = [
            dense_rootsift(cv2.cvtColor(each, cv2.COLOR_RGB2GRAY), self.config) for each in pixels
        ]
        return np.ascontiguousarray(np.stack(found).transpose(0, 3, 1, 2))

    @torch.no_grad()
    def set_centres(self, centres: Tensor) -> None:
        """Set the k-means centres (K, 128) float32 of RootSIFT."""
        self.centres.copy_(centres)
        self.initialised = True

    @property
    def name(self) -> str:
        """A readable name, used in reports."""
        size = f'{self.preprocessing.width_px}x{self.preprocessing.height_px}'
        return f'RootSIFT-VLAD, K={self.config.clusters}, {size}, {self.descriptor_dim}-D'

    def describe_configuration(self) -> dict[str, str]:
        """Configuration and preprocessing as JSON texts: what its file must carry."""
        return {
            'config': json.dumps(self.config.to_dict(), sort_keys=True),
            'preprocessing': json.dumps(self.preprocessing.to_dict(), sort_keys=True),
        }

    @property
    def model_hash(self) -> str:
        """SHA-256 over configuration and every tensor."""
        return content_hash(self.describe_configuration(), arrays_of(self.state_dict()))


def dense_rootsift(grey: NDArray[np.uint8], config: RootSiftConfig) -> NDArray[np.float32]:
    """RootSIFT (4 * rows, columns, 128) on a grid, upright, of a grey uint8 (H, W) image.

    Unit norm; zeros where the image is even. The grids of the four widths lie one below another.
    """
    height, width = grey.shape
    half = config.step_px // 2
    rows, columns = range(half, height, config.step_px), range(half, width, config.step_px)
    sift = cv2.SIFT.create()
    grids = []
    for bin_px in config.bins_px:
        size = bin_px / _BIN_OF_SIZE
        points = [cv2.KeyPoint(float(x), float(y), size, 0.0) for y in rows for x in columns]
        # compute() keeps the order and, away from any mask, every point.
        _, found = sift.compute(grey, points)
        grids.append(_root(np.asarray(found, np.float32)).reshape(len(rows), len(columns), -1))
    return np.concatenate(grids)


def _root(sift: NDArray[np.float32]) -> NDArray[np.float32]:
    """Roots of (N, 128) SIFT that sums to 1."""
    return np.asarray(np.sqrt(sift / np.maximum(sift.sum(axis=1, keepdims=True), 1e-9)))


def sift_vlad(features: Tensor, centres: Tensor) -> Tensor:
    """(B, K * d) VLAD with hard assignment of (B, d, N) to centres (K, d), unit norm.

    Features of zeros, which describe nothing, are left out.
    """
    weights = nearest_centre(features, centres) * features.any(dim=1, keepdim=True)
    return vlad(features, weights, centres)
