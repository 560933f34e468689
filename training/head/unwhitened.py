"""Unwhitened descriptors of many images, in a file that can be continued after an interruption."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.model.vpr_model import VprModel
from training.loop.describing import Describer
from training.loop.image_batches import ImageStore, open_pool
from training.loop.parallel import Processes
from training.loop.schedule import ScheduleConfig
from training.places.descriptor_cache import DescriptorCache

_BATCHES_PER_CALL = 8
"""Batches between writes; an interruption loses at most these."""


def unwhitened_descriptors(
    model: VprModel,
    frames: Sequence[Frame],
    source: str,
    folder: Path,
    schedule: ScheduleConfig,
    device: str = 'auto',
) -> NDArray[np.float16]:
    """Descriptors (N, K * C) float16 of N frames, memory-mapped.

    Args:
        model: moved to the device.
        frames: N frames.
        source: name of their source; distinguishes frames with the same names.
        folder: of the file, which is reused for the same network and frames.
        schedule: batch size and threads.
        device: cpu, cuda, cuda:N, or auto.

    Raises:
        ImageError: an image cannot be read; the message names it.
        OutputError: the folder cannot be written, or has too little space.
        DeviceError: no such device on this machine.
    """
    processes = Processes.start(device)
    model.to(processes.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    cache = DescriptorCache(folder, len(frames), model.pooling.out_dim)
    cache.start_refresh(f'{model.model_hash} {source} {_digest(frames)}')
    missing = cache.missing(np.arange(len(frames)))
    with open_pool(schedule.workers) as pool:
        store = ImageStore(frames, model.preprocessing, processes.device, 0.0, pool)
        describe = Describer(model, store, processes, schedule.describe_batch)
        with tqdm(total=len(missing), desc='describe', unit='image', disable=None) as bar:
            for rows in _portions(missing, _BATCHES_PER_CALL * schedule.describe_batch):
                cache.fill(rows, describe(rows))
                bar.update(len(rows))
    return cache.array()


def _portions(rows: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _digest(frames: Sequence[Frame]) -> str:
    """A digest of the list of frames."""
    return hashlib.sha256('\n'.join(frame.name for frame in frames).encode()).hexdigest()
