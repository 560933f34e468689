"""Half precision in the trunk; pooling and loss use float32.

The soft assignment multiplies by a large alpha, and the loss compares distances near the margin;
half precision is too coarse for both.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ghost_vpr_ros.core.model.vpr_model import VprModel

TYPES = {'bfloat16': torch.bfloat16, 'float16': torch.float16}
"""Half precisions by name."""


def chosen_precision(name: str, device: torch.device) -> str:
    """`float32`, `bfloat16` or `float16` for a setting of `ScheduleConfig.precision`."""
    if name != 'auto':
        return name
    if device.type != 'cuda':
        return 'float32'
    return 'bfloat16' if torch.cuda.is_bf16_supported() else 'float16'


def run_trunk_in(precision: str, model: VprModel, device: torch.device) -> None:
    """Make the trunk compute in this precision; its weights stay float32."""
    if precision == 'float32':
        return
    exact = model.backbone.forward

    def forward(batch: Tensor) -> Tensor:
        with torch.autocast(device.type, TYPES[precision]):
            features: Tensor = exact(batch)
        return features.float()

    model.backbone.forward = forward  # type: ignore[method-assign]


def make_scaler(precision: str, device: torch.device) -> torch.amp.GradScaler:
    """A scaler of the loss against vanishing float16 gradients, disabled in other precisions."""
    return torch.amp.GradScaler(device.type, enabled=precision == 'float16')
