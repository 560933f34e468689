"""Distillation: the trunk learns the feature maps of a trained network, without labels.

Each map of the student is projected to the teacher's channels by a 1x1 convolution; the loss is
one minus the cosine, averaged over all cells and over the maps: only the last map, or pairs of
student rows and teacher blocks. Only the student's view is augmented, so by night it learns to
match the teacher's maps of the day.

Deviation: the papers pre-train on Places-365 labels. Measured against that and against no
    pre-training in docs/training.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ghost_vpr_ros.core.config.model import ROW_CHANNELS, ModelConfig
from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.model.backbones import build_backbone
from ghost_vpr_ros.core.model.initialisation import draw_random_weights
from ghost_vpr_ros.core.model.joined_maps import RowsTrunk
from ghost_vpr_ros.core.model.reduction import Reduction
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import load_model
from training.datasets.data_config import expanded
from training.experiment import Experiment
from training.head.starting_model import OF_TENSORS, check_same_trunk
from training.loop.checkpoint import (
    is_checkpoint,
    load_checkpoint,
    load_into,
    restore_tensors,
    save_checkpoint,
    tensors_of,
    unnamed,
)
from training.loop.optimiser import set_learning_rate, warm_half_cosine
from training.loop.parallel import Processes
from training.trunk.backbone_weights import take_backbone_weights
from training.trunk.student import Student, distillation_loss
from training.trunk.taught_maps import reduce_as_taught, take_rows
from training.trunk.teacher import STRIDE, Teacher, Teachers, open_teacher


@dataclass(frozen=True)
class Lesson:
    """A row of the student, and the teacher and block whose map it learns."""

    row: int
    block: int
    teacher: str


@dataclass(frozen=True)
class DistillationConfig(Config):
    """Photos and settings of a distillation; `distillation` in an experiment's YAML file."""

    photos: tuple[str, ...] = setting(
        (), 'sources, each `WEIGHT PATH [COLUMN=VALUE ...]`; $VARIABLES are expanded'
    )
    teacher: str = setting('efficientnet-lite0', 'network to learn the feature maps of')
    maps: tuple[str, ...] = setting(
        (),
        'student rows and the teacher blocks that they learn, each `ROW-BLOCK`, or '
        '`ROW-BLOCK@NAME` for an additional teacher; empty: the last maps',
    )
    bank_views: int = setting(
        0,
        "number of views to store with the teacher's maps and reuse under other light; 0: every "
        'view is new, and the teacher runs at every step',
        low=0,
        high=10_000_000,
    )
    continue_from: str = setting(
        '',
        'start from the student of this checkpoint of an earlier distillation, or from the trunk '
        'of these weights, at any dilation',
    )
    steps: int = setting(3000, 'optimiser steps', low=1, high=10_000_000)
    batch_size: int = setting(32, 'views per step', low=2, high=4096)
    view_px: int = setting(128, 'side of a view', unit='px', low=64, high=1024)
    late_view_px: int = setting(
        192, 'side of a view in the last part, with more context', unit='px', low=64, high=1024
    )
    late_share: float = setting(
        0.35, 'share of the steps with views of late_view_px', low=0.0, high=1.0
    )
    learning_rate: float = setting(2e-3, 'highest learning rate of AdamW', low=0.0, high=1.0)
    weight_decay: float = setting(0.02, 'weight decay of AdamW', low=0.0, high=1.0)
    warm_up_share: float = setting(0.04, 'share of the steps spent in warm-up', low=0.0, high=1.0)
    average_decay: float = setting(
        0.998, 'decay of the running average of weights, which is the result', low=0.0, high=1.0
    )
    precision: str = setting(
        'float32',
        "of the student's trunk; its weights stay float32",
        choices=('float32', 'bfloat16'),
    )
    checkpoint_every: int = setting(200, 'steps between checkpoints', low=1, high=1_000_000)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.lessons()
        if self.bank_views and self.late_view_px != self.view_px and self.late_share:
            raise ConfigError(
                f'distillation: views of a bank have one size, found view_px {self.view_px} and '
                f'late_view_px {self.late_view_px}; set both equal, or late_share to 0'
            )
        for size in (self.view_px, self.late_view_px):
            if size % STRIDE:
                raise ConfigError(
                    f'distillation: expected views of a multiple of {STRIDE} px, found {size} px; '
                    'change view_px or late_view_px'
                )

    def lessons(self) -> list[Lesson]:
        """The pairs of student rows and teacher blocks, by teacher; empty: the last map.

        Raises:
            ConfigError: a malformed text, or rows or blocks that do not ascend.
        """
        found: dict[str, list[Lesson]] = {}
        for text in self.maps:
            numbers, _, name = text.partition('@')
            row, dash, block = numbers.partition('-')
            if not (dash and row.isdecimal() and block.isdecimal()):
                raise ConfigError(
                    'distillation.maps: expected ROW-BLOCK such as 9-7, or ROW-BLOCK@TEACHER, '
                    f'found {text!r}'
                )
            teacher = name or self.teacher
            found.setdefault(teacher, []).append(Lesson(int(row), int(block), teacher))
        for lessons in found.values():
            for side in ([each.row for each in lessons], [each.block for each in lessons]):
                if side != sorted(set(side)):
                    raise ConfigError(
                        'distillation.maps: expected rows and blocks that ascend for each '
                        f'teacher, found {self.maps}'
                    )
        return [each for lessons in found.values() for each in lessons]

    def view_sizes(self) -> list[int]:
        """Side of the views in each step, px."""
        early = self.steps - round(self.late_share * self.steps)
        return [self.view_px] * early + [self.late_view_px] * (self.steps - early)

    def rate_at(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, then half a cosine down to zero."""
        return self.learning_rate * warm_half_cosine(step, self.steps, self.warm_up_share)


def open_teachers(config: DistillationConfig) -> list[Teacher]:
    """The teachers, each with the blocks of its maps to learn.

    Raises:
        ConfigError: no such teacher, or it has no such block.
        WeightsError: a teacher's package is not installed.
    """
    lessons = config.lessons()
    names = list(dict.fromkeys(each.teacher for each in lessons)) or [config.teacher]
    return [
        open_teacher(name, [each.block for each in lessons if each.teacher == name])
        for name in names
    ]


class Distillation:
    """One distillation run: advanced step by step, saved and restored."""

    def __init__(
        self, experiment: Experiment, teacher: Teacher | Teachers, processes: Processes
    ) -> None:
        self.experiment = experiment
        self.processes = processes
        self.config = experiment.section(DistillationConfig)
        self.teacher = teacher.to(processes.device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(experiment.seed)
            model = VprModel(experiment.model, experiment.preprocessing)
            trunk = self._trunk_of(model)
            student = self._student(trunk, experiment.model)
        draw_random_weights(trunk, experiment.seed)
        self._start = take_backbone_weights(trunk, experiment)
        self.model = model
        student.to(processes.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.student = student
        averaging = get_ema_multi_avg_fn(self.config.average_decay)
        self.average = AveragedModel(self.student, multi_avg_fn=averaging, use_buffers=True)
        # Set after the copy for the average, which is not run.
        student.precision = self.config.precision
        self.optimiser = torch.optim.AdamW(
            self.student.parameters(), weight_decay=self.config.weight_decay
        )
        # Batch statistics differ between processes; those of the first one are saved.
        self.network = processes.wrap(self.student, same_buffers=True)
        self.step = 0
        self.views = 0
        self.steps_before = 0
        if self.config.continue_from:
            self._continue_from(expanded(self.config.continue_from))

    def _trunk_of(self, model: VprModel) -> RowsTrunk:
        """The model's trunk; with `maps`, a trunk that ends at the last row learned.

        Raises:
            ConfigError: the model joins a row that learns no map, or a row is unknown.
        """
        rows = sorted({each.row for each in self.config.lessons()})
        strange = sorted(set(model.config.rows).difference(rows))
        if strange:
            raise ConfigError(
                f'model.rows: expected rows of distillation.maps, {rows}, found {strange[0]}; '
                'add it to distillation.maps with a block to learn'
            )
        unknown = sorted(set(rows).difference(ROW_CHANNELS[model.config.backbone]))
        if unknown:
            raise ConfigError(
                f'distillation.maps: expected rows of {model.config.backbone}, found '
                f'{unknown[0]}; choose among {list(ROW_CHANNELS[model.config.backbone])}'
            )
        if not rows:
            return model.backbone
        plain = build_backbone(replace(model.config, rows=(), join='maps', reduced_channels=0))
        del plain[rows[-1] + 1 :]
        return plain

    def _student(self, trunk: RowsTrunk, config: ModelConfig) -> Student:
        rows = [each.row for each in self.config.lessons()]
        own = [ROW_CHANNELS[config.backbone][row] for row in rows] or [trunk.out_channels]
        return Student(trunk, rows, list(zip(own, self.teacher.channels, strict=True)))

    def _continue_from(self, path: Path) -> None:
        """Start from the averaged student of an earlier run, or from the trunk of a weights file.

        Raises:
            WeightsError: it is missing, damaged or of another architecture.
        """
        if is_checkpoint(path):
            tensors, state = load_checkpoint(path)
            load_into(self.average, unnamed('average', tensors), path)
            self.student.load_state_dict(self.average.module.state_dict())
            self.steps_before = int(state['step']) + int(state.get('steps_before', 0))
            self.views = int(state['views'])
            return
        given = load_model(path)
        check_same_trunk(self.model.config, given, path, OF_TENSORS)
        tensors = given.backbone.state_dict()
        own = self.student.trunk.state_dict()
        fitting = {name: tensors.get(name, value) for name, value in own.items()}
        for student in (self.student, self.average.module):
            assert isinstance(student, Student)
            student.trunk.load_state_dict(fitting)
        self._start = f'{path.name} ({given.provenance})'

    @property
    def _taught(self) -> str:
        """The teacher and the maps learned, for the provenance."""
        maps = ', '.join(self.config.maps)
        return f'{self.teacher.name} (rows-blocks {maps})' if maps else self.teacher.name

    @property
    def rate(self) -> float:
        """Learning rate of the last step."""
        return self.config.rate_at(self.step - 1)

    def is_due(self, interval: int) -> bool:
        """Whether an action is due that happens every `interval` steps and after the last one."""
        return self.step % interval == 0 or self.step == self.config.steps

    def targets(self, clean: Tensor) -> list[Tensor]:
        """The teacher's maps of clean views (B, 3, h, w)."""
        found: list[Tensor] = self.teacher(clean.to(self.processes.device))
        return found

    def advance(self, targets: Sequence[Tensor], changed: Tensor) -> float:
        """Perform an optimiser step; returns the loss before it, the mean over the maps.

        Args:
            targets: the teacher's maps of the clean views.
            changed: (B, 3, h, w) the augmented views for the student.
        """
        set_learning_rate(self.optimiser, self.config.rate_at(self.step))
        device = self.processes.device
        inputs = changed.to(device).contiguous(memory_format=torch.channels_last)
        maps = zip(self.network(inputs), targets, strict=True)
        losses = [distillation_loss(own, target.to(device)) for own, target in maps]
        loss = torch.stack(losses).mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.average.update_parameters(self.student)
        self.step += 1
        self.views += len(changed) * self.processes.world
        return loss.item()

    def save(self, path: Path) -> None:
        """Write the checkpoint."""
        tensors = tensors_of(self.optimiser, student=self.student, average=self.average)
        state = {'step': self.step, 'views': self.views, 'steps_before': self.steps_before}
        save_checkpoint(path, tensors, state)

    def restore(self, path: Path) -> None:
        """Continue from a checkpoint.

        Raises:
            WeightsError: it is damaged or of another architecture.
        """
        tensors, state = load_checkpoint(path)
        modules = {'student': self.student, 'average': self.average}
        restore_tensors(path, tensors, self.optimiser, **modules)
        self.step, self.views = int(state['step']), int(state['views'])
        self.steps_before = int(state.get('steps_before', 0))

    def result(self, views: Iterable[Tensor]) -> VprModel:
        """The network with the averaged trunk; its clusters are not initialised.

        Each of joined rows gets its projection to the teacher's channels; `training.initialise`
        sets reduction and clusters. Otherwise a reduction becomes the projection followed by PCA
        of its output: the R directions of largest variance in the teacher's feature space.

        Args:
            views: batches (B, 3, h, w) to learn the PCA on.

        Raises:
            SourceError: the views span fewer than R directions.
        """
        average = self.average.module
        assert isinstance(average, Student)
        average.cpu().eval()
        if self.model.config.rows:
            take_rows(self.model, average)
        else:
            self.model.backbone.load_state_dict(average.trunk.state_dict())
            if isinstance(self.model.reduction, Reduction):
                reduce_as_taught(self.model.reduction, average, views)
        start = f', started from {self._start}' if self._start else ''
        self.model.provenance = (
            f'trunk distilled from {self._taught} in {self.steps_before + self.step} steps '
            f'({self.views} views), seed {self.experiment.seed}{start}; '
            'not yet trained on places'
        )
        return self.model.eval()
