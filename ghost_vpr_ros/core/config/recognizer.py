"""The recogniser's settings, from descriptor to hypothesis; their defaults live only here."""

from __future__ import annotations

from dataclasses import dataclass

from ghost_vpr_ros.core.config.map import INDEXES, IndexConfig
from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.core.config.verification import FEATURES, VerificationConfig
from ghost_vpr_ros.core.errors import ConfigError


@dataclass(frozen=True)
class RecognizerConfig(Config):
    """From descriptor to hypothesis."""

    top_k: int = setting(10, 'candidates retrieved for each image', low=1, high=1000, runtime=True)
    min_probability: float = setting(
        0.9, 'probability from which a place is accepted', low=0.0, high=1.0, runtime=True
    )
    tentative_probability: float = setting(
        0.5, 'probability from which a place is tentative', low=0.0, high=1.0, runtime=True
    )
    group_radius_m: float = setting(
        25.0,
        'candidates this near to the best one support it',
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
        'how the frames before take part; filter: a Bayes filter over the places; sequence: '
        'sequence matching against all keyframes, its cost grows with the map; none: not at all',
        choices=('filter', 'sequence', 'none'),
        runtime=True,
    )
    sequence_frames: int = setting(
        10, 'sequence matching: length of a sequence', low=1, high=100, runtime=True
    )
    sequence_window: int = setting(
        10,
        'sequence matching: neighbours on the path by which a similarity is normalised',
        unit='keyframes',
        low=2,
        high=1000,
        runtime=True,
    )
    sequence_min_ratio: float = setting(
        0.8,
        'sequence matching with odometry: least way along the map, share of the way driven',
        low=0.0,
        high=10.0,
        runtime=True,
    )
    sequence_max_ratio: float = setting(
        1.2, 'sequence matching with odometry: greatest such share', low=0.0, high=10.0,
        runtime=True,
    )  # fmt: skip
    miss_probability: float = setting(
        0.3,
        'how often the best match is elsewhere although the camera is at a place of the map',
        low=0.01,
        high=0.49,
        runtime=True,
    )
    wrong_persistence: float = setting(
        0.5,
        'how often a wrong match is followed by another at the same place',
        low=0.0,
        high=1.0,
        runtime=True,
    )
    leave_probability: float = setting(
        0.02, 'how often the camera leaves the map from frame to frame', low=0.0, high=0.5,
        runtime=True,
    )  # fmt: skip
    enter_probability: float = setting(
        0.05, 'how often it comes back to the map', low=0.0, high=0.5, runtime=True
    )
    max_speed_m_s: float = setting(
        15.0,
        'fastest the camera moves; odometry that is faster has jumped',
        unit='m/s',
        low=0.1,
        high=200.0,
        runtime=True,
    )
    odometry_error: float = setting(
        0.2, 'largest error of odometry between two frames, share of the way', low=0.0, high=1.0,
        runtime=True,
    )  # fmt: skip
    max_odometry_age_s: float = setting(
        0.2,
        'odometry that is older than this when an image is taken is not used for it',
        unit='s',
        low=0.0,
        high=60.0,
        runtime=True,
    )
    match_spread_m: float = setting(
        5.0,
        'how far from a keyframe the camera may be that sees its place',
        unit='m',
        low=0.1,
        high=1e3,
        runtime=True,
    )
    evidence_distance_m: float = setting(
        2.0,
        'with odometry: a frame that is nearer to the last one that counted says nothing new',
        unit='m',
        low=1e-3,
        high=1e3,
        runtime=True,
    )
    evidence_interval_s: float = setting(
        0.3,
        'without odometry: a frame that comes sooner after the last one says nothing new',
        unit='s',
        low=1e-3,
        high=1e3,
        runtime=True,
    )
    memory_s: float = setting(
        10.0,
        'longest time between two frames that belong together',
        unit='s',
        low=0.0,
        high=1e4,
        runtime=True,
    )
    consistency: bool = setting(
        True, 'refuse answers that contradict those of the last metres', runtime=True
    )
    consistency_window_m: float = setting(
        30.0,
        'answers this near along the way are compared; without odometry those within memory_s',
        unit='m',
        low=0.0,
        high=1e4,
        runtime=True,
    )
    consistency_tolerance_m: float = setting(
        3.0,
        'the way between two frames and that between their places agree to this, the deviations '
        'of both places and odometry_error',
        unit='m',
        low=0.0,
        high=1e3,
        runtime=True,
    )
    min_support: int = setting(
        1,
        'answers of the last metres that one which only local features made sure has to agree '
        'with before it is accepted',
        low=0,
        high=100,
        runtime=True,
    )
    closure_support: int = setting(
        2,
        'answers, seen closure_support_m of driving before, that one has to agree with before it '
        'is a loop closure',
        low=0,
        high=100,
        runtime=True,
    )
    closure_support_m: float = setting(
        8.0, 'how far such answers lie back', unit='m', low=0.0, high=1e3, runtime=True
    )
    lockout_s: float = setting(
        0.0,
        'after two answers contradicted each other none is accepted for so long',
        unit='s',
        low=0.0,
        high=3600.0,
        runtime=True,
    )
    verify: bool = setting(
        True,
        'look for the same local features in the stored views of the best candidates',
        runtime=True,
    )
    verify_features: str = setting(
        VerificationConfig.features,
        'local features; sift: separates best; orb: is faster; network: the feature map of the '
        'network, too coarse for the direction of a closure; patch-netvlad: its patches, likewise',
        choices=FEATURES,
        runtime=True,
    )
    verify_from: float = setting(
        0.05, 'probability from which a place is verified', low=0.0, high=1.0, runtime=True
    )
    min_contrast: float = setting(
        3.0,
        'grey-level deviation below which an image is unusable (0-255)',
        low=0.0,
        high=255.0,
        runtime=True,
    )
    prior_radius_m: float = setting(
        0.0,
        'only keyframes this near to where GPS or odometry says that the camera is are looked at; '
        '0: all, wherever it is',
        unit='m',
        low=0.0,
        high=1e5,
        runtime=True,
    )
    index: str = setting(
        IndexConfig.index,
        'which keyframes are compared; exact: all; approximate: those of the most similar lists; '
        'auto: by the size of the map',
        choices=INDEXES,
    )
    exact_up_to: int = setting(
        IndexConfig.exact_up_to,
        'auto is exact up to so many keyframes',
        unit='keyframes',
        low=0,
        high=10_000_000,
    )

    @property
    def index_config(self) -> IndexConfig:
        """What finds the most similar descriptors."""
        return IndexConfig(self.index, self.exact_up_to)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tentative_probability > self.min_probability:
            raise ConfigError(
                f'tentative_probability: expected at most min_probability '
                f'{self.min_probability:g}, found {self.tentative_probability:g}'
            )
        if self.sequence_min_ratio > self.sequence_max_ratio:
            raise ConfigError(
                f'sequence_min_ratio: expected at most sequence_max_ratio '
                f'{self.sequence_max_ratio:g}, found {self.sequence_min_ratio:g}'
            )
