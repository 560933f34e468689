"""Principal components of patches, for Patch-NetVLAD in place of the network's whitening.

Patches vary in other directions than whole images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.engine import Engine
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.model.description import DescribedModel
from ghost_vpr_ros.core.model.whitening import Whitening
from ghost_vpr_ros.core.sampling import evenly_spaced
from ghost_vpr_ros.replay.config import PatchNetVladConfig
from ghost_vpr_ros.replay.evaluation.patch_netvlad import ImagePatches, PatchDescriber

PATCHES_PER_IMAGE = 20
MAX_IMAGES = 500


def patch_components(
    model: DescribedModel,
    engine: Engine,
    config: PatchNetVladConfig,
    frames: Sequence[Frame],
) -> Whitening:
    """A whitening to `patch_dim` dimensions, learned on patches of all sizes of training images.

    Args:
        model: the network whose pooling describes patches.
        engine: runs the network; closed by the caller.
        config: sizes of the patches, and `patch_dim`.
        frames: training images; at most 500, spread evenly, with 20 patches each.

    Raises:
        ConfigError: no `patch_dim`, or a network without patches.
        SpanError: the patches span fewer directions.
        ImageError: an image cannot be read.
    """
    if not config.patch_dim:
        raise ConfigError(
            'patch_dim: expected the descriptor size for principal components of patches, found '
            '0; set it, to 128 for the storage mode of Patch-NetVLAD'
        )
    describe = PatchDescriber(model, engine, replace(config, patch_whitening=False, patch_dim=0))
    rng = np.random.default_rng(0)
    chosen = evenly_spaced(len(frames), MAX_IMAGES)
    drawn = [
        _drawn(describe(frames[row].load()), rng)
        for row in tqdm(chosen, 'patches', unit='image', leave=False, disable=None)
    ]
    descriptors = np.concatenate(drawn)
    components = Whitening(descriptors.shape[1], config.patch_dim)
    components.fit(descriptors)
    return components.eval()


def _drawn(patches: ImagePatches, rng: np.random.Generator) -> NDArray[np.float32]:
    """(n, K * C) random patches of one image, equally many of each size in use."""
    grids = [grid for grid in patches.grids if grid.counts]
    share = max(PATCHES_PER_IMAGE // len(grids), 1)
    return np.concatenate(
        [grid.descriptors[rng.permutation(len(grid))[: min(share, len(grid))]] for grid in grids]
    )
