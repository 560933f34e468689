"""Pre-training of the trunk as a scene classifier: settings, network, optimiser, learning rate.

Source: Ghost-dil-NetVLAD, Section 4.4.4 and Table 4: GhostCNN is trained to classify Places-365
for 20 to 60 epochs before it is trained on places.

Deviation: the paper states the data and the epochs, not the recipe. SGD with momentum 0.9 is from
    its Section 4.2; rate, schedule, label smoothing and crops are GhostNet's and ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.config.model import ModelConfig
from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.model.backbones import build_backbone
from ghost_vpr_ros.core.model.initialisation import draw_random_weights
from training.loop.optimiser import half_cosine

LAST_STEP_FACTORS = (1.0, 0.1, 0.01)
"""Factors of the learning rate in each third of a training with the schedule `step`."""

_HEAD_DEVIATION = 0.01


@dataclass(frozen=True)
class ClassificationConfig(Config):
    """Pre-training by classification; `classification` in an experiment's YAML file."""

    folders: tuple[str, ...] = setting(
        (), 'folders of scenes, merged by the names of their classes; $VARIABLES are expanded'
    )
    val_share: float = setting(
        0.1,
        'share of each class to hold out in folders without held-out images',
        low=0.0,
        high=0.9,
    )
    crop_px: int = setting(224, 'side of a training view', unit='px', low=32, high=1024)
    image_px: int = setting(
        256,
        'side of a held-out image, and of an image that training views are cut from',
        unit='px',
        low=32,
        high=1024,
    )
    epochs: int = setting(
        40, 'number of epochs (Ghost-dil-NetVLAD, Table 4: 20 to 60)', low=1, high=10_000
    )
    max_steps: int = setting(0, 'limit of steps; 0: none', low=0)
    max_minutes: float = setting(0.0, 'limit of training time; 0: none', unit='min', low=0.0)
    batch_size: int = setting(64, 'images per step', low=2, high=4096)
    optimiser: str = setting('sgd', 'optimiser', choices=('sgd', 'adamw'))
    learning_rate: float = setting(0.05, 'highest learning rate', low=0.0, high=10.0)
    momentum: float = setting(
        0.9, 'momentum of SGD (Ghost-dil-NetVLAD, Section 4.2)', low=0.0, high=0.999
    )
    weight_decay: float = setting(
        1e-4, 'weight decay of convolutions and head, not of norms and biases', low=0.0, high=1.0
    )
    schedule: str = setting(
        'cosine',
        'learning-rate schedule: cosine to 0, step (a tenth after each third), or constant',
        choices=('cosine', 'step', 'constant'),
    )
    warm_up_share: float = setting(
        0.03, 'share of the training spent in warm-up', low=0.0, high=0.5
    )
    label_smoothing: float = setting(0.1, 'probability spread over all classes', low=0.0, high=0.9)
    gradient_norm: float = setting(5.0, 'clip the gradient norm to this', low=1e-6)
    precision: str = setting(
        'auto',
        'of the network: auto is float32 on a CPU, bfloat16 on a GPU',
        choices=('auto', 'float32', 'bfloat16'),
    )
    skip_unreadable: bool = setting(
        False, 'skip and count unreadable images instead of ending with an error'
    )
    workers: int = setting(0, 'processes that read and augment images; 0: none', low=0, high=256)
    log_every: int = setting(20, 'steps between lines of the log', low=1)
    checkpoint_every: int = setting(200, 'steps between checkpoints', low=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.image_px < self.crop_px:
            raise ConfigError(
                f'image_px: expected at least crop_px {self.crop_px}, found {self.image_px}; '
                'increase image_px, or reduce crop_px'
            )

    def rate_at(self, progress: float) -> float:
        """Learning rate at a share of the training, 0 to 1: warm-up, then the schedule."""
        if progress < self.warm_up_share:
            # Not 0 in the first step, so that a training of one step changes the weights.
            return self.learning_rate * max(0.01, progress / self.warm_up_share)
        if self.schedule == 'constant':
            return self.learning_rate
        if self.schedule == 'step':
            third = min(int(3.0 * progress), 2)
            return self.learning_rate * LAST_STEP_FACTORS[third]
        done = (progress - self.warm_up_share) / (1.0 - self.warm_up_share)
        return self.learning_rate * half_cosine(done)


class SceneClassifier(nn.Module):
    """Trunk, mean over the feature map, linear head: (B, 3, h, w) to logits (B, classes)."""

    def __init__(self, model: ModelConfig, classes: int, seed: int) -> None:
        super().__init__()
        # Building draws weights that are replaced; the caller's random state is kept.
        with torch.random.fork_rng(devices=[]):
            self.trunk = build_backbone(model)
            self.head = nn.Linear(self.trunk.out_channels, classes)
        draw_random_weights(self.trunk, seed)
        generator = torch.Generator().manual_seed(seed)
        nn.init.normal_(self.head.weight, std=_HEAD_DEVIATION, generator=generator)
        nn.init.zeros_(self.head.bias)

    def forward(self, batch: Tensor) -> Tensor:
        """Logits (B, classes) of network inputs (B, 3, h, w)."""
        logits: Tensor = self.head(self.trunk(batch).mean((2, 3)))
        return logits


def make_optimiser(network: nn.Module, config: ClassificationConfig) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum, or AdamW; weight decay only for multi-dimensional weights."""
    parameters = list(network.parameters())
    groups = [
        {'params': [p for p in parameters if p.ndim > 1], 'weight_decay': config.weight_decay},
        {'params': [p for p in parameters if p.ndim <= 1], 'weight_decay': 0.0},
    ]
    if config.optimiser == 'adamw':
        return torch.optim.AdamW(groups, lr=config.learning_rate)
    return torch.optim.SGD(
        groups, lr=config.learning_rate, momentum=config.momentum, nesterov=config.momentum > 0.0
    )


def count_hits(logits: Tensor, labels: Tensor, ranks: tuple[int, ...] = (1, 5)) -> list[int]:
    """The number of correct top-n predictions of (B, classes) logits, for each rank n."""
    largest = logits.topk(min(max(ranks), logits.shape[1]), dim=1).indices
    right = largest == labels[:, None]
    return [int(right[:, :rank].any(dim=1).sum()) for rank in ranks]
