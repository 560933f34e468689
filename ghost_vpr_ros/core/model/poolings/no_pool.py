"""No pooling: the feature map itself as the descriptor, plain or followed by a linear layer.

Both work with one size of the feature map only, and serve as a comparison without pooling.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.errors import ConfigError, WeightsError
from ghost_vpr_ros.core.model.description import POOLING_TITLES
from ghost_vpr_ros.core.model.poolings.pooling import LocalSample, Pooling
from ghost_vpr_ros.core.model.poolings.regions import map_size


class NoPool(Pooling):
    """(B, C, h, w) of a fixed h, w, thinned out by local Max, flattened to (B, C * h' * w').

    Source: NetVLAD (journal version), appendix, "Is pooling needed?": local max pooling of size
    and stride 5, vectorised, L2.
    """

    label = POOLING_TITLES['no-pool']

    def __init__(self, channels: int, size: tuple[int, int], local_max: int) -> None:
        """Take feature maps of `size` (h, w).

        Raises:
            ConfigError: the local maximum is larger than the feature map.
        """
        if local_max > min(size):
            raise ConfigError(
                f'local_max: expected at most {min(size)}, the shorter side of the '
                f'{size[1]}x{size[0]} feature map, found {local_max}; make it smaller, or the '
                'input larger'
            )
        height, width = (length // local_max for length in size)
        super().__init__(channels * height * width, initialised=True)
        self.size = size
        self.local_max = local_max

    def forward(self, feature_map: Tensor) -> Tensor:
        """Descriptors (B, C * h' * w'), float, unit norm, of a feature map (B, C, h, w).

        Raises:
            WeightsError: a feature map of another size.
        """
        return nn.functional.normalize(self.flattened(feature_map), dim=1)

    def flattened(self, feature_map: Tensor) -> Tensor:
        """(B, C * h' * w'), before it is normalised."""
        height, width = map_size(feature_map)
        if (height, width) != self.size:
            raise WeightsError(
                f'{self.label}: expected a feature map of {self.size[1]}x{self.size[0]}, found '
                f'{width}x{height}; without pooling a network works with '
                'only the size of input that it was made for'
            )
        return nn.functional.max_pool2d(feature_map, self.local_max).flatten(1)


class FullyConnected(NoPool):
    """The same, reduced to (B, D) by a linear layer.

    Source: NetVLAD (journal version), appendix, "no-pool+FC": after L2, and then L2 again.
    """

    label = POOLING_TITLES['fc']

    def __init__(self, channels: int, size: tuple[int, int], local_max: int, out_dim: int) -> None:
        """Take feature maps of `size` (h, w).

        Raises:
            ConfigError: the local maximum is larger than the feature map.
        """
        super().__init__(channels, size, local_max)
        self.layer = nn.Linear(self.out_dim, out_dim)
        self.out_dim = out_dim
        self.initialised = False

    def forward(self, feature_map: Tensor) -> Tensor:
        """Descriptors (B, D), float, unit norm, of a feature map (B, C, h, w).

        Raises:
            WeightsError: a feature map of another size, or weights that were never initialised.
        """
        self.check_initialised('weights')
        return nn.functional.normalize(self.layer(super().forward(feature_map)), dim=1)

    @torch.no_grad()
    def initialise_from(self, sample: LocalSample | None, seed: int) -> None:
        """Draw the layer after Glorot; no bias at the start."""
        generator = torch.Generator().manual_seed(seed)
        nn.init.xavier_uniform_(self.layer.weight, generator=generator)
        self.layer.bias.zero_()
        self.initialised = True
