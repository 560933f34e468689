"""Settings of the comparison of images patch by patch; defaults live here and only here.

They are those of the paper (Hausler et al. 2021, Section 4.2), but for the whitening's size.
"""

from __future__ import annotations

from dataclasses import dataclass

from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.settings import Config, setting


@dataclass(frozen=True)
class PatchNetVladConfig(Config):
    """How two images are compared patch by patch."""

    patch_sizes: tuple[int, int, int] = setting(
        (2, 5, 8),
        'sides of the square patches; at most that of the feature map is taken',
        unit='cells',
        low=1,
        high=100,
    )
    patch_weights: tuple[float, float, float] = setting(
        (0.45, 0.15, 0.4),
        'weights of the sizes in the score; 0: the size is left out',
        low=0.0,
        high=100.0,
    )
    patch_scoring: str = setting(
        'ransac',
        'ransac: share of patches that agree with one homography; rapid: how little the '
        'displacements of matched patches differ from their mean',
        choices=('ransac', 'rapid'),
    )
    patch_whitening: bool = setting(
        True,
        "patches go through the network's whitening, as in the paper; without it they keep all "
        'numbers of a VLAD and take that much more memory and time',
    )
    patch_dim: int = setting(
        0,
        "numbers of a patch's descriptor, a prefix of the whitened ones; 0: all",
        low=0,
        high=65536,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.patch_dim and not self.patch_whitening:
            raise ConfigError(
                f'patch_dim: expected 0 without patch_whitening, found {self.patch_dim}; only '
                'whitened descriptors have a prefix that serves'
            )
        if not any(self.patch_weights):
            raise ConfigError('patch_weights: expected one above 0, found only zeros')
