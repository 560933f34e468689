"""Descriptors of many frames, a batch at a time, in the frames' order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.engine import Engine
from ghost_vpr_ros.core.model.description import DescribedModel
from ghost_vpr_ros.core.preprocessing import pixel_batch

BATCH_SIZE = 8


def extract_descriptors(
    frames: Sequence[Frame],
    model: DescribedModel,
    engine: Engine,
    *,
    progress: Callable[[int], object] | None = None,
) -> NDArray[np.float32]:
    """Descriptors (N, D) float32, unit norm, of N frames.

    Args:
        frames: N frames; each image is read once.
        model: whose preprocessing is applied.
        engine: runs the model.
        progress: called with the number of frames after each batch.

    Raises:
        ImageError: an image cannot be read; the message names it.
    """
    descriptors = np.empty((len(frames), engine.descriptor_dim), dtype=np.float32)
    for start, batch in _batches(frames, model):
        descriptors[start : start + len(batch)] = engine.describe(batch)
        if progress is not None:
            progress(len(batch))
    return descriptors


def _batches(
    frames: Sequence[Frame], model: DescribedModel
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    for start in range(0, len(frames), BATCH_SIZE):
        loaded = (frame.load() for frame in frames[start : start + BATCH_SIZE])
        yield start, np.concatenate([pixel_batch(i, model.preprocessing) for i in loaded])
