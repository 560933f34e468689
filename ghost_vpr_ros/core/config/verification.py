"""Settings of the geometric verification of candidates; defaults live here and only here."""

from __future__ import annotations

from dataclasses import dataclass

from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.core.errors import ConfigError

PATCH_NETVLAD = 'patch-netvlad'
FEATURES = ('sift', 'orb', 'network', PATCH_NETVLAD)


@dataclass(frozen=True)
class VerificationConfig(Config):
    """Geometric verification of candidates by local features."""

    features: str = setting(
        'sift',
        'local features: sift separates best, orb is faster, network is the feature map, '
        'patch-netvlad its patches',
        choices=FEATURES,
    )
    max_features: int = setting(500, 'most local features of an image', low=50, high=10_000)
    working_width_px: int = setting(
        320, 'wider images are shrunk to it first', unit='px', low=64, high=4096
    )
    candidates: int = setting(3, 'how many of the best candidates are verified', low=1, high=100)
    match_ratio: float = setting(
        0.8,
        'nearest to second nearest distance below which a match counts; network: any',
        low=0.1,
        high=1.0,
    )
    threshold_px: float = setting(
        1.5,
        'error of a consistent match, at working size; network: one cell of its feature map',
        unit='px',
        low=0.1,
        high=50.0,
    )
    min_inliers: int = setting(
        0, 'consistent matches of a verified candidate; 0: the learnt number', low=0, high=10_000
    )
    min_cells: int = setting(
        3,
        'cells of a 4 x 4 grid that its consistent matches reach in both images',
        low=1,
        high=16,
    )
    cache_keyframes: int = setting(
        200,
        'keyframes whose local features stay in memory, up to 0.3 MB each',
        low=0,
        high=100_000,
    )
    assumed_fov_deg: float = setting(
        70.0,
        'horizontal field of view where no calibration is known',
        unit='deg',
        low=10.0,
        high=170.0,
    )
    assumed_error_deg: float = setting(
        20.0,
        'standard deviation of rotation and direction that assuming it adds',
        unit='deg',
        low=0.0,
        high=180.0,
    )
    unknown_distance_m: float = setting(
        5.0,
        'distance to the keyframe where nothing tells it, and its standard deviation',
        unit='m',
        low=1e-3,
        high=1e4,
    )


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
    patch_map_side: int = setting(
        30,
        'shorter side of the feature map that these sizes are meant for, in the paper 30; they '
        'grow and shrink with that of other maps; 0: they stay as they are',
        unit='cells',
        low=0,
        high=1000,
    )
    patch_weights: tuple[float, float, float] = setting(
        (0.45, 0.15, 0.4),
        'weights of the sizes in the score; 0: the size is left out, as is a size with fewer '
        'patches than RANSAC needs',
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
