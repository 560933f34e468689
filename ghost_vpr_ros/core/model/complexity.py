"""Nominal cost of a network: parameters, and multiply-accumulates (MACs) for one image.

Counted is every multiply-accumulate of convolutions and matrix products: trunk, squeeze-and-
excitation, NetVLAD's assignment and residual sums, whitening. Norms, activations, poolings, biases
and sums are free. Ghost-dil-NetVLAD's Figure 5 leaves the residual sums out and seems to count
norms and activations.
"""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(module: nn.Module) -> int:
    """Numbers that training could change; the statistics of batch norm are not among them."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_macs(module: nn.Module, height: int, width: int, channels: int = 3) -> int:
    """MACs of one input (1, channels, height, width); nothing is computed."""
    shadow = copy.deepcopy(module).to('meta').eval()
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        shadow(torch.empty(1, channels, height, width, device='meta'))
    total: int = counter.get_total_flops()
    return total // 2
