"""Groups of views of one place, and which groups certainly show different places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.preprocessing import preprocess
from training.loop.augmentation import AugmentationConfig, augment
from training.refinement.place_sources import PlaceSource
from training.trunk.view_bank import ViewBank

_DRAWN, _SEEN = 1, 2
"""Separate random streams of places and views."""


class PlaceViews:
    """G groups of K views; the seed determines the place of each group.

    Attributes:
        place: (G,) int64 number of the place over all sources.
        source: (G,) int64 number of its source.
        positions_m: (G, 2) float64, NaN if unknown.
        views_per_place: K.
    """

    def __init__(
        self,
        sources: Sequence[tuple[float, PlaceSource]],
        groups: int,
        views_per_place: int,
        preprocessing: PreprocessingConfig,
        seed: int,
        identity: object,
    ) -> None:
        """Choose the places; no image is read.

        Args:
            sources: sampling weight and places of each source.
            groups: G.
            views_per_place: K.
            preprocessing: the network's input, a square.
            seed: of all random choices.
            identity: all parameters of the sources, as JSON values.
        """
        self.views_per_place = views_per_place
        self._sources = [source for _, source in sources]
        self._preprocessing = preprocessing
        self._seed = seed
        self.identity = [identity, groups, views_per_place, preprocessing.to_dict(), seed]
        weights = np.array([weight for weight, _ in sources])
        rng = np.random.default_rng((seed, _DRAWN))
        self.source = rng.choice(len(sources), groups, p=weights / weights.sum())
        sizes = np.array([len(source.positions_m) for source in self._sources])
        self._own = (rng.random(groups) * sizes[self.source]).astype(np.int64)
        self.place = self._own + np.concatenate([[0], np.cumsum(sizes)])[self.source]
        self.positions_m = np.stack(
            [self._sources[s].positions_m[p] for s, p in zip(self.source, self._own, strict=True)]
        )

    def clean_views(self, block: int, count: int) -> NDArray[np.uint8]:
        """(count, size, size, 3) RGB uint8 views of a block of a bank, which may split groups.

        Raises:
            ImageError: an image cannot be read; the message names it.
        """
        each = self.views_per_place
        start = block * count
        end = min(start + count, len(self.place) * each)
        groups = range(start // each, -(-end // each))
        views = [view for group in groups for view in self._views(group)]
        return np.stack(views[start % each :][: end - start])

    def inputs(self, views: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> Tensor:
        """(B, 3, size, size) float32 network inputs of views."""
        made = [preprocess(view, self._preprocessing) for view in views]
        return torch.from_numpy(np.concatenate(made))

    def different(
        self, groups: NDArray[np.int64], others: NDArray[np.int64], distance_m: float
    ) -> NDArray[np.bool_]:
        """(n, m) whether two groups certainly show different places.

        Places of one source that are closer than `distance_m` may be the same place.
        """
        a, b = groups[:, None], others[None]
        apart_m = np.linalg.norm(self.positions_m[a] - self.positions_m[b], axis=2)
        # Unknown positions do not count as near.
        near = (self.source[a] == self.source[b]) & (apart_m < distance_m)
        return (self.place[a] != self.place[b]) & ~near

    def _views(self, group: int) -> list[NDArray[np.uint8]]:
        source = self._sources[self.source[group]]
        rng = np.random.default_rng((self._seed, group, _SEEN))
        size_px = self._preprocessing.width_px
        return source.views(int(self._own[group]), rng, self.views_per_place, size_px)


class PlaceBatches(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Item `step` is that step's batch: augmented views, their anchors and groups."""

    def __init__(
        self,
        bank: ViewBank,
        views: PlaceViews,
        augmentation: AugmentationConfig,
        batch: tuple[int, int],
        seed: Sequence[int],
    ) -> None:
        """Set the parameters of the batches.

        Args:
            bank: views, and their maps by the network before refinement.
            views: places of the groups.
            augmentation: of the views.
            batch: number of steps, and places per batch.
            seed: of all random choices, with the step.
        """
        self._bank = bank
        self._views = views
        self._augmentation = augmentation
        self._steps, self._places = batch
        self._seed = tuple(seed)

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs (P * K, 3, s, s), maps (P * K, C, h, w) float32, and groups (P,) int64.

        Views of one place are adjacent.
        """
        rng = np.random.default_rng((*self._seed, step))
        each = self._views.views_per_place
        groups = np.sort(rng.choice(len(self._views.place), self._places, replace=False))
        rows = (groups[:, None] * each + np.arange(each)).ravel()
        changed = [augment(self._bank.views[row], rng, self._augmentation) for row in rows]
        (kept,) = self._bank.maps
        maps = torch.from_numpy(kept[rows].astype(np.float32)).permute(0, 3, 1, 2)
        return self._views.inputs(changed), maps, torch.from_numpy(groups)
