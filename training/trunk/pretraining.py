"""A run of pre-training by classification: advanced step by step, validated, saved, restored."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.errors import ImageError, SourceError, TrainingError
from ghost_vpr_ros.core.model.vpr_model import VprModel
from training.datasets.readers.scene_folders import SceneSet
from training.experiment import Experiment
from training.loop.checkpoint import (
    load_checkpoint,
    restore_tensors,
    save_checkpoint,
    tensors_of,
)
from training.loop.optimiser import set_learning_rate
from training.trunk.backbone_weights import take_backbone_weights
from training.trunk.classification import (
    ClassificationConfig,
    SceneClassifier,
    count_hits,
    make_optimiser,
)
from training.trunk.scene_batches import SceneBatch


class Pretraining:
    """Network, optimiser and counters of one run.

    Attributes:
        experiment: all settings.
        config: its section `classification`.
        step: optimiser steps so far.
        minutes: time spent so far, including interrupted runs.
        val: figures of the last validation: `val_loss`, `val_top1`, `val_top5` (shares, 0 to 1).
        unreadable: one sentence for each image that was skipped.
    """

    def __init__(
        self, experiment: Experiment, scenes: SceneSet, steps: int, device: torch.device
    ) -> None:
        """Build the classifier, its trunk untrained or with torchvision's weights.

        Args:
            experiment: all settings.
            scenes: with the classes to learn.
            steps: number of steps of the training.
            device: to train on.
        """
        self.experiment = experiment
        self.config = experiment.section(ClassificationConfig)
        self.step = 0
        self.minutes = 0.0
        self.val: dict[str, float] = {}
        self.unreadable: set[str] = set()
        self._data: dict[str, list[Any]] = {
            'classes': list(scenes.classes),
            'images': [len(scenes.train), len(scenes.val)],
        }
        self._steps = steps
        self._device = device
        self._losses: list[float] = []
        self._saved_step = 0
        network = SceneClassifier(experiment.model, len(scenes.classes), experiment.seed)
        self._start = take_backbone_weights(network.trunk, experiment)
        self.network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = make_optimiser(self.network, self.config)

    @property
    def progress(self) -> float:
        """Share of the training that is done, 0 to 1: of its steps, or of its time limit."""
        of_time = self.minutes / self.config.max_minutes if self.config.max_minutes else 0.0
        return min(1.0, max(self.step / self._steps, of_time))

    @property
    def finished(self) -> bool:
        """Whether the limit of steps or time is reached."""
        return self.progress >= 1.0

    def advance(self, batch: SceneBatch) -> None:
        """One step of the optimiser.

        Raises:
            ImageError: an image is unreadable and not skipped, or fewer than two are left.
            TrainingError: loss or gradients are not finite; the weights are not changed.
        """
        self._note_unreadable(batch)
        if len(batch.labels) < 2:
            raise ImageError(
                f'step {self.step + 1}: expected at least 2 readable images in a batch, found '
                f'{len(batch.labels)}; {min(self.unreadable, default="add images")}'
            )
        self.network.train()
        set_learning_rate(self.optimiser, self.config.rate_at(self.progress))
        loss = self._loss(self._logits(batch.inputs), batch.labels, self.config.label_smoothing)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        length = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.gradient_norm)
        self._check(loss.item(), length.item())
        self.optimiser.step()
        self.step += 1
        self._losses.append(loss.item())

    @torch.no_grad()
    def validate(self, batches: Iterable[SceneBatch]) -> None:
        """Set `val`: loss without label smoothing, and top-1 and top-5 accuracy.

        Raises:
            ImageError: an image is unreadable and not skipped, or all are.
        """
        self.network.eval()
        loss, count, hits = 0.0, 0, [0, 0]
        for batch in batches:
            self._note_unreadable(batch)
            if not len(batch.labels):
                continue
            logits = self._logits(batch.inputs)
            loss += self._loss(logits, batch.labels, 0.0).item() * len(batch.labels)
            found = count_hits(logits, batch.labels.to(self._device))
            hits = [sum(pair) for pair in zip(hits, found, strict=True)]
            count += len(batch.labels)
        if not count:
            raise ImageError(f'no held-out image can be read, the first: {min(self.unreadable)}')
        self.val = {
            'val_loss': loss / count,
            'val_top1': hits[0] / count,
            'val_top5': hits[1] / count,
        }

    def take_figures(self) -> dict[str, float]:
        """Mean loss since the last call, and the current learning rate."""
        mean = math.fsum(self._losses) / len(self._losses)
        self._losses.clear()
        return {'loss': mean, 'learning_rate': self.optimiser.param_groups[0]['lr']}

    def save(self, path: Path) -> None:
        """Write the checkpoint."""
        state = {
            'step': self.step,
            'minutes': self.minutes,
            'val': self.val,
            'losses': self._losses,
            'unreadable': sorted(self.unreadable),
            'data': self._data,
        }
        save_checkpoint(path, tensors_of(self.optimiser, network=self.network), state)
        self._saved_step = self.step

    def restore(self, path: Path) -> None:
        """Continue from a checkpoint.

        Raises:
            WeightsError: it is damaged or of another architecture.
            SourceError: the scenes have changed.
        """
        tensors, state = load_checkpoint(path)
        if state['data'] != self._data:
            classes, images = (state['data'][key] for key in ('classes', 'images'))
            raise SourceError(
                f'{path}: expected the scenes of this run, {len(classes)} classes with {images} '
                f'images (train, val), found {len(self._data["classes"])} classes with '
                f'{self._data["images"]}; restore the folders, or start in another folder'
            )
        restore_tensors(path, tensors, self.optimiser, network=self.network)
        self.step, self.minutes, self.val = int(state['step']), state['minutes'], state['val']
        self._losses, self.unreadable = state['losses'], set(state['unreadable'])
        self._saved_step = self.step

    def result(self) -> VprModel:
        """The network with this trunk; the layers after the trunk are not initialised."""
        with torch.random.fork_rng(devices=[]):
            model = VprModel(self.experiment.model, self.experiment.preprocessing)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.zero_()
        model.backbone.load_state_dict(self.network.trunk.state_dict())
        model.provenance = self.provenance()
        return model.eval()

    def metrics(self) -> dict[str, Any]:
        """The results of the run, for metrics.json."""
        return {
            **self.val,
            'steps': self.step,
            'minutes': round(self.minutes, 2),
            **self._data,
            'unreadable': sorted(self.unreadable),
        }

    def provenance(self) -> str:
        """The provenance of the weights."""
        start = f', started from {self._start}' if self._start else ''
        return (
            f'trunk trained to classify {len(self._data["classes"])} kinds of scenes in '
            f'{self.step} steps of {self.config.batch_size} views (held-out top-1 '
            f'{100 * self.val["val_top1"]:.1f} %), seed {self.experiment.seed}{start}; '
            'not yet trained on places'
        )

    def _logits(self, inputs: Tensor) -> Tensor:
        """(B, classes) float32."""
        kind = self._device.type
        low = self.config.precision == 'bfloat16' or (
            self.config.precision == 'auto' and kind == 'cuda'
        )
        there = inputs.to(self._device, memory_format=torch.channels_last, non_blocking=True)
        with torch.autocast(kind, torch.bfloat16, enabled=low):
            logits: Tensor = self.network(there)
        return logits.float()

    def _loss(self, logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        return nn.functional.cross_entropy(
            logits, labels.to(self._device), label_smoothing=smoothing
        )

    def _check(self, loss: float, gradient_norm: float) -> None:
        if not (math.isfinite(loss) and math.isfinite(gradient_norm)):
            kept = f'the checkpoint of step {self._saved_step} is intact'
            raise TrainingError(
                f'step {self.step + 1}: the loss is {loss:g} and its gradient {gradient_norm:g} '
                f'long, expected numbers; {kept if self._saved_step else "none is saved yet"}: '
                'start in another folder with a lower classification.learning_rate'
            )

    def _note_unreadable(self, batch: SceneBatch) -> None:
        if batch.unreadable and not self.config.skip_unreadable:
            raise ImageError(
                f'{batch.unreadable[0]}; or set classification.skip_unreadable to skip such images'
            )
        self.unreadable.update(batch.unreadable)
