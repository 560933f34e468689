"""Descriptors of many frames, a batch at a time, in the frames' order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.datatypes import Frame, Progress
from ghost_vpr_ros.core.engine import Engine
from ghost_vpr_ros.core.model.description import DescribedModel
from ghost_vpr_ros.core.preprocessing import least_side_px, pixel_batch

BATCH_SIZE = 8


def extract_descriptors(
    frames: Sequence[Frame],
    model: DescribedModel,
    engine: Engine,
    *,
    preprocessing: PreprocessingConfig | None = None,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Descriptors (N, D) float32, unit norm, of N frames.

    Args:
        frames: N frames; each image is read once.
        model: whose preprocessing is applied.
        engine: runs the model.
        preprocessing: in place of the model's; None: the model's.
        progress: called with the number of frames after each batch.

    Raises:
        ImageError: an image cannot be read; the message names it.
    """
    descriptors = np.empty((len(frames), engine.descriptor_dim), dtype=np.float32)
    for start, batch in _batches(frames, preprocessing or model.preprocessing):
        descriptors[start : start + len(batch)] = engine.describe(batch)
        if progress is not None:
            progress(len(batch))
    return descriptors


def _batches(
    frames: Sequence[Frame], preprocessing: PreprocessingConfig
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Number of the first frame, and inputs of one size: those of `BATCH_SIZE` frames at most."""
    for start in range(0, len(frames), BATCH_SIZE):
        side_px = least_side_px(preprocessing)
        loaded = (frame.at_least(side_px) for frame in frames[start : start + BATCH_SIZE])
        inputs = [pixel_batch(image, preprocessing) for image in loaded]
        for _, alike in groupby(inputs, key=np.shape):
            batch = np.concatenate(list(alike))
            yield start, batch
            start += len(batch)
