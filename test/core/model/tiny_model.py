"""Small networks and pictures for the tests of the model, the engine and the recogniser."""

import numpy as np

from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.model.initialisation import build_untrained
from ghost_vpr_ros.core.model.vpr_model import VprModel

PREPROCESSING = PreprocessingConfig(width_px=64, height_px=64)
CLUSTERS = 4
CHANNELS = 160


def pictures(count: int, seed: int = 0) -> list[np.ndarray]:
    """RGB uint8 (64, 64, 3) each: coloured blocks of 8 x 8 pixels, no two pictures alike."""
    blocks = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), np.uint8)
    return list(blocks.repeat(8, axis=1).repeat(8, axis=2))


def tiny_model(seed: int = 0, images: int = 12, **config) -> VprModel:
    """An untrained network, cropped at 160 channels, for 64 x 64 inputs, with 4 clusters."""
    settings = ModelConfig(**{'crop_channels': CHANNELS, 'clusters': CLUSTERS, **config})
    return build_untrained(settings, PREPROCESSING, pictures(images), seed)
