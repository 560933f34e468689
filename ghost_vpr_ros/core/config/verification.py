"""Settings of the geometric verification of candidates; defaults live here and only here."""

from __future__ import annotations

from dataclasses import dataclass

FEATURES = ('sift', 'orb', 'network')


@dataclass(frozen=True)
class VerificationConfig:
    """Geometric verification of candidates by local features.

    Users choose `features` alone (`RecognizerConfig.verify_features`).

    Attributes:
        features: one of `FEATURES`.
        max_features: most local features of an image.
        working_width_px: wider images are first shrunk to it.
        candidates: how many of the best candidates are verified.
        match_ratio: nearest to second nearest distance below which a match counts; unused for
            cells of the network.
        threshold_px: error of a consistent match, at working size; for the network it is one cell
            of its feature map.
        min_inliers: consistent matches of a verified candidate; 0: the learned number.
        min_cells: cells of a 4 x 4 grid that its consistent matches reach in both images.
        cache_keyframes: keyframes whose local features stay in memory, up to 0.3 MB each.
        assumed_fov_deg: horizontal field of view where no calibration is known.
        assumed_error_deg: standard deviation of rotation and direction that assuming it adds.
        unknown_distance_m: distance to the keyframe where nothing measures it, and its standard
            deviation.
    """

    features: str = 'sift'
    max_features: int = 500
    working_width_px: int = 320
    candidates: int = 3
    match_ratio: float = 0.8
    threshold_px: float = 1.5
    min_inliers: int = 0
    min_cells: int = 3
    cache_keyframes: int = 200
    assumed_fov_deg: float = 70.0
    assumed_error_deg: float = 20.0
    unknown_distance_m: float = 5.0


@dataclass(frozen=True)
class PatchNetVladConfig(Config):
    """How two images are compared patch by patch."""

    patch_sizes: tuple[int, int, int] = setting(
        (2, 5, 8),
        'sides of the square patches; limited to that of the feature map',
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
