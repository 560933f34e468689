"""Max, Sum and GeM: one number for each channel, whatever the size of the feature map.

The feature map is not normalised before (NetVLAD, Section 6.1: that is best for Max).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.model.description import POOLING_TITLES
from ghost_vpr_ros.core.model.poolings.pooling import LocalSample, Pooling

_SMALLEST = 1e-6
"""Lower limit of activations in GeM, which assumes that they are not negative."""


class MaxPooling(Pooling):
    """The largest activation of each channel, (B, C).

    Source: NetVLAD (journal version), f_max of Section 3; MAC of Tolias et al. 2016.
    """

    label = POOLING_TITLES['max']

    def __init__(self, channels: int) -> None:
        super().__init__(channels, initialised=True)

    def forward(self, feature_map: Tensor) -> Tensor:
        """Descriptors (B, C), float, unit norm, of a feature map (B, C, h, w)."""
        return nn.functional.normalize(feature_map.amax((2, 3)), dim=1)


class SumPooling(Pooling):
    """The mean of each channel, (B, C); of unit norm, it is the same as the sum.

    Source: NetVLAD (journal version), Section 6.2, "Max versus Sum"; SPoC of Babenko and Lempitsky
    2015 without its centring prior, which the papers here leave out, too.
    """

    label = POOLING_TITLES['sum']

    def __init__(self, channels: int) -> None:
        super().__init__(channels, initialised=True)

    def forward(self, feature_map: Tensor) -> Tensor:
        """Descriptors (B, C), float, unit norm, of a feature map (B, C, h, w)."""
        return nn.functional.normalize(feature_map.mean((2, 3)), dim=1)


class GeM(Pooling):
    """The generalised mean of each channel, (B, C), with one learned power p.

    Source: Radenovic, Tolias, Chum, "Fine-tuning CNN image retrieval with no human annotation",
    Eq. 3: f_c = (mean_i x_ic^p)^(1/p). p = 1 is the mean, p -> infinity the largest activation.
    """

    label = POOLING_TITLES['gem']

    def __init__(self, channels: int, power: float) -> None:
        super().__init__(channels, initialised=True)
        self.first_power = power
        self.power = nn.Parameter(torch.tensor([power]))

    @torch.no_grad()
    def initialise_from(self, sample: LocalSample | None, seed: int) -> None:
        """Back to the power of the configuration."""
        self.power.fill_(self.first_power)

    def forward(self, feature_map: Tensor) -> Tensor:
        """Descriptors (B, C), float, unit norm, of a feature map (B, C, h, w)."""
        return nn.functional.normalize(generalised_mean(feature_map, self.power), dim=1)


def generalised_mean(feature_map: Tensor, power: Tensor | float) -> Tensor:
    """(B, C) generalised means of (B, C, h, w); activations below 1e-6 count as 1e-6."""
    x = feature_map.clamp(min=_SMALLEST)
    # Relative to the largest, so that no power overflows.
    largest = x.amax((2, 3), keepdim=True)
    relative = (x / largest).pow(power).mean((2, 3)).pow(1.0 / power)
    return largest.flatten(1) * relative
