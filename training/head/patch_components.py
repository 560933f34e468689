"""Principal components of patches: what Patch-NetVLAD can use in place of a network's whitening.

Patches show less than whole images do, and vary in other directions.
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
    """A whitening to `patch_dim` numbers, learned on patches of all sizes of training images.

    Args:
        model: the network whose pooling describes patches.
        engine: runs it; its owner closes it.
        config: sizes of the patches, and `patch_dim`.
        frames: training images; at most 500, spread evenly, with 20 patches each.

    Raises:
        ConfigError: no `patch_dim`, or a network without patches.
        SpanError: the patches span fewer directions.
        ImageError: an image cannot be read.
    """
    if not config.patch_dim:
        raise ConfigError(
            'patch_dim: expected the size of the descriptors for principal components of patches, '
            'found 0; name one, 128 in the storage mode of Patch-NetVLAD'
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
    """(n, K * C) patches of one image, from each size that counts the same number."""
    grids = [grid for grid in patches.grids if grid.counts]
    share = max(PATCHES_PER_IMAGE // len(grids), 1)
    return np.concatenate(
        [grid.descriptors[rng.permutation(len(grid))[: min(share, len(grid))]] for grid in grids]
    )
