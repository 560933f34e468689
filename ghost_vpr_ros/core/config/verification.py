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
        threshold_px: error of a consistent match, at working size; for the network it is a quarter
            of a cell of its feature map.
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
    working_width_px: int = 240
    candidates: int = 3
    match_ratio: float = 0.8
    threshold_px: float = 1.5
    min_inliers: int = 0
    min_cells: int = 3
    cache_keyframes: int = 200
    assumed_fov_deg: float = 70.0
    assumed_error_deg: float = 20.0
    unknown_distance_m: float = 5.0
