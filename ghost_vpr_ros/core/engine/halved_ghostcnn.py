"""GhostCNN for engines: the same numbers, without batch norm and without concatenation.

A ghost module's two halves are never joined, since joining them copies every feature map: a fifth
of the network's time on a CPU. A 1x1 convolution of both is the sum of two convolutions, one of
each half; depthwise convolutions, gates and shortcuts work on each half separately.
"""

from __future__ import annotations

import copy
import itertools

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ghost_vpr_ros.core.model.ghostcnn import (
    GhostBottleneck,
    GhostCNN,
    GhostModule,
    SqueezeExcite,
)

Halves = tuple[Tensor, ...]
"""Tensors (B, C_i, H, W) that together are one of C = C_1 + C_2 channels."""


def halved(backbone: GhostCNN) -> nn.Module:
    """A network with the output of `backbone` (in evaluation mode), which is not changed."""
    stem, *rest = backbone.trunk_parts()
    first = _fused(stem)
    widths = _halves(first.out_channels)
    layers: list[nn.Module] = [_SplitConvolution(first, widths, relu=True)]
    for layer in rest:
        if isinstance(layer, GhostBottleneck):
            bottleneck = _Bottleneck(layer, widths)
            layers.append(bottleneck)
            widths = bottleneck.widths
        else:
            layers.append(_Last(layer, widths))
    if backbone.rows:
        return _HalvedRows(layers, backbone).eval()
    if not isinstance(layers[-1], _Last):
        layers.append(_Join())
    return nn.Sequential(*layers).eval()


class _HalvedRows(nn.Module):
    """(B, 3, H, W) -> the joined map of several rows."""

    def __init__(self, layers: list[nn.Module], backbone: GhostCNN) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.rows = backbone.rows
        self.joint: nn.Module = copy.deepcopy(backbone.joint)

    def forward(self, batch: Tensor) -> Tensor:
        found = []
        x = batch
        for number, layer in enumerate(self.layers):
            x = layer(x)
            if number in self.rows:
                found.append(torch.cat(x, dim=1))
        joined: Tensor = self.joint(found)
        return joined


def _fused(layer: nn.Module) -> nn.Conv2d:
    """Convolution and batch norm, the first two of a sequence, as one convolution."""
    assert isinstance(layer, nn.Sequential)
    conv, norm = layer[0], layer[1]
    assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    return fuse_conv_bn_eval(conv, norm)


def _halves(channels: int) -> list[int]:
    return [channels // 2, channels // 2]


def _part(conv: nn.Conv2d, outputs: slice, inputs: slice, *, bias: bool = True) -> nn.Conv2d:
    """The convolution for some of the output and of the input channels."""
    is_depthwise = conv.groups > 1
    weight = conv.weight[outputs] if is_depthwise else conv.weight[outputs, inputs]
    part = copy.deepcopy(conv)
    part.weight = nn.Parameter(weight.detach().clone())
    part.bias = None
    if bias and conv.bias is not None:
        part.bias = nn.Parameter(conv.bias[outputs].detach().clone())
    part.out_channels = len(weight)
    part.in_channels = len(weight) if is_depthwise else weight.shape[1]
    part.groups = len(weight) if is_depthwise else 1
    return part


def _slices(widths: list[int]) -> list[slice]:
    ends = itertools.accumulate(widths, initial=0)
    return [slice(start, end) for start, end in itertools.pairwise(ends)]


class _SplitConvolution(nn.Module):
    """(B, C, H, W) -> halves."""

    def __init__(self, conv: nn.Conv2d, widths: list[int], *, relu: bool) -> None:
        super().__init__()
        everything = slice(None)
        self.parts = nn.ModuleList(_part(conv, out, everything) for out in _slices(widths))
        self.relu = relu

    def forward(self, x: Tensor) -> Halves:
        found = tuple(part(x) for part in self.parts)
        return tuple(torch.relu(half) for half in found) if self.relu else found


class _SummedConvolution(nn.Module):
    """Halves -> (B, C, H, W), by a 1x1 convolution."""

    def __init__(self, conv: nn.Conv2d, widths: list[int], outputs: slice) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            _part(conv, outputs, part, bias=number == 0)
            for number, part in enumerate(_slices(widths))
        )

    def forward(self, halves: Halves) -> Tensor:
        first, *others = (part(half) for part, half in zip(self.parts, halves, strict=True))
        return sum(others, first)


