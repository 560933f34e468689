"""Batches of training tuples, whose images are read, augmented and resized in threads.

The augmentation of an image depends only on the seed, the epoch and its position in its tuple, so
a resumed run gets the same images as an uninterrupted one.

A tuple is a query, its best positive and its hard negatives.

Source: NetVLAD (journal version), Section 4: (q, {p_i}, {n_j}), reduced by Section 5.1 to the best
potential positive and the hardest negatives.
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
from ghost_vpr_ros.replay.places.positives import WeakLabels
from training.loop.augmentation import AugmentationConfig, augment
from training.loop.image_batches import load_ahead

NO_ROW = -1
"""Padding of tuples with fewer negatives than others."""


@dataclass(frozen=True)
class TrainingTuple:
    """Rows of the images of one training tuple.

    Attributes:
        query: row of the query.
        best_positive: row of the potential positive with the nearest descriptor (Eq. 5).
        negatives: rows of the definite negatives that violate the margin, hardest first; at
            least one.
    """

    query: int
    best_positive: int
    negatives: tuple[int, ...]

    @property
    def rows(self) -> NDArray[np.int64]:
        """(2 + J,) int64: query, best positive, negatives."""
        return np.array([self.query, self.best_positive, *self.negatives], np.int64)


def pack_tuples(tuples: Sequence[TrainingTuple], negatives: int) -> NDArray[np.int64]:
    """(T, 2 + negatives) int64 rows: query, best positive, negatives, padded with `NO_ROW`.

    The form of tuples in batches and checkpoints.
    """
    packed = np.full((len(tuples), 2 + negatives), NO_ROW, np.int64)
    for place, each in enumerate(tuples):
        packed[place, : 2 + len(each.negatives)] = each.rows
    return packed


def unpack_tuples(packed: NDArray[np.int64]) -> list[TrainingTuple]:
    """The tuples of `pack_tuples`."""
    return [
        TrainingTuple(int(row[0]), int(row[1]), tuple(row[2:][row[2:] != NO_ROW].tolist()))
        for row in packed
    ]


def batch_negatives(packed: NDArray[np.int64], labels: WeakLabels) -> NDArray[np.bool_]:
    """Which images of other tuples in a batch are definite negatives of each query.

    Args:
        packed: (T, 2 + J) int64 from `pack_tuples`.
        labels: of the set of the rows.

    Returns:
        (T, T * (2 + J)) bool: `[t, i]` for query t and image i of the flattened batch; False for
        the images of tuple t and for padding.
    """
    size, width = packed.shape
    images = packed.reshape(-1)
    mask = np.zeros((size, size * width), bool)
    for number, row in enumerate(packed):
        mask[number] = labels.are_negatives(int(row[0]), images) & ~np.isin(images, row)
    return mask


BEFORE_NEGATIVES = 2
"""Number of images before the negatives in a packed tuple: query and best positive."""


@dataclass(frozen=True)
class TupleBatch:
    """T tuples of one forward pass.

    Attributes:
        packed: (T, 2 + J) int64 rows: query, best positive, negatives, padded with `NO_ROW`.
        pixels: (n, h, w, 3) uint8 of the n images, in the order of `packed`, without padding.
    """

    packed: NDArray[np.int64]
    pixels: Tensor

    @property
    def mask(self) -> Tensor:
        """(T, 2 + J) bool, False for padding."""
        return torch.from_numpy(self.packed != NO_ROW)


class _Place(NamedTuple):
    """One image of a tuple: its row, the tuple's query, and its position in the tuple."""

    row: int
    query: int
    place: int


class TupleLoader:
    """Loads batches of tuples."""

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
            augmentation: of every image; None: no augmentation.
            seed: of the augmentation.
            pool: threads that load the images.
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
