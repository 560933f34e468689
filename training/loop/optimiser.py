"""The optimiser, its learning-rate schedule, and the first trained layer.

Source: NetVLAD (journal version), Section 6.1 (SGD, halved every 5 epochs) and Table 2 (partial
training: back-propagation down to a named layer).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from ghost_vpr_ros.core.config.settings import Config, nearest_hint, setting
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.model.backbones import BACKBONES
from ghost_vpr_ros.core.model.vpr_model import VprModel

_OF_TRUNKS = dict.fromkeys(name for each in BACKBONES.values() for name in each.layers)
LAYERS = ('all', *_OF_TRUNKS, 'pooling')
"""First trained layers: `all`, a layer of the trunk, or only the layers after the trunk
(reduction, pooling). `BACKBONES` lists the layers of a trunk: for GhostCNN the stages and rows of
Table 1, and the last convolution."""


@dataclass(frozen=True)
class OptimiserConfig(Config):
    """Optimiser and learning rate; `optimiser` in an experiment's YAML file."""

    kind: str = setting('sgd', 'optimiser', choices=('sgd', 'adamw'))
    learning_rate: float = setting(1e-3, 'learning rate at the start', low=0.0, high=10.0)
    momentum: float = setting(0.9, 'momentum of sgd', low=0.0, high=0.9999)
    weight_decay: float = setting(1e-3, 'weight decay', low=0.0, high=1.0)
    schedule: str = setting(
        'halve',
        'learning-rate schedule: halve (NetVLAD), cosine (to 0 at the last epoch), constant',
        choices=('halve', 'cosine', 'constant'),
    )
    halve_every_epochs: int = setting(
        5, 'epochs between halvings of the schedule halve', low=1, high=10_000
    )
    warm_up_epochs: float = setting(
        0.0, 'epochs of linear warm-up of the learning rate', low=0.0, high=1000.0
    )
    train_from: str = setting(
        'all', 'first trained layer; gradients are back-propagated down to it', choices=LAYERS
    )
    freeze_batch_norm: bool = setting(
        True, 'do not update batch-norm statistics, since batches of tuples are small and similar'
    )
    largest_gradient: float = setting(
        0.0, 'clip the gradient norm to this; 0: no clipping', low=0.0, high=1e6
    )


def half_cosine(progress: float) -> float:
    """Half a cosine: the share of the highest rate at `progress` 0 to 1, from 1 down to 0."""
    return 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0)))


def warm_half_cosine(step: int, steps: int, warm_up_share: float) -> float:
    """The share of the highest rate at a step: linear warm-up, then half a cosine down to 0."""
    warm_up = max(1, round(warm_up_share * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return half_cosine((step - warm_up) / max(1, steps - warm_up))


def learning_rate_at(config: OptimiserConfig, progress: float, epochs: int) -> float:
    """The learning rate after `progress` epochs (may be fractional) of `epochs`."""
    rate = config.learning_rate
    if config.schedule == 'halve':
        rate *= 0.5 ** (int(progress) // config.halve_every_epochs)
    elif config.schedule == 'cosine':
        rate *= half_cosine(progress / epochs)
    if progress < config.warm_up_epochs:
        rate *= progress / config.warm_up_epochs
    return rate


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every parameter group."""
    for group in optimiser.param_groups:
        group['lr'] = rate


def build_optimiser(module: nn.Module, config: OptimiserConfig) -> torch.optim.Optimizer:
    """The optimiser of all trainable parameters, in the module's order.

    Raises:
        ConfigError: no parameter is trainable.
    """
    trained = [p for p in module.parameters() if p.requires_grad]
    if not trained:
        raise ConfigError(f'train_from: expected a layer to train, {config.train_from!r} has none')
    if config.kind == 'adamw':
        return torch.optim.AdamW(trained, config.learning_rate, weight_decay=config.weight_decay)
    return torch.optim.SGD(
        trained,
        config.learning_rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
    )


def freeze_below(model: VprModel, layer: str) -> int:
    """Freeze all layers before `layer`, and the whitening; returns the number of parameters left.

    Activations of frozen layers are not kept in memory.

    Raises:
        ConfigError: this network has no such layer.
    """
    first = trunk_position(model, layer)
    model.requires_grad_(True)
    model.whitening.requires_grad_(False)
    for part in model.backbone.trunk_parts()[:first]:
        part.requires_grad_(False)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def training_mode(model: VprModel, config: OptimiserConfig) -> None:
    """Set training mode, but evaluation mode for frozen batch norm."""
    model.train()
    for norm in _batch_norms(model):
        if config.freeze_batch_norm or not norm.weight.requires_grad:
            norm.eval()


def trunk_position(model: VprModel, layer: str) -> int:
    """Number of trunk parts before a layer; in GhostCNN row r is part r and the stem is part 0.

    Raises:
        ConfigError: this network has no such layer.
    """
    name = model.config.backbone
    positions = {'all': 0, **BACKBONES[name].layers, 'pooling': len(model.backbone.trunk_parts())}
    if layer not in positions:
        raise ConfigError(
            f'train_from: expected a layer of {name}, found {layer!r}'
            f'{nearest_hint(layer, list(positions))}'
        )
    return positions[layer]


def _batch_norms(model: nn.Module) -> Iterator[nn.BatchNorm2d]:
    return (module for module in model.modules() if isinstance(module, nn.BatchNorm2d))