class _Depthwise(nn.Module):
    """Halves -> halves, by a depthwise convolution."""

    def __init__(self, conv: nn.Conv2d, widths: list[int]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(_part(conv, part, part) for part in _slices(widths))

    def forward(self, halves: Halves) -> Halves:
        return tuple(part(half) for part, half in zip(self.parts, halves, strict=True))


class _Ghost(nn.Module):
    """Halves -> intrinsic and ghost features: the module's own two halves."""

    def __init__(self, module: GhostModule, widths: list[int]) -> None:
        super().__init__()
        self.primary = _SummedConvolution(_fused(module.primary), widths, slice(None))
        self.cheap = _fused(module.cheap)
        self.activation: nn.Module = nn.ReLU() if len(module.primary) > 2 else nn.Identity()

    def forward(self, halves: Halves) -> Halves:
        intrinsic = self.activation(self.primary(halves))
        return intrinsic, self.activation(self.cheap(intrinsic))


class _Gate(nn.Module):
    """Squeeze-and-excitation of halves."""

    def __init__(self, module: SqueezeExcite, widths: list[int]) -> None:
        super().__init__()
        self.reduce = _SummedConvolution(module.reduce, widths, slice(None))
        self.expand = _SplitConvolution(module.expand, widths, relu=False)

    def forward(self, halves: Halves) -> Halves:
        means = tuple(half.mean((2, 3), keepdim=True) for half in halves)
        gates = self.expand(torch.relu(self.reduce(means)))
        return tuple(
            half * nn.functional.hardsigmoid(gate)
            for half, gate in zip(halves, gates, strict=True)
        )


class _Shortcut(nn.Module):
    """Halves -> halves of other widths, by a depthwise and a 1x1 convolution."""

    def __init__(self, shortcut: nn.Sequential, widths: list[int]) -> None:
        super().__init__()
        self.depthwise = _Depthwise(_fused(shortcut[0]), widths)
        conv = _fused(shortcut[1])
        self.parts = nn.ModuleList(
            _SummedConvolution(conv, widths, out) for out in _slices(_halves(conv.out_channels))
        )

    def forward(self, halves: Halves) -> Halves:
        deep = self.depthwise(halves)
        return tuple(part(deep) for part in self.parts)


class _Bottleneck(nn.Module):
    """Halves -> halves: a ghost bottleneck.

    Attributes:
        widths: channels of the halves that leave it.
    """

    def __init__(self, bottleneck: GhostBottleneck, widths: list[int]) -> None:
        super().__init__()
        inner = widths
        layers: list[nn.Module] = []
        for layer in bottleneck.residual:
            if isinstance(layer, GhostModule):
                ghost = _Ghost(layer, inner)
                layers.append(ghost)
                inner = [ghost.cheap.in_channels, ghost.cheap.out_channels]
            elif isinstance(layer, SqueezeExcite):
                layers.append(_Gate(layer, inner))
            else:
                layers.append(_Depthwise(_fused(layer), inner))
        self.widths = inner
        self.residual = nn.Sequential(*layers)
        self.shortcut: nn.Module = nn.Identity()
        if isinstance(bottleneck.shortcut, nn.Sequential):
            self.shortcut = _Shortcut(bottleneck.shortcut, widths)

    def forward(self, halves: Halves) -> Halves:
        pairs = zip(self.residual(halves), self.shortcut(halves), strict=True)
        return tuple(a + b for a, b in pairs)


class _Last(nn.Module):
    """Halves -> feature map, by the trunk's last 1x1 convolution and its ReLU."""

    def __init__(self, layer: nn.Module, widths: list[int]) -> None:
        super().__init__()
        self.conv = _SummedConvolution(_fused(layer), widths, slice(None))

    def forward(self, halves: Halves) -> Tensor:
        return torch.relu(self.conv(halves))


class _Join(nn.Module):
    """Halves -> feature map, for a trunk that is cropped before its last convolution."""

    def forward(self, halves: Halves) -> Tensor:
        return torch.cat(halves, dim=1)
