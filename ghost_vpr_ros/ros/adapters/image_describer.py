"""The network by itself: descriptors of single images, without a map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.model.default_weights import default_weights
from ghost_vpr_ros.core.model.weights_file import StoredModel
from ghost_vpr_ros.core.preprocessing import pixel_batch


@dataclass(frozen=True)
class DescriberConfig(Config):
    """Which network."""

    model: str = setting('', 'weights file; empty: the weights that come with the package')


class ImageDescriber:
    """Turns an image into its descriptor."""

    def __init__(self, config: DescriberConfig, engine: EngineConfig) -> None:
        """Put the network on its device.

        Raises:
            WeightsError: the weights are missing or unreadable.
            DeviceError: the machine lacks the device.
        """
        model = StoredModel.from_file(config.model) if config.model else default_weights()
        self._preprocessing = model.preprocessing
        self._engine = create_engine(model, engine)

    def describe(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Descriptor (D,) float32, unit norm, of an RGB uint8 (H, W, 3) image.

        Raises:
            ImageError: the image is empty or not of that form.
        """
        return self._engine.describe(pixel_batch(image, self._preprocessing))[0]
