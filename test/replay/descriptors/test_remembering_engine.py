"""The engine that remembers hands on what it does not remember."""

import numpy as np

from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.replay.descriptors.remembering_engine import RememberingEngine
from test.core.model.tiny_model import tiny_model


def test_feature_maps_are_those_of_the_other_engine():
    engine = create_engine(tiny_model())
    batch = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    remembering = RememberingEngine(engine)
    np.testing.assert_array_equal(remembering.feature_map(batch), engine.feature_map(batch))
    assert remembering.known == {}
