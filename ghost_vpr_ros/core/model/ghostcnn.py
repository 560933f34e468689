"""GhostCNN, the trunk of Ghost-dil-NetVLAD: GhostNet-1.0's bottlenecks with dilated ghost modules.

Source: Ghost-dil-NetVLAD, Table 1 and Figures 2-3; the widths are GhostNet-1.0's.

Deviation: Table 1's channel column costs 3.0 G MACs and 7.2 M parameters, against the 0.90
    GFLOPs of the paper's own Figure 5; GhostNet-1.0's widths give that figure: built here.
Deviation: the paper dilates the "first step of the ghost module", which is a 1x1 convolution,
    where a rate does nothing. Here the rate applies to the depthwise ("cheap") convolution that
    follows.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.config.model import ModelConfig
from ghost_vpr_ros.core.model.joined_maps import RowsTrunk


class _Row(NamedTuple):
    """One ghost bottleneck of Table 1."""

    stage: int
    kernel: int
    expansion: int
    out_channels: int
    squeeze_excite: bool
    stride: int


STEM_CHANNELS = 16
ROWS = (
    _Row(1, 3, 16, 16, False, 1),
    _Row(1, 3, 48, 24, False, 2),
    _Row(2, 3, 72, 24, False, 1),
    _Row(2, 5, 72, 40, True, 2),
    _Row(3, 5, 120, 40, True, 1),
    _Row(3, 3, 240, 80, False, 2),
    _Row(4, 3, 200, 80, False, 1),
    _Row(4, 3, 184, 80, False, 1),
    _Row(4, 3, 184, 80, False, 1),
    _Row(4, 3, 480, 112, True, 1),
    _Row(4, 3, 672, 112, True, 1),
    _Row(4, 5, 672, 160, True, 2),
    _Row(5, 5, 960, 160, False, 1),
    _Row(5, 5, 960, 160, True, 1),
    _Row(5, 5, 960, 160, False, 1),
    _Row(5, 5, 960, 160, True, 1),
)
LAST_ROW_CHANNELS = ROWS[-1].out_channels


def _conv_norm(
    in_channels: int,
    out_channels: int,
    kernel: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    relu: bool = False,
) -> nn.Sequential:
    """Convolution that keeps the size (at stride 1), batch norm, and optionally a ReLU."""
    padding = dilation * (kernel - 1) // 2
    layers: list[nn.Module] = [
        nn.Conv2d(
            in_channels, out_channels, kernel, stride, padding, dilation, groups, bias=False
        ),
        nn.BatchNorm2d(out_channels),
    ]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)


class GhostModule(nn.Module):
    """Half of the output from a 1x1 convolution, the other half from a cheap depthwise 3x3.

    Source: Ghost-dil-NetVLAD, Eq. 1 (primary) and Eq. 2 (cheap operation), ratio s = 2.
    """

    def __init__(self, in_channels: int, out_channels: int, *, relu: bool, dilation: int) -> None:
        super().__init__()
        half = out_channels // 2
        self.primary = _conv_norm(in_channels, half, 1, relu=relu)
        self.cheap = _conv_norm(half, half, 3, dilation=dilation, groups=half, relu=relu)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) -> (B, C_out, H, W)."""
        intrinsic = self.primary(x)
        return torch.cat((intrinsic, self.cheap(intrinsic)), dim=1)


class SqueezeExcite(nn.Module):
    """Scales each channel by a hard sigmoid of the image's mean; ratio 0.25, divisor 4."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        reduced = _round_to_multiple(channels * 0.25, 4)
        self.reduce = nn.Conv2d(channels, reduced, 1)
        self.expand = nn.Conv2d(reduced, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        mean = x.mean((2, 3), keepdim=True)
        gate = self.expand(nn.functional.relu(self.reduce(mean)))
        return x * nn.functional.hardsigmoid(gate)


def _round_to_multiple(value: float, divisor: int) -> int:
    """The multiple of `divisor` nearest to `value`, never more than 10 % below it."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


class GhostBottleneck(nn.Module):
    """Expand, (stride,) (squeeze-and-excite,) project; added to a shortcut (Figure 2)."""

    def __init__(self, in_channels: int, row: _Row, config: ModelConfig) -> None:
        super().__init__()
        rate = config.dilation[0] if row.stage < 5 else config.dilation[1]
        cheap_rate = rate if config.dilate in ('cheap', 'both') else 1
        stride_rate = rate if config.dilate in ('stride', 'both') else 1
        middle, out = row.expansion, row.out_channels
        layers: list[nn.Module] = [
            GhostModule(in_channels, middle, relu=True, dilation=cheap_rate)
        ]
        if row.stride == 2:
            layers.append(
                _conv_norm(
                    middle, middle, row.kernel, stride=2, dilation=stride_rate, groups=middle
                )
            )
        if row.squeeze_excite and config.squeeze_excite:
            layers.append(SqueezeExcite(middle))
        layers.append(GhostModule(middle, out, relu=False, dilation=cheap_rate))
        self.residual = nn.Sequential(*layers)
        self.shortcut = _shortcut(in_channels, row)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) -> (B, C_out, H / stride, W / stride)."""
        return self.residual(x) + self.shortcut(x)


def _shortcut(in_channels: int, row: _Row) -> nn.Module:
    if row.stride == 1 and in_channels == row.out_channels:
        return nn.Identity()
    return nn.Sequential(
        _conv_norm(in_channels, in_channels, row.kernel, stride=row.stride, groups=in_channels),
        _conv_norm(in_channels, row.out_channels, 1),
    )


class GhostCNN(RowsTrunk):
    """Images (B, 3, H, W) -> feature map (B, C, H/32, W/32); C = 960, or 160 when cropped there.

    With rows 9, 11 and 16 joined, (B, 352, H/16, W/16): rows 6 to 11 have stride 16.

    2,671,428 parameters with the last convolution and squeeze-and-excitation, for every dilation.
    """

    def __init__(self, config: ModelConfig) -> None:
        channels = STEM_CHANNELS
        layers: list[nn.Module] = [_conv_norm(3, STEM_CHANNELS, 3, stride=2, relu=True)]
        for row in ROWS:
            layers.append(GhostBottleneck(channels, row, config))
            channels = row.out_channels
        if config.crop_channels != LAST_ROW_CHANNELS:
            layers.append(_conv_norm(channels, config.crop_channels, 1, relu=True))
        super().__init__(*layers)
        self.out_channels = config.crop_channels
        if config.rows:
            self.join_rows(config.rows, config.row_channels)
