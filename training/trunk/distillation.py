"""Distillation: the trunk learns the feature maps of a trained network, without any label.

The student's map goes through a 1x1 projection to the teacher's channels; the loss is one minus
the cosine, averaged over all cells. Only the student sees the augmented view, so it learns to
answer by night what the teacher answers by day.

Deviation: the papers pre-train on Places-365 labels. Measured against that and against no
    pre-training in docs/training.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ghost_vpr_ros.core.config.model import PcaConfig
from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.core.errors import ConfigError, SourceError
from ghost_vpr_ros.core.model.initialisation import draw_random_weights
from ghost_vpr_ros.core.model.principal_components import principal_components
from ghost_vpr_ros.core.model.reduction import Reduction
from ghost_vpr_ros.core.model.vpr_model import VprModel
from training.datasets.data_config import expanded
from training.experiment import Experiment
from training.loop.checkpoint import (
    flatten_optimiser,
    load_checkpoint,
    load_into,
    named,
    restore_optimiser,
    save_checkpoint,
    unnamed,
)
from training.loop.optimiser import half_cosine, set_learning_rate
from training.loop.parallel import Processes
from training.loop.precision import run_trunk_in
from training.trunk.backbone_weights import take_backbone_weights
from training.trunk.teacher import STRIDE, Teacher


@dataclass(frozen=True)
class DistillationConfig(Config):
    """Which photos; how long, how large, how fast."""

    photos: tuple[str, ...] = setting(
        (), 'sources, each `WEIGHT PATH [COLUMN=VALUE ...]`; $VARIABLES are expanded'
    )
    teacher: str = setting('efficientnet-lite0', 'whose feature maps are learnt')
    continue_from: str = setting(
        '', 'checkpoint of an earlier distillation whose student goes on with these settings'
    )
    steps: int = setting(3000, 'optimiser steps', low=1, high=10_000_000)
    batch_size: int = setting(32, 'views in a step', low=2, high=4096)
    view_px: int = setting(128, 'side of a view', unit='px', low=64, high=1024)
    late_view_px: int = setting(
        192, 'side of a view in the last part, where context counts', unit='px', low=64, high=1024
    )
    late_share: float = setting(0.35, 'share of the steps with late views', low=0.0, high=1.0)
    learning_rate: float = setting(2e-3, 'highest rate of AdamW', low=0.0, high=1.0)
    weight_decay: float = setting(0.02, 'decay of AdamW', low=0.0, high=1.0)
    warm_up_share: float = setting(0.04, 'share of the steps until that rate', low=0.0, high=1.0)
    average_decay: float = setting(
        0.998, 'decay of the running average of weights that is the result', low=0.0, high=1.0
    )
    precision: str = setting(
        'float32',
        "of the student's trunk; its weights, and what is kept of them, stay float32",
        choices=('float32', 'bfloat16'),
    )
    checkpoint_every: int = setting(200, 'steps between checkpoints', low=1, high=1_000_000)

    def __post_init__(self) -> None:
        super().__post_init__()
        for size in (self.view_px, self.late_view_px):
            if size % STRIDE:
                raise ConfigError(
                    f'distillation: views have whole cells of {STRIDE} px, found {size} px'
                )

    def view_sizes(self) -> list[int]:
        """Side of the views of each step, px."""
        early = self.steps - round(self.late_share * self.steps)
        return [self.view_px] * early + [self.late_view_px] * (self.steps - early)

    def rate_at(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, then half a cosine down to zero."""
        warm_up = max(1, round(self.warm_up_share * self.steps))
        if step < warm_up:
            return self.learning_rate * (step + 1) / warm_up
        done = (step - warm_up) / max(1, self.steps - warm_up)
        return self.learning_rate * half_cosine(done)


