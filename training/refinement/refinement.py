"""Refinement of a network: batches of places, an anchor to the start, averaged weights.

The network starts distilled and whitened. Its descriptors, including the whitening, are trained to
distinguish places; its map of an augmented view is kept close to the original network's map of the
clean view (`anchor`), which prevents forgetting and transfers the daytime maps to the night. The
result is the running average of the weights, mixed with the start (`keep`).

Source: NetVLAD (journal version), Section 6.2, trains a projection after NetVLAD with it.
Deviation: views of a place are rendered or cut, and the loss is multi-similarity in place of the
    ranking loss over tuples; the mixture with the start follows M. Wortsman et al., Robust
    Fine-Tuning of Zero-Shot Models, CVPR 2022.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.core.errors import ConfigError, WeightsError
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.whitening import Whitening
from training.experiment import Experiment
from training.loop.checkpoint import (
    load_checkpoint,
    restore_tensors,
    save_checkpoint,
    tensors_of,
)
from training.loop.optimiser import (
    LAYERS,
    OptimiserConfig,
    freeze_below,
    training_mode,
    warm_half_cosine,
)
from training.loop.parallel import Processes
from training.refinement.place_views import PlaceViews
from training.refinement.similarity import SimilarityConfig, multi_similarity
from training.trunk.student import distillation_loss


@dataclass(frozen=True)
class RefinementConfig(Config):
    """Places, duration and rates; `refinement` in an experiment's YAML file."""

    places: tuple[str, ...] = setting(
        (),
        'sources, each `WEIGHT KIND PATH [COLUMN=VALUE ...]` with the kind facades, photos, '
        'same:COLUMN or pairs',
    )
    groups: int = setting(3000, 'groups of views in the bank', low=2, high=10_000_000)
    views_per_place: int = setting(4, 'views per group', low=2, high=32)
    view_px: int = setting(0, 'side of a view; 0: width of the input', unit='px', low=0, high=4096)
    places_per_batch: int = setting(16, 'groups per step and process', low=2, high=4096)
    different_m: float = setting(
        40.0,
        'least distance of different places of one source; closer ones may be the same place',
        unit='m',
        low=0.0,
        high=1e5,
    )
    memory: int = setting(
        4096,
        'number of descriptors of earlier steps to compare each view with',
        low=0,
        high=10_000_000,
    )
    steps: int = setting(800, 'optimiser steps', low=1, high=10_000_000)
    learning_rate: float = setting(
        1e-4, 'highest learning rate of AdamW for trunk and clusters', low=0.0, high=1.0
    )
    projection_rate: float = setting(
        1e-3,
        'the same for the whitening, relative to its root mean square',
        low=0.0,
        high=1.0,
    )
    warm_up_share: float = setting(0.05, 'share of the steps spent in warm-up', low=0.0, high=1.0)
    train_from: str = setting('stage4', 'first trained layer of the trunk', choices=LAYERS)
    anchor: float = setting(
        1.0, 'weight of the distance from the original maps', low=0.0, high=1e3
    )
    average_decay: float = setting(
        0.99, 'decay of the running average of weights, which is the result', low=0.0, high=1.0
    )
    keep: float = setting(0.0, 'share of the start in the result', low=0.0, high=1.0)
    half: bool = setting(False, 'round the result like `training.whiten --half`')
    checkpoint_every: int = setting(50, 'steps between checkpoints', low=1, high=1_000_000)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.places_per_batch > self.groups:
            raise ConfigError(
                f'refinement: expected at least places_per_batch groups, {self.places_per_batch}, '
                f'found {self.groups}; increase groups, or reduce places_per_batch'
            )


class MapsBefore:
    """The feature map of the network before refinement, stored in the bank as the anchor.

    Attributes:
        name: the network's hash.
        blocks: empty, since there is one map.
    """

    def __init__(self, model: VprModel) -> None:
        self._model = copy.deepcopy(model).eval()
        self.name = model.model_hash
        self.blocks: tuple[int, ...] = ()

    @torch.no_grad()
    def __call__(self, batch: Tensor) -> list[Tensor]:
        """The input of the pooling, (B, R, h, w)."""
        return [self._model.feature_map(batch)]


