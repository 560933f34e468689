"""The images of a batch of training tuples: read, augmented and resized in threads.

What happens to an image follows from the seed, the epoch and its place in its tuple alone, so a
resumed training sees what an undisturbed one saw.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.preprocessing import input_pixels
from training.loop.augmentation import AugmentationConfig, augment
from training.loop.image_batches import load_ahead
from training.places.tuples import NO_ROW, TrainingTuple, pack_tuples

BEFORE_NEGATIVES = 2
"""Query and best positive stand before the negatives of a packed tuple."""


@dataclass(frozen=True)
class TupleBatch:
    """T tuples that go through the network at once.

    Attributes:
        packed: (T, 2 + J) int64 rows: query, best positive, negatives, `NO_ROW` where fewer.
        pixels: (n, h, w, 3) uint8 of the n images that are there, in the order of `packed`.
    """

    packed: NDArray[np.int64]
    pixels: Tensor

    @property
    def mask(self) -> Tensor:
        """(T, 2 + J) bool: whether an image stands there."""
        return torch.from_numpy(self.packed != NO_ROW)


class _Place(NamedTuple):
    """One image of a tuple: its row, the tuple's query, and its place in the tuple."""

    row: int
    query: int
    place: int


class TupleLoader:
    """Makes batches of the tuples of an epoch."""

    def __init__(
        self,
        frames: Sequence[Frame],
        preprocessing: PreprocessingConfig,
        augmentation: AugmentationConfig | None,
        seed: int,
        pool: ThreadPoolExecutor,
    ) -> None:
        """Read from these frames.

        Args:
            frames: of the training set.
            preprocessing: the network's input.
            augmentation: what is done to every image; None: nothing.
            seed: of the augmentation.
            pool: threads that load.
        """
        self._frames = frames
        self._preprocessing = preprocessing
        self._augmentation = augmentation
        self._seed = seed
        self._pool = pool

    def batches(
        self, parts: Sequence[Sequence[TrainingTuple]], epoch: int
    ) -> Iterator[TupleBatch]:
        """A batch for each part, T tuples each, T at least 1.

        Raises:
            ImageError: an image cannot be read; the message names it.
        """
        packed = [pack_tuples(part, max(len(each.negatives) for each in part)) for part in parts]

        def load(item: _Place) -> NDArray[np.uint8]:
            return self._load(item, epoch)

        pixels = load_ahead([_places(part) for part in parts], load, self._pool)
        for rows, loaded in zip(packed, pixels, strict=True):
            yield TupleBatch(rows, loaded)

    def _load(self, item: _Place, epoch: int) -> NDArray[np.uint8]:
        image = self._frames[item.row].load()
        if self._augmentation is not None:
            rng = np.random.default_rng((self._seed, epoch, item.query, item.place))
            image = augment(image, rng, self._augmentation)
        return input_pixels(image, self._preprocessing)


def _places(tuples: Sequence[TrainingTuple]) -> list[_Place]:
    return [
        _Place(int(row), each.query, place)
        for each in tuples
        for place, row in enumerate(each.rows)
    ]