class Student(nn.Module):
    """Trunk and 1x1 projection: inputs (B, 3, h, w) to maps (B, C_teacher, h / 32, w / 32).

    A trunk whose cells are smaller (AlexNet, VGG-16, ResNet-18) has them averaged to these.
    """

    def __init__(self, trunk: nn.Module, channels: int, teacher_channels: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.projection = nn.Conv2d(channels, teacher_channels, 1)

    def forward(self, batch: Tensor) -> Tensor:
        """The projected maps."""
        features: Tensor = self.trunk(batch)
        cells = (batch.shape[2] // STRIDE, batch.shape[3] // STRIDE)
        if features.shape[2:] != cells:
            features = nn.functional.adaptive_avg_pool2d(features, cells)
        projected: Tensor = self.projection(features)
        return projected


def distillation_loss(student_map: Tensor, teacher_map: Tensor) -> Tensor:
    """Mean over all cells of one minus the cosine of the two (B, C, h, w) maps."""
    return 1.0 - nn.functional.cosine_similarity(student_map, teacher_map, dim=1).mean()


class Distillation:
    """One run: built from its experiment, advanced step by step, saved and restored."""

    def __init__(self, experiment: Experiment, teacher: Teacher, processes: Processes) -> None:
        self.experiment = experiment
        self.processes = processes
        self.config = experiment.section(DistillationConfig)
        self.teacher = teacher.to(processes.device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(experiment.seed)
            model = VprModel(experiment.model, experiment.preprocessing)
            student = Student(model.backbone, model.backbone.out_channels, teacher.channels)
        draw_random_weights(model.backbone, experiment.seed)
        self._start = take_backbone_weights(model.backbone, experiment)
        self.model = model
        student.to(processes.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.student = student
        averaging = get_ema_multi_avg_fn(self.config.average_decay)
        self.average = AveragedModel(self.student, multi_avg_fn=averaging, use_buffers=True)
        # After the copy for the average, which would otherwise run the trunk of this one.
        run_trunk_in(self.config.precision, model, processes.device)
        self.optimiser = torch.optim.AdamW(
            self.student.parameters(), weight_decay=self.config.weight_decay
        )
        # Each process has batch statistics of its own; those of the first one are kept.
        self.network = processes.wrap(self.student, same_buffers=True)
        self.step = 0
        self.views = 0
        self.steps_before = 0
        if self.config.continue_from:
            self._continue_from(expanded(self.config.continue_from))

    def _continue_from(self, path: Path) -> None:
        """Start at the averaged student of an earlier run, with a fresh optimiser.

        Raises:
            WeightsError: it is missing, damaged or of another architecture.
        """
        tensors, state = load_checkpoint(path)
        load_into(self.average, unnamed('average', tensors), path)
        self.student.load_state_dict(self.average.module.state_dict())
        self.steps_before = int(state['step']) + int(state.get('steps_before', 0))
        self.views = int(state['views'])

    @property
    def rate(self) -> float:
        """Learning rate of the step before."""
        return self.config.rate_at(self.step - 1)

    def is_due(self, interval: int) -> bool:
        """Whether something that happens every so many steps, and after the last, happens now."""
        return self.step % interval == 0 or self.step == self.config.steps

    def advance(self, clean: Tensor, changed: Tensor) -> float:
        """One optimiser step; the loss before it."""
        set_learning_rate(self.optimiser, self.config.rate_at(self.step))
        device = self.processes.device
        target = self.teacher(clean.to(device))
        inputs = changed.to(device).contiguous(memory_format=torch.channels_last)
        loss = distillation_loss(self.network(inputs), target)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.average.update_parameters(self.student)
        self.step += 1
        self.views += len(clean) * self.processes.world
        return loss.item()

    def save(self, path: Path) -> None:
        """Write the checkpoint."""
        tensors = {
            **named('student', self.student.state_dict()),
            **named('average', self.average.state_dict()),
            **named('optimiser', flatten_optimiser(self.optimiser)),
        }
        state = {'step': self.step, 'views': self.views, 'steps_before': self.steps_before}
        save_checkpoint(path, tensors, state)

    def restore(self, path: Path) -> None:
        """Continue from a checkpoint.

        Raises:
            WeightsError: it is damaged or of another architecture.
        """
        tensors, state = load_checkpoint(path)
        load_into(self.student, unnamed('student', tensors), path)
        load_into(self.average, unnamed('average', tensors), path)
        restore_optimiser(self.optimiser, unnamed('optimiser', tensors))
        self.step, self.views = int(state['step']), int(state['views'])
        self.steps_before = int(state.get('steps_before', 0))

    def result(self, views: Iterable[Tensor]) -> VprModel:
        """The network with the averaged trunk; its clusters are not initialised.

        A reduction becomes the projection to the teacher's channels followed by PCA of what it
        returns: the R directions in which the student's maps differ most, as the teacher sees it.

        Args:
            views: batches (B, 3, h, w) that the PCA is learnt on.

        Raises:
            SourceError: the views span fewer than R directions.
        """
        average = self.average.module
        assert isinstance(average, Student)
        average.cpu().eval()
        self.model.backbone.load_state_dict(average.trunk.state_dict())
        if isinstance(self.model.reduction, Reduction):
            projection = _Projection.of(average)
            projected = torch.cat([projection.sample(average.trunk, view) for view in views])
            projection.then_components(projected, self.model.reduction)
        start = f', started from {self._start}' if self._start else ''
        self.model.provenance = (
            f'trunk distilled from {self.teacher.name} in {self.steps_before + self.step} steps '
            f'({self.views} views), seed {self.experiment.seed}{start}; '
            'not yet trained on places'
        )
        return self.model.eval()


@dataclass(frozen=True)
class _Projection:
    """The student's 1x1 projection as a matrix.

    Attributes:
        weight: (C_teacher, C).
        bias: (C_teacher,).
    """

    weight: Tensor
    bias: Tensor

    @classmethod
    def of(cls, student: Student) -> _Projection:
        bias = student.projection.bias
        assert bias is not None
        return cls(student.projection.weight.detach().flatten(1), bias.detach())

    @torch.no_grad()
    def sample(self, trunk: nn.Module, views: Tensor) -> Tensor:
        """(N, C_teacher) unit-norm projected local features of a batch."""
        features = trunk(views).permute(0, 2, 3, 1).flatten(0, 2)
        return nn.functional.normalize(features @ self.weight.T + self.bias, dim=1)

    def then_components(self, projected: Tensor, reduction: Reduction) -> None:
        """Set the reduction to this projection followed by PCA of (N, C_teacher) features.

        The mean stays: it is a part of every unit-norm feature, and clusters take it off.

        Raises:
            SourceError: the features span fewer than R directions.
        """
        wanted = reduction.projection.out_channels
        found = principal_components(projected, wanted, PcaConfig(method='exact'))
        if len(found.deviations) < wanted:
            raise SourceError(
                f'distillation: expected local features that span at least {wanted} directions, '
                f'found {len(found.deviations)}; use more photos, or a smaller reduced_channels'
            )
        directions = torch.from_numpy(found.directions)
        reduction.set_projection(directions @ self.weight, directions @ self.bias)
