"""Settings of evaluation and replay, in the form from which command-line options are derived."""

from __future__ import annotations

from dataclasses import dataclass

from ghost_vpr_ros.core.config.export import OdometryNoise
from ghost_vpr_ros.core.config.model import MAX_INITIALISATION_IMAGES
from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.core.errors import ConfigError


@dataclass(frozen=True)
class EvaluationConfig(Config):
    """What counts as right, and the size of pictures."""

    positive_distance_m: float = setting(
        25.0,
        'with ground truth by position: images within this distance show the same place',
        unit='m',
        low=0.0,
        high=1e5,
    )
    tolerance: int = setting(
        2,
        'with ground truth by index: largest difference of numbers at the same place',
        unit='frames',
        low=0,
        high=100_000,
    )
    sheet_rows: int = setting(10, 'queries on a sheet of pictures', low=1, high=100)


@dataclass(frozen=True)
class RerankConfig(Config):
    """Re-ranking of retrieved images."""

    rerank: str = setting(
        'none',
        'patch-netvlad: the best candidates are sorted by the similarity of their patches; none: '
        'the order of retrieval',
        choices=('none', 'patch-netvlad'),
    )
    rerank_candidates: int = setting(
        100, 'how many candidates of a query are re-ranked', low=1, high=10_000
    )
    rerank_cache: int = setting(
        2000,
        'database images whose patches stay in memory; each takes 0.7 MB with the shipped network',
        low=0,
        high=10**6,
    )


