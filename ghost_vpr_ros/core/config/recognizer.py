"""The recogniser's settings, from descriptor to hypothesis; their defaults live only here."""

from __future__ import annotations

from dataclasses import dataclass

from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.core.config.verification import FEATURES, VerificationConfig
from ghost_vpr_ros.core.errors import ConfigError

INDEXES = ('auto', 'exact', 'approximate')
"""Kinds of search index; `auto` depends on the size of the map."""


@dataclass(frozen=True)
class RecognizerConfig(Config):
    """From descriptor to hypothesis."""

    top_k: int = setting(10, 'candidates retrieved for each image', low=1, high=1000, runtime=True)
    min_probability: float = setting(
        0.0,
        "probability from which a place is accepted; 0: that of the map's calibration, 0.9 where "
        'it has none',
        low=0.0,
        high=1.0,
        runtime=True,
    )
    tentative_probability: float = setting(
        0.5, 'probability from which a place is tentative', low=0.0, high=1.0, runtime=True
    )
    group_radius_m: float = setting(
        25.0,
        'candidates within this distance of the best one support it',
        unit='m',
        low=0.0,
        high=1e4,
        runtime=True,
    )
    position_floor_m: float = setting(
        0.6,
        'least standard deviation of a published position',
        unit='m',
        low=1e-3,
        high=1e4,
        runtime=True,
    )
    heading_floor_rad: float = setting(
        0.1,
        'least standard deviation of a published heading',
        unit='rad',
        low=1e-4,
        high=3.2,
        runtime=True,
    )
    temporal: str = setting(
        'filter',
        'how previous frames are used; filter: a Bayes filter over the places; sequence: '
        'sequence matching against all keyframes, at a cost that grows with the map; none: each '
        'frame alone',
        choices=('filter', 'sequence', 'none'),
        runtime=True,
    )
    sequence_frames: int = setting(
        10, 'sequence matching: length of a sequence', low=1, high=100, runtime=True
    )
    max_speed_m_s: float = setting(
        15.0,
        'maximum speed of the camera; faster odometry counts as a jump',
        unit='m/s',
        low=0.1,
        high=200.0,
        runtime=True,
    )
    odometry_error: float = setting(
        0.2,
        'largest error of odometry between two frames, as a share of the distance',
        low=0.0,
        high=1.0,
        runtime=True,
    )
    max_odometry_age_s: float = setting(
        0.2,
        'age of odometry at the time of an image above which it is not used',
        unit='s',
        low=0.0,
        high=60.0,
        runtime=True,
    )
    match_spread_m: float = setting(
        5.0,
        'largest distance from a keyframe at which the camera sees the same place',
        unit='m',
        low=0.1,
        high=1e3,
        runtime=True,
    )
    evidence_distance_m: float = setting(
        2.0,
        'with odometry: frames closer than this to the last frame used are ignored as evidence',
        unit='m',
        low=1e-3,
        high=1e3,
        runtime=True,
    )
    evidence_interval_s: float = setting(
        0.3,
        'without odometry: frames sooner after the last frame used are ignored as evidence',
        unit='s',
        low=1e-3,
        high=1e3,
        runtime=True,
    )
    memory_s: float = setting(
        10.0,
        'longest time between two frames of one sequence',
        unit='s',
        low=0.0,
        high=1e4,
        runtime=True,
    )
    consistency: bool = setting(True, 'reject answers that contradict recent ones', runtime=True)
    min_support: int = setting(
        1,
        'recent answers that must agree with an answer that is sure only by its local features',
        low=0,
        high=100,
        runtime=True,
    )
    closure_support: int = setting(
        2,
        'earlier answers, some metres back, that must agree before an answer is a loop closure',
        low=0,
        high=100,
        runtime=True,
    )
    lockout_s: float = setting(
        0.0,
        'time after two contradicting answers during which none is accepted',
        unit='s',
        low=0.0,
        high=3600.0,
        runtime=True,
    )
    verify: bool = setting(
        True,
        'verify the best candidates by local features of their stored views',
        runtime=True,
    )
    verify_features: str = setting(
        VerificationConfig.features,
        'local features; sift: separates best; orb: is faster; network: the feature map of the '
        'network, too coarse for the direction of a closure',
        choices=FEATURES,
        runtime=True,
    )
    verify_from: float = setting(
        0.05, 'probability from which a place is verified', low=0.0, high=1.0, runtime=True
    )
    min_contrast: float = setting(
        3.0,
        'standard deviation of grey levels below which an image is unusable',
        low=0.0,
        high=255.0,
        runtime=True,
    )
    prior_radius_m: float = setting(
        0.0,
        'search only keyframes within this distance of the position given by GPS or odometry; '
        '0: search all',
        unit='m',
        low=0.0,
        high=1e5,
        runtime=True,
    )
    index: str = setting(
        'auto',
        'keyframes compared with a query; exact: all; approximate: those with similar codes; '
        'auto: exact up to 50,000',
        choices=INDEXES,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_probability and self.tentative_probability > self.min_probability:
            raise ConfigError(
                f'tentative_probability: expected at most min_probability '
                f'{self.min_probability:g}, found {self.tentative_probability:g}'
            )
