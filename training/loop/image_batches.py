"""Read images in threads, ahead of the network, and make network inputs of them on the device."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.preprocessing import input_pixels, scale_and_offset

BATCHES_AHEAD = 2
ItemT = TypeVar('ItemT')


def open_pool(workers: int) -> ThreadPoolExecutor:
    """Threads that load images; 0: as many as there are cores."""
    return ThreadPoolExecutor(workers or os.cpu_count() or 1, 'image')


def load_ahead(
    batches: Iterable[Sequence[ItemT] | NDArray[np.int64]],
    load: Callable[[ItemT], NDArray[np.uint8]],
    pool: ThreadPoolExecutor,
) -> Iterator[Tensor]:
    """Pixels (B, h, w, 3) uint8 of each batch, in order.

    Args:
        batches: items to load, B in each, B at least 1.
        load: RGB uint8 (h, w, 3) of an item; called in threads.
        pool: the threads.

    Raises:
        ImageError: an image cannot be read; the message names it.
    """
    waiting: deque[list[Future[NDArray[np.uint8]]]] = deque()
    try:
        for batch in batches:
            waiting.append([pool.submit(load, item) for item in batch])
            if len(waiting) > BATCHES_AHEAD:
                yield _pixels(waiting.popleft())
        while waiting:
            yield _pixels(waiting.popleft())
    finally:
        for future in (each for futures in waiting for each in futures):
            future.cancel()


def _pixels(futures: Sequence[Future[NDArray[np.uint8]]]) -> Tensor:
    return torch.from_numpy(np.stack([future.result() for future in futures]))


class InputMaker:
    """Converts pixels to network inputs on the device, like `core.preprocessing`."""

    def __init__(self, preprocessing: PreprocessingConfig, device: torch.device) -> None:
        """Put the factors on the device."""
        self._device = device
        self._scale, self._offset = (
            torch.from_numpy(values).to(device) for values in scale_and_offset(preprocessing)
        )

    def __call__(self, pixels: Tensor) -> Tensor:
        """Inputs (B, 3, h, w) float32, channels last, of pixels (B, h, w, 3) uint8."""
        if self._device.type == 'cuda' and pixels.device.type == 'cpu':
            pixels = pixels.pin_memory()
        on_device = pixels.to(self._device, non_blocking=True)
        return (on_device * self._scale + self._offset).permute(0, 3, 1, 2)


class ImageStore:
    """Pixels of a set's images at the network's size, kept on the device if they fit."""

    def __init__(
        self,
        frames: Sequence[Frame],
        preprocessing: PreprocessingConfig,
        device: torch.device,
        limit_gb: float,
        pool: ThreadPoolExecutor,
    ) -> None:
        """Reserve memory for all frames, or for none if they exceed the limit."""
        self._frames = frames
        self._preprocessing = preprocessing
        self._pool = pool
        shape = (len(frames), preprocessing.height_px, preprocessing.width_px, 3)
        fits = float(np.prod(shape)) <= limit_gb * 1e9
        self._kept = torch.empty(shape, dtype=torch.uint8, device=device) if fits else None
        self._is_kept = np.zeros(len(frames), bool)

    def pixels(self, batches: Sequence[NDArray[np.int64]]) -> Iterator[Tensor]:
        """Pixels (B, h, w, 3) uint8 of each batch of rows; each image is read once if it fits.

        Raises:
            ImageError: an image cannot be read; the message names it.
        """
        if self._kept is None:
            yield from load_ahead(batches, self._load, self._pool)
            return
        absent = [rows[~self._is_kept[rows]] for rows in batches]
        loaded = load_ahead([rows for rows in absent if len(rows)], self._load, self._pool)
        for rows, missing in zip(batches, absent, strict=True):
            if len(missing):
                self._kept[torch.from_numpy(missing)] = next(loaded).to(self._kept.device)
                self._is_kept[missing] = True
            yield self._kept[torch.from_numpy(rows)]

    def _load(self, row: int) -> NDArray[np.uint8]:
        return input_pixels(self._frames[row].load(), self._preprocessing)