@dataclass(frozen=True)
class PatchNetVladConfig(Config):
    """Comparison of two images by patches."""

    patch_sizes: tuple[int, int, int] = setting(
        (2, 5, 8),
        'sides of the square patches; limited to that of the feature map',
        unit='cells',
        low=1,
        high=100,
    )
    patch_map_side: int = setting(
        30,
        'shorter side of the feature map for which these sizes hold, 30 in the paper; they scale '
        'with the side of other maps; 0: no scaling',
        unit='cells',
        low=0,
        high=1000,
    )
    patch_weights: tuple[float, float, float] = setting(
        (0.45, 0.15, 0.4),
        'weights of the sizes in the score; 0: the size is not used, nor is a size with fewer '
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
        "apply the network's whitening to patches, as in the paper; without it they keep the full "
        'size of a VLAD and take more memory and time',
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


@dataclass(frozen=True)
class CalibrationConfig(Config):
    """The target of a calibration."""

    precision: float = setting(0.99, 'target precision of accepted answers', low=0.5, high=1.0)
    unknown_share: float = setting(
        0.2,
        'share of frames at unknown places, simulated by hiding the place of each frame; '
        '0: only the drive as recorded',
        low=0.0,
        high=0.9,
    )
    by_lower_bound: bool = setting(
        False, 'judge precision by its one-sided 95 % lower bound instead of its observed value'
    )


@dataclass(frozen=True)
class InitialisationConfig(Config):
    """Initialisation of an untrained network."""

    seed: int = setting(0, 'seed of the random weights and of the clusters', low=0, high=2**31)
    initialisation_images: int = setting(
        300,
        'most images on which the clusters of an untrained network are set',
        low=1,
        high=MAX_INITIALISATION_IMAGES,
    )


@dataclass(frozen=True)
class DemoConfig(Config):
    """Size of the demonstration."""

    max_images: int = setting(
        200, 'most images of the map, and most queries; more are thinned out', low=2, high=100_000
    )
    node_images: int = setting(20, 'images published to the node', low=1, high=1000)
    node_rate_hz: float = setting(
        2.0, 'images per second that the node receives', unit='Hz', low=0.1, high=30.0
    )


@dataclass(frozen=True)
class LiveConfig(Config):
    """Rate and number of the images of `ghost-vpr live`."""

    rate_hz: float = setting(
        2.0,
        'images per second of a video or a camera; interval of the stamps of a folder',
        unit='Hz',
        low=0.01,
        high=1000.0,
    )
    count: int = setting(0, 'stop after this many images; 0: no limit', low=0, high=10**9)


@dataclass(frozen=True)
class OdometryConfig(Config):
    """Which odometry is used."""

    max_turn_deg_s: float = setting(
        360.0, 'faster turns of the odometry count as jumps', unit='deg/s', low=1.0, high=1e5
    )
    max_silence_s: float = setting(
        15.0, 'longest time without odometry that a link may span', unit='s', low=0.1, high=3600.0
    )


@dataclass(frozen=True)
class DescribeConfig(Config):
    """How the descriptors of a large source are computed and stored."""

    workers: int = setting(
        1,
        'processes that describe at the same time; each gets its share of the cores',
        low=1,
        high=1024,
    )
    dtype: str = setting(
        'float32',
        'type of the stored descriptors; float16 takes half the space',
        choices=('float32', 'float16'),
    )
    shard_frames: int = setting(
        512,
        'images in a file; at most this many are lost when a process dies',
        low=1,
        high=1_000_000,
    )


@dataclass(frozen=True)
class PoseGraphConfig(OdometryNoise):
    """Assumed noise of odometry and closures."""

    closure_heading_deg: float = setting(
        30.0, 'standard deviation of the heading of a closure', unit='deg', low=0.1, high=180.0
    )
    verified_angle_deg: float = setting(
        2.0, 'least standard deviation of a rotation from local features', unit='deg', low=0.1,
        high=180.0,
    )  # fmt: skip
    verified_sigma_m: float = setting(
        0.5,
        'least standard deviation of a position from local features',
        unit='m',
        low=1e-3,
        high=100.0,
    )
    kernel_width: float = setting(
        1.0, 'width of the Cauchy kernel on closures, in standard deviations', low=0.01, high=100.0
    )


@dataclass(frozen=True)
class DriftConfig(Config):
    """Drift of odometry that is simulated from true poses."""

    drift_scale_sigma: float = setting(
        0.01,
        "standard deviation of a drive's scale error, as a share",
        low=0.0,
        high=0.2,
    )
    drift_yaw_deg_m: tuple[float, float] = setting(
        (0.01, 0.05), 'least and largest yaw bias; the sign is random', unit='deg/m', low=0.0,
        high=5.0,
    )  # fmt: skip
    drift_noise_m: float = setting(
        0.02, 'noise of a step, per square root of a metre', unit='m', low=0.0, high=1.0
    )
    drift_yaw_noise_deg: float = setting(
        0.1, 'yaw noise of a step, per square root of a metre', unit='deg', low=0.0, high=5.0
    )


@dataclass(frozen=True)
class BagConfig(Config):
    """How a bag is written."""

    storage: str = setting('mcap', "the bag's file format", choices=('mcap', 'sqlite3'))
    image_format: str = setting(
        'jpeg', 'jpeg: CompressedImage; raw: Image in rgb8', choices=('jpeg', 'raw')
    )
    jpeg_quality: int = setting(95, 'JPEG quality of the images', low=1, high=100)
    rate_hz: float = setting(
        10.0, 'images per second if the source has no time stamps', unit='Hz', low=1e-3, high=1e3
    )


@dataclass(frozen=True)
class VisitConfig(Config):
    """Which images of a drive are used, and which of them are of one visit."""

    keyframe_distance_m: float = setting(
        2.0,
        'distance of one keyframe of a drive from the last one; 0: every image',
        unit='m',
        low=0.0,
        high=1e4,
    )
    revisit_after_s: float = setting(
        30.0,
        'least time between two images of a single drive that may show one place; 0: any',
        unit='s',
        low=0.0,
        high=1e7,
    )


@dataclass(frozen=True)
class TupleConfig(Config):
    """Which images may be in the tuple of a query."""

    positive_distance_m: float = setting(
        10.0, 'largest distance of potential positives', unit='m', low=0.0, high=1e4
    )
    negative_distance_m: float = setting(
        25.0, 'least distance of definite negatives', unit='m', low=0.0, high=1e5
    )
    min_time_between_days: float = setting(
        0.0,
        'least time between the query and its positives and negatives (Time Machine: 30; where '
        'all of a place was captured within days, hours as 0.25)',
        unit='days',
        low=0.0,
        high=36500.0,
    )
    max_time_between_days: float = setting(
        0.0,
        'most time between them; 0: any; for training without Time Machine, on images of one time',
        unit='days',
        low=0.0,
        high=36500.0,
    )
    positive_heading_deg: float = setting(
        0.0,
        'largest difference of known headings of a positive; 0: headings are not used',
        unit='deg',
        low=0.0,
        high=180.0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.negative_distance_m < self.positive_distance_m:
            raise ConfigError(
                f'negative_distance_m: expected at least positive_distance_m '
                f'{self.positive_distance_m:g}, found {self.negative_distance_m:g}'
            )
        most, least = self.max_time_between_days, self.min_time_between_days
        if most and most < least:
            raise ConfigError(
                f'max_time_between_days: expected at least min_time_between_days {least:g}, found '
                f'{most:g}; no image would be left'
            )

    @property
    def needs_times(self) -> bool:
        """Whether the time of capture of every image has to be known."""
        return bool(self.min_time_between_days or self.max_time_between_days)


@dataclass(frozen=True)
class ProjectionConfig(Config):
    """How long and how far the projection moves; `projection` in an experiment's YAML file."""

    steps: int = setting(300, 'optimiser steps', low=1, high=1_000_000)
    queries_per_step: int = setting(64, 'queries in a step', low=1, high=65536)
    database_per_step: int = setting(
        2048, 'most database images that a step compares with', low=2, high=10_000_000
    )
    learning_rate: float = setting(
        1e-3,
        'rate of Adam, as a share of the root mean square of the projection',
        low=0.0,
        high=1.0,
    )
    temperature: float = setting(0.05, 'softness t of the loss', low=1e-4, high=10.0)
    anchor: float = setting(
        1.0,
        'weight of the squared relative distance from the whitening',
        low=0.0,
        high=1e6,
    )
