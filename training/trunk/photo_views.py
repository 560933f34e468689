"""Batches of random views of photos; a batch depends only on seed and step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import ConfigError, ImageError
from ghost_vpr_ros.core.preprocessing import preprocess
from ghost_vpr_ros.replay.sources.image_sources import open_source
from training.datasets.data_config import DataConfig, conditions, expanded
from training.datasets.open_place_set import open_place_set
from training.loop.augmentation import AugmentationConfig, augment, random_view

_OF_A_BANK = 1 << 20
"""Used in place of the rank in the seed of a bank's views."""


@dataclass(frozen=True)
class Photos:
    """Frames of several sources, and their sampling probabilities.

    Attributes:
        frames: N photos.
        probability: (N,) float64, sums to 1.
    """

    frames: Sequence[Frame]
    probability: NDArray[np.float64]


def open_photos(sources: Sequence[str]) -> Photos:
    """All photos of the sources, each `WEIGHT PATH [COLUMN=VALUE ...]`.

    The condition `views=N` selects N views of each panorama instead of its images.

    Raises:
        SourceError: a source cannot be read.
        ConfigError: no source, no weight above 0, or a malformed text.
    """
    frames: list[Frame] = []
    weights: list[NDArray[np.float64]] = []
    for text in sources:
        weight, path, where = _parse(text)
        found = _frames(path, where)
        frames += found
        weights.append(np.full(len(found), weight / len(found)))
    total = sum(float(each.sum()) for each in weights)
    if not total > 0.0:
        raise ConfigError(
            'photos: expected at least one source with a weight above 0, found none; add '
            '`photos: [1 FOLDER]` to the section'
        )
    return Photos(frames, np.concatenate(weights) / total)


def _frames(path: str, where: dict[str, str]) -> Sequence[Frame]:
    """The photos of a source, or views of its panoramas.

    Raises:
        SourceError: it cannot be read, or its images are not panoramas.
        ConfigError: `views` is not a number.
    """
    views = where.pop('views', '')
    if not views:
        return open_source(path, where=where or None).frames
    if not views.isdecimal():
        raise ConfigError(f'photos: expected a number of views of each panorama, found {views!r}')
    texts = tuple(f'{column}={value}' for column, value in where.items())
    return open_place_set(DataConfig(path=(path,), where=texts, views=int(views))).frames


def open_unweighted(sources: Sequence[str]) -> list[Frame]:
    """All photos of the sources, each `PATH [COLUMN=VALUE ...]`, in order.

    Raises:
        SourceError: a source cannot be read.
        ConfigError: a malformed text.
    """
    return list(open_photos([f'1 {text}' for text in sources]).frames)


def _parse(text: str) -> tuple[float, str, dict[str, str]]:
    """Weight, path and manifest filter of one source."""
    weight, _, rest = text.partition(' ')
    path, *filters = rest.split() or ['']
    try:
        number = float(weight)
    except ValueError:
        number = -1.0
    if not 0.0 <= number < math.inf or not path or not all('=' in each for each in filters):
        raise ConfigError(
            f'photos: expected `WEIGHT PATH [COLUMN=VALUE ...]`, found {text!r}; for example '
            '`2 my_photos split=train`'
        )
    return number, str(expanded(path)), conditions(tuple(filters))


class ViewBatches(Dataset[tuple[Tensor, Tensor]]):
    """Item `step` is that step's batch: clean views for the teacher, augmented for the student.

    Attributes:
        batch_size: B.
    """

    def __init__(
        self,
        photos: Photos,
        sizes_px: Sequence[int],
        batch_size: int,
        seed: int,
        augmentation: AugmentationConfig,
        preprocessing: PreprocessingConfig,
        rank: int = 0,
    ) -> None:
        """Set the parameters of the batches; no photo is read.

        Args:
            photos: to cut views from.
            sizes_px: side of the views in each step; its length is the number of steps.
            batch_size: B.
            seed: of all random choices, with step and rank.
            augmentation: cutting of views, and changes of the student's views.
            preprocessing: mean, deviation and scale of the photos.
            rank: number of this process.
        """
        self._photos = photos
        self._sizes_px = sizes_px
        self.batch_size = batch_size
        self._seed = seed
        self._augmentation = augmentation
        self._preprocessing = preprocessing
        self._rank = rank

    def __len__(self) -> int:
        return len(self._sizes_px)

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        """Clean and augmented network inputs, (B, 3, size, size) float32 each."""
        rng = np.random.default_rng((self._seed, step, self._rank))
        views = self._views(rng, self.batch_size, self._sizes_px[step])
        changed = [augment(view, rng, self._augmentation) for view in views]
        return self.inputs(views), self.inputs(changed)

    @property
    def identity(self) -> list[object]:
        """All parameters of the clean views, as JSON values."""
        names = [frame.name for frame in self._photos.frames]
        cut = [self._augmentation.largest_zoom, self._augmentation.stretch, self._source_px]
        return [names, self._photos.probability.tolist(), self._sizes_px[0], self._seed, cut]

    def clean_views(self, block: int, count: int) -> NDArray[np.uint8]:
        """(count, size, size, 3) RGB uint8 views of a block of a bank, in the first size."""
        rng = np.random.default_rng((self._seed, block, _OF_A_BANK))
        return np.stack(self._views(rng, count, self._sizes_px[0]))

    def inputs(self, views: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> Tensor:
        """(B, 3, size, size) float32 network inputs of views of one size."""
        size_px = len(views[0])
        config = replace(self._preprocessing, width_px=size_px, height_px=size_px)
        return torch.from_numpy(np.concatenate([preprocess(view, config) for view in views]))

    @property
    def _source_px(self) -> int:
        """Side of a photo at the network's input, px."""
        return round((self._preprocessing.width_px * self._preprocessing.height_px) ** 0.5)

    def _views(
        self, rng: np.random.Generator, count: int, size_px: int
    ) -> list[NDArray[np.uint8]]:
        return [self._view(rng, size_px) for _ in range(count)]

    def _view(self, rng: np.random.Generator, size_px: int) -> NDArray[np.uint8]:
        """A view of a photo; an unreadable photo is replaced by another, at most ten times."""
        error: ImageError | None = None
        for _ in range(10):
            number = int(rng.choice(len(self._photos.frames), p=self._photos.probability))
            try:
                image = self._photos.frames[number].load()
            except ImageError as unreadable:
                error = unreadable
                continue
            return random_view(image, size_px, rng, self._augmentation, self._source_px)
        raise ImageError(f'ten photos in a row cannot be read, the last: {error}') from error