class _Refined(nn.Module):
    """Feature map and descriptor of a batch in one forward pass, for the loss."""

    def __init__(self, model: VprModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        feature_map = self.model.feature_map(batch)
        return feature_map, self.model.whitening(self.model.pooling(feature_map))


class DescriptorMemory:
    """The latest descriptors, newest first, as additional places to compare a batch with.

    A batch of a few dozen places has few that are easily confused. The network changes slowly, so
    recent descriptors are still valid for their images.

    Source: X. Wang et al., Cross-Batch Memory for Embedding Learning, CVPR 2020.

    Attributes:
        descriptors: (M, D) float32 unit norm.
        groups: (M,) int64 group of each descriptor's view.
    """

    def __init__(self, size: int, dim: int, device: torch.device) -> None:
        """An empty memory of at most `size` rows."""
        self._size = size
        self.descriptors = torch.empty(0, dim, device=device)
        self.groups = torch.empty(0, dtype=torch.int64, device=device)

    def add(self, descriptors: Tensor, groups: Tensor) -> None:
        """Add (n, D) float32 rows without gradient, and remove the oldest."""
        self.descriptors = torch.cat([descriptors, self.descriptors])[: self._size]
        self.groups = torch.cat([groups, self.groups])[: self._size]


class Refinement:
    """One refinement run: advanced step by step, saved and restored."""

    def __init__(
        self, experiment: Experiment, model: VprModel, places: PlaceViews, processes: Processes
    ) -> None:
        """Begin with this network.

        Args:
            experiment: with the sections `refinement` and `similarity`.
            model: trained in place.
            places: the groups of views, and which of them show different places.
            processes: rank and device of this process.

        Raises:
            WeightsError: it has no whitening.
        """
        if not isinstance(model.whitening, Whitening):
            raise WeightsError(
                f'{model.name}: expected a whitening to train, found none; learn one first with '
                'training.whiten'
            )
        self.config = experiment.section(RefinementConfig)
        self.similarity = experiment.section(SimilarityConfig)
        self.processes = processes
        self.step = 0
        self._places = places
        self.memory = DescriptorMemory(self.config.memory, model.descriptor_dim, processes.device)
        self._seed = experiment.seed
        self._start = {name: value.clone() for name, value in model.state_dict().items()}
        self._origin = model.provenance.replace('; not yet trained on places', '')
        freeze_below(model, self.config.train_from)
        model.whitening.requires_grad_(True)
        refined = _Refined(model).to(processes.device)
        self.model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        averaging = get_ema_multi_avg_fn(self.config.average_decay)
        self.average = AveragedModel(model, multi_avg_fn=averaging, use_buffers=True)
        self.optimiser = torch.optim.AdamW(self._parameters(), weight_decay=0.0)
        self.network = processes.wrap(refined, same_buffers=True)

    def _parameters(self) -> list[dict[str, object]]:
        """Parameter groups: trunk and clusters at one rate, the whitening at another."""
        whitening = list(self.model.whitening.parameters())
        own = {id(each) for each in whitening}
        rest = [p for p in self.model.parameters() if p.requires_grad and id(p) not in own]
        projection = cast(Whitening, self.model.whitening).projection.detach()
        scale = float(projection.square().mean().sqrt())
        return [
            {'params': rest, 'highest': self.config.learning_rate},
            {'params': whitening, 'highest': self.config.projection_rate * scale},
        ]

    def advance(self, inputs: Tensor, maps: Tensor, groups: Tensor) -> tuple[float, float]:
        """Perform an optimiser step; returns the losses before it: of places, and of the anchor.

        Args:
            inputs: (P * K, 3, h, w) augmented views, those of a place adjacent.
            maps: (P * K, R, h', w') the original network's maps of the clean views.
            groups: (P,) int64 groups of the places.

        Raises:
            WeightsError: a loss is not finite.
        """
        training_mode(self.model, OptimiserConfig(freeze_batch_norm=True))
        share = warm_half_cosine(self.step, self.config.steps, self.config.warm_up_share)
        for group in self.optimiser.param_groups:
            group['lr'] = group['highest'] * share
        device = self.processes.device
        batch = inputs.to(device).contiguous(memory_format=torch.channels_last)
        found, descriptors = self.network(batch)
        views = groups.to(device).repeat_interleave(self.config.views_per_place)
        places = self._places_loss(descriptors, views)
        anchor = distillation_loss(found, maps.to(device))
        loss = places + self.config.anchor * anchor
        if not bool(loss.isfinite()):
            raise WeightsError(
                f'refinement: the loss of step {self.step} is {loss.item()}; the last checkpoint '
                'is intact: resume with a smaller refinement.learning_rate'
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.average.update_parameters(self.model)
        self._remember(descriptors.detach(), views)
        self.step += 1
        return places.item(), anchor.item()

    def _places_loss(self, descriptors: Tensor, views: Tensor) -> Tensor:
        """The loss of views (n, D) of groups (n,), compared with each other and the memory."""
        beside = torch.cat([descriptors, self.memory.descriptors])
        groups = torch.cat([views, self.memory.groups])
        other = self._places.different(
            views.cpu().numpy(), groups.cpu().numpy(), self.config.different_m
        )
        same = torch.zeros_like(views[:, None] == groups[None])
        # Views of the same group in the memory are the same pictures, so they are not positives.
        same[:, : len(views)] = views[:, None] == views[None]
        same.fill_diagonal_(False)
        return multi_similarity(
            descriptors @ beside.T,
            same,
            torch.from_numpy(other).to(views.device),
            self.similarity,
        )

    def _remember(self, descriptors: Tensor, views: Tensor) -> None:
        """Add the descriptors of all processes to the memory."""
        total = len(views) * self.processes.world
        self.memory.add(
            self.processes.gather(descriptors, total), self.processes.gather(views, total)
        )

    def result(self) -> VprModel:
        """The averaged network, mixed with the start; on the CPU, in evaluation mode."""
        average = self.average.module
        assert isinstance(average, VprModel)
        found = copy.deepcopy(average).cpu()
        mixed = found.state_dict()
        for name, start in self._start.items():
            if mixed[name].is_floating_point():
                mixed[name].lerp_(start.to(mixed[name]), self.config.keep)
        found.requires_grad_(False)
        kept = f', {self.config.keep:g} of the start kept' if self.config.keep else ''
        found.provenance = (
            f'{self._origin}; refined on places in {self.step} steps of {self._views} views, '
            f'seed {self._seed}{kept}'
        )
        return found.eval()

    @property
    def _views(self) -> int:
        """Views per step, over all processes."""
        return self.config.places_per_batch * self.config.views_per_place * self.processes.world

    def save(self, path: Path) -> None:
        """Write the checkpoint."""
        tensors = {
            **tensors_of(self.optimiser, model=self.model, average=self.average),
            'memory.descriptors': self.memory.descriptors,
            'memory.groups': self.memory.groups,
        }
        save_checkpoint(path, tensors, {'step': self.step})

    def restore(self, path: Path) -> None:
        """Continue from a checkpoint.

        Raises:
            WeightsError: it is damaged or of another architecture.
        """
        tensors, state = load_checkpoint(path)
        modules = {'model': self.model, 'average': self.average}
        restore_tensors(path, tensors, self.optimiser, **modules)
        device = self.processes.device
        groups = tensors['memory.groups'].to(device)
        filled = groups >= 0  # Checkpoints of earlier versions have empty rows.
        self.memory.add(tensors['memory.descriptors'].to(device)[filled], groups[filled])
        self.step = int(state['step'])
