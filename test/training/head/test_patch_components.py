"""Principal components of patches: learnt on what they describe, smaller than the whitening."""

import numpy as np
import pytest

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.replay.config import PatchNetVladConfig
from ghost_vpr_ros.replay.evaluation.patch_netvlad import PatchDescriber
from test.core.model.tiny_model import pictures, tiny_model
from training.head.patch_components import patch_components


def frames(count: int) -> list[Frame]:
    return [Frame(str(n), lambda p=p: p) for n, p in enumerate(pictures(count, seed=3))]


@pytest.fixture(scope='module')
def model():
    """6 x 6 cells, without a whitening."""
    found = tiny_model()
    found.preprocessing = PreprocessingConfig(width_px=192, height_px=192)
    return found


def test_components_whiten_the_patches_they_were_learnt_from(model):
    engine, config = create_engine(model), PatchNetVladConfig(patch_dim=5)
    components = patch_components(model, engine, config, frames(8))
    describe = PatchDescriber(model, engine, config, components)
    patches = np.concatenate([describe(f.load()).grids[0].descriptors for f in frames(8)])
    assert patches.shape == (8 * 36, 5)
    np.testing.assert_allclose(np.linalg.norm(patches, axis=1), 1.0, rtol=1e-5)
    shares = (patches**2).mean(axis=0)
    assert shares.min() > 0.1
    assert shares.max() < 0.35


def test_their_number_has_to_be_named(model):
    with pytest.raises(ConfigError, match='patch_dim: expected the descriptor size'):
        patch_components(model, create_engine(model), PatchNetVladConfig(), frames(2))
