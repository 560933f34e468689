"""Limits of the images that are decoded."""

from __future__ import annotations

from dataclasses import dataclass

from ghost_vpr_ros.core.config.settings import Config, setting


@dataclass(frozen=True)
class ImageConfig(Config):
    """Limits on a single image, whatever its header claims."""

    max_image_megapixels: float = setting(
        64.0,
        'largest image that is decoded; a larger one is refused by its header',
        unit='million pixels',
        low=0.01,
        high=1000.0,
    )
