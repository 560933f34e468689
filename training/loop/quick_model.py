"""A copy of a network that describes faster: batch norm folded away, the trunk in bfloat16.

For mining only. A CPU that computes in bfloat16 takes half of the time (320x320 inputs, 960
channels: 13 ms an image against 27 ms on one core); the cosine of its descriptors to those of the
network is 0.9998 or more on 41 street views.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ghost_vpr_ros.core.model.vpr_model import VprModel


def quick_copy(model: VprModel) -> VprModel:
    """The copy, in evaluation mode, for the weights as they are now."""
    quick = copy.deepcopy(model).eval().requires_grad_(False)
    quick.backbone.__dict__.pop('forward', None)  # Of `precision.run_trunk_in`, bound to `model`.
    fold_batch_norm(quick.backbone)
    trunk = quick.backbone.to(torch.bfloat16, memory_format=torch.channels_last)  # type: ignore[call-overload]
    in_half = trunk.forward

    def forward(batch: Tensor) -> Tensor:
        features: Tensor = in_half(batch.bfloat16())
        return features.float()

    trunk.forward = forward
    return quick


def fold_batch_norm(module: nn.Module) -> None:
    """Replace each convolution and the batch norm behind it by one convolution, in place."""
    for child in module.modules():
        if isinstance(child, nn.Sequential) and _starts_with_a_pair(child):
            child[0] = fuse_conv_bn_eval(child[0], child[1])  # type: ignore[type-var,arg-type]
            child[1] = nn.Identity()


def _starts_with_a_pair(layers: nn.Sequential) -> bool:
    return (
        len(layers) > 1
        and isinstance(layers[0], nn.Conv2d)
        and isinstance(layers[1], nn.BatchNorm2d)
    )
