"""Descriptors of training images by the network as it is now, shared among the processes."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ghost_vpr_ros.core.model.vpr_model import VprModel
from training.loop.image_batches import ImageStore, InputMaker
from training.loop.parallel import Processes
from training.loop.quick_model import quick_copy


class Describer:
    """Calls of it give descriptors of rows of one set: `Describe` of `training.places.mining`."""

    def __init__(
        self,
        model: VprModel,
        store: ImageStore,
        processes: Processes,
        batch_size: int,
        *,
        quick: bool = False,
    ) -> None:
        """Describe the images of a store, `batch_size` of them at once.

        Args:
            model: as it is when it is called.
            store: the images.
            processes: that share the work.
            batch_size: images in memory at once.
            quick: take a copy in half precision, see `training.loop.quick_model`.
        """
        self._model = model
        self._store = store
        self._processes = processes
        self._batch_size = batch_size
        self._quick = quick
        self._inputs = InputMaker(model.preprocessing, processes.device)

    @torch.no_grad()
    def __call__(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Descriptors (n, D) float32, unit norm, of (n,) rows; the model is left in eval mode.

        Raises:
            ImageError: an image cannot be read; the message names it.
        """
        self._model.eval()
        model = quick_copy(self._model) if self._quick else self._model
        own = rows[self._processes.own]
        cuts = range(self._batch_size, len(own), self._batch_size)
        batches = [part for part in np.split(own, list(cuts)) if len(part)]
        device = self._processes.device
        found = torch.empty(len(own), self._model.pooling.out_dim, device=device)
        start = 0
        for pixels in self._store.pixels(batches):
            described = model.describe_unwhitened(self._inputs(pixels))
            found[start : start + len(pixels)] = described
            start += len(pixels)
        descriptors: NDArray[np.float32] = self._processes.gather(found, len(rows)).cpu().numpy()
        return descriptors
