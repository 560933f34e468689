"""The optimiser, its learning rate over time, and down to which layer gradients go.

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
"""Where training can begin: everything, a layer of the trunk, or only what follows the trunk
(reduction, pooling). `BACKBONES` lists the layers of a trunk: GhostCNN the stages and rows of
Table 1, and the last convolution behind them."""


@dataclass(frozen=True)
class OptimiserConfig(Config):
    """What turns gradients into steps; `optimiser` in an experiment's YAML file."""

    kind: str = setting('sgd', 'method', choices=('sgd', 'adamw'))
    learning_rate: float = setting(1e-3, 'at the start', low=0.0, high=10.0)
    momentum: float = setting(0.9, 'of sgd', low=0.0, high=0.9999)
    weight_decay: float = setting(1e-3, 'pull of the weights towards 0', low=0.0, high=1.0)
    schedule: str = setting(
        'halve',
        'learning rate over time: halve (NetVLAD), cosine (down to 0 at the last epoch), constant',
        choices=('halve', 'cosine', 'constant'),
    )
    halve_every_epochs: int = setting(5, 'of the schedule halve', low=1, high=10_000)
    warm_up_epochs: float = setting(
        0.0, 'part of training in which the rate rises from 0 in a line', low=0.0, high=1000.0
    )
    train_from: str = setting(
        'all', 'layer down to which gradients are back-propagated', choices=LAYERS
    )
    freeze_batch_norm: bool = setting(
        True, 'batch norm keeps the statistics it has: batches of tuples are small and alike'
    )
    largest_gradient: float = setting(
        0.0, 'norm to which longer gradients are cut; 0: never', low=0.0, high=1e6
    )


def half_cosine(progress: float) -> float:
    """The share of the highest rate after a share of the way: from 1 down to 0."""
    return 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0)))


def warm_half_cosine(step: int, steps: int, warm_up_share: float) -> float:
    """The share of the highest rate at a step: up in a line, then half a cosine down to 0."""
    warm_up = max(1, round(warm_up_share * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return half_cosine((step - warm_up) / max(1, steps - warm_up))


def learning_rate_at(config: OptimiserConfig, progress: float, epochs: int) -> float:
    """The learning rate after `progress` epochs (a fraction counts) of `epochs`."""
    rate = config.learning_rate
    if config.schedule == 'halve':
        rate *= 0.5 ** (int(progress) // config.halve_every_epochs)
    elif config.schedule == 'cosine':
        rate *= half_cosine(progress / epochs)
    if progress < config.warm_up_epochs:
        rate *= progress / config.warm_up_epochs
    return rate


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Give every group of parameters this rate."""
    for group in optimiser.param_groups:
        group['lr'] = rate


def build_optimiser(module: nn.Module, config: OptimiserConfig) -> torch.optim.Optimizer:
    """The optimiser of all parameters that are trained, in the module's order.

    Raises:
        ConfigError: no parameter is trained.
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
    """Train only from a layer of the network on; return how many parameters that leaves.

    Whitening is never trained: it is fitted afterwards. What lies below the first trained layer
    needs no gradient, so its activations are not kept in memory either.

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
    """Training mode, but evaluation mode for batch norm that is frozen."""
    model.train()
    for norm in _batch_norms(model):
        if config.freeze_batch_norm or not norm.weight.requires_grad:
            norm.eval()


def trunk_position(model: VprModel, layer: str) -> int:
    """How many parts of the trunk lie below a layer; in GhostCNN row r is part r, the stem part 0.

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
