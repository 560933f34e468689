"""Descriptors before the whitening, stored in a folder so that an interrupted run continues."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.datatypes import Progress
from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.errors import ImageError
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import model_to_bytes
from ghost_vpr_ros.replay.config import DescribeConfig
from ghost_vpr_ros.replay.descriptors.plan import frames_table, make_plan
from ghost_vpr_ros.replay.descriptors.shard_work import describe_shards
from ghost_vpr_ros.replay.output_files import make_output_folder
from ghost_vpr_ros.replay.places.place_set import PlaceSet

STORAGE = DescribeConfig(dtype='float16', shard_frames=32)
"""An interruption loses 32 images at most."""

_NAME_CHARACTERS = 16


def unwhitened_descriptors(
    model: VprModel,
    places: PlaceSet,
    folder: Path,
    engine: EngineConfig,
    progress: Callable[[int], AbstractContextManager[Progress]],
) -> NDArray[np.float32]:
    """Descriptors (N, K * C) of N images, unit norm, in the precision of float16.

    Args:
        model: with whitening; it is not changed.
        places: N images.
        folder: for the descriptors; those of an earlier run with the same network and images are
            reused.
        engine: that runs the network.
        progress: opens a progress bar for this number of images.

    Raises:
        ImageError: an image cannot be read; the message names it.
        OutputError: the folder cannot be written, or the disk is full.
        DeviceError: this machine lacks the engine or the device.
    """
    bare = without_whitening(model)
    identity = f'{bare.model_hash} {STORAGE} {places.name}\n{frames_table(places.frames)}'
    digest = hashlib.sha256(identity.encode('utf-8', 'surrogateescape')).hexdigest()
    own = make_output_folder(folder / digest[:_NAME_CHARACTERS])
    plan = make_plan(own, places.name, places.frames, bare, model_to_bytes(bare), STORAGE)
    make_output_folder(plan.path_of(0).parent)
    with progress(len(places)) as advance, closing(create_engine(bare, engine)) as running:
        advance(plan.count_finished())
        try:
            describe_shards(plan, places.frames, bare, running, progress=advance)
        except ImageError as error:
            # The original message refers to a folder that the user has named.
            raise ImageError(
                f'{error.__cause__}; replace or remove the image and give the command again'
            ) from error
    return np.concatenate(
        [np.asarray(plan.load_shard(number), np.float32) for number in range(plan.num_shards)]
    )


def without_whitening(model: VprModel) -> VprModel:
    """A copy of the network up to its pooling."""
    bare = copy.deepcopy(model)
    bare.config = replace(model.config, descriptor_dim=0)
    bare.whitening = nn.Identity()
    bare.descriptor_dim = model.pooling.out_dim
    return bare
