"""The first layer of a timed network: camera pixels -> network inputs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.preprocessing import scale_and_offset


class PixelInput(nn.Module):
    """RGB uint8 (B, h, w, 3) -> float32 (B, 3, h, w), normalised for ImageNet networks."""

    def __init__(self) -> None:
        super().__init__()
        scale, offset = scale_and_offset(PreprocessingConfig())
        self.scale: Tensor
        self.offset: Tensor
        self.register_buffer('scale', torch.from_numpy(scale).reshape(1, 3, 1, 1))
        self.register_buffer('offset', torch.from_numpy(offset).reshape(1, 3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """Network inputs."""
        return pixels.permute(0, 3, 1, 2).float() * self.scale + self.offset
