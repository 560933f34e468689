"""Batches of labelled scenes: random views for training, whole images for validation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.errors import ImageError
from ghost_vpr_ros.core.image import read_image
from ghost_vpr_ros.core.preprocessing import preprocess
from training.datasets.readers.scene_folders import LabelledImages
from training.experiment import Experiment
from training.loop.augmentation import AugmentationConfig, augment, random_view
from training.trunk.classification import ClassificationConfig

# Separate random streams of orders and views.
_ORDER, _VIEW = 1, 2


@dataclass(frozen=True)
class SceneBatch:
    """The images of one step.

    Attributes:
        inputs: (B, 3, size, size) float32 network inputs of the readable images.
        labels: (B,) int64 numbers of their classes.
        unreadable: an error message for each unreadable image.
    """

    inputs: Tensor
    labels: Tensor
    unreadable: Sequence[str]


class TrainingViews(Dataset[SceneBatch]):
    """Item `step` is that step's batch, which depends only on seed and step.

    Each epoch has a different order; images that do not fill a batch are left out of that epoch.

    Attributes:
        steps_in_epoch: whole batches in one pass over the images, at least one.
    """

    def __init__(self, images: LabelledImages, experiment: Experiment) -> None:
        self._images = images
        self._config = experiment.section(ClassificationConfig)
        self._augmentation = experiment.section(AugmentationConfig)
        self._input = _square(experiment.preprocessing, self._config.crop_px)
        self._seed = experiment.seed
        self._size = min(self._config.batch_size, len(images))
        self.steps_in_epoch = len(images) // self._size

    def __len__(self) -> int:
        """Steps of the training without a time limit."""
        steps = self._config.epochs * self.steps_in_epoch
        return min(steps, self._config.max_steps or steps)

    def __getitem__(self, step: int) -> SceneBatch:
        """Augmented views of the step's images."""

        def change(image: NDArray[np.uint8], place: int) -> NDArray[np.uint8]:
            rng = np.random.default_rng((self._seed, _VIEW, step, place))
            crop_px, image_px = self._config.crop_px, self._config.image_px
            view = random_view(image, crop_px, rng, self._augmentation, image_px)
            return augment(view, rng, self._augmentation)

        return _read_batch(self._images, self._rows(step), change, self._input)

    def _rows(self, step: int) -> NDArray[np.int64]:
        epoch, place = divmod(step, self.steps_in_epoch)
        order = np.random.default_rng((self._seed, _ORDER, epoch)).permutation(len(self._images))
        return order[place * self._size : (place + 1) * self._size]


class WholeImages(Dataset[SceneBatch]):
    """Item `number` is a batch of unchanged images, in the order of the set."""

    def __init__(self, images: LabelledImages, experiment: Experiment) -> None:
        config = experiment.section(ClassificationConfig)
        self._images = images
        self._size = config.batch_size
        self._input = _square(experiment.preprocessing, config.image_px)

    def __len__(self) -> int:
        return -(-len(self._images) // self._size)

    def __getitem__(self, number: int) -> SceneBatch:
        """The batch of that number."""
        start = number * self._size
        rows = np.arange(start, min(start + self._size, len(self._images)))
        return _read_batch(self._images, rows, lambda image, _: image, self._input)


def load_batches(dataset: Dataset[SceneBatch], numbers: range, workers: int) -> DataLoader:
    """The batches of these numbers in order, loaded in this process or in `workers` processes."""
    return DataLoader(Subset(dataset, numbers), batch_size=None, num_workers=workers)


def _read_batch(
    images: LabelledImages,
    rows: Iterable[int],
    change: Callable[[NDArray[np.uint8], int], NDArray[np.uint8]],
    config: PreprocessingConfig,
) -> SceneBatch:
    """Read a batch; errors are returned as text, since workers do not preserve exceptions."""
    inputs: list[NDArray[np.float32]] = [np.empty((0, 3, config.height_px, config.width_px), 'f4')]
    labels: list[int] = []
    unreadable: list[str] = []
    for place, row in enumerate(rows):
        try:
            image = read_image(images.paths[row])
        except ImageError as error:
            unreadable.append(str(error))
            continue
        inputs.append(preprocess(change(image, place), config))
        labels.append(int(images.labels[row]))
    return SceneBatch(
        torch.from_numpy(np.concatenate(inputs)), torch.tensor(labels), tuple(unreadable)
    )


def _square(config: PreprocessingConfig, size_px: int) -> PreprocessingConfig:
    return dataclasses.replace(config, width_px=size_px, height_px=size_px)
