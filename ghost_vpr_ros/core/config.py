"""The configurations of the model, the map and the recogniser; defaults live here and only here.

The node's own settings (topics, rates) are in `ros/parameters.py`, in the same form.
"""

from __future__ import annotations

from dataclasses import dataclass

from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.settings import Config, setting

MAX_INITIALISATION_IMAGES = 500
"""An untrained network is never set up on more images (NetVLAD, Section 5.1)."""


ENGINES = ('auto', 'torch')
"""Names of the engines that can run the network; `auto` is the fastest of them."""


@dataclass(frozen=True)
class EngineConfig(Config):
    """What runs the network."""

    engine: str = setting('auto', 'what runs the network', choices=ENGINES)
    device: str = setting('cpu', 'where it runs: cpu, cuda, cuda:1, ...')


@dataclass(frozen=True)
class PreprocessingConfig(Config):
    """From an RGB image to the network's input; travels in the weights file and in the map."""

    width_px: int = setting(320, 'width of the network input', unit='px', low=32, high=4096)
    height_px: int = setting(240, 'height of the network input', unit='px', low=32, high=4096)
    mean: tuple[float, float, float] = setting(
        (0.485, 0.456, 0.406), 'mean of R, G, B that is subtracted', low=0.0, high=1.0
    )
    std: tuple[float, float, float] = setting(
        (0.229, 0.224, 0.225), 'deviation of R, G, B that is divided by', low=1e-3, high=1.0
    )
    brightness: float = setting(
        0.0,
        'least mean grey level: a gamma curve brings darker images to it, 0 .. 1; 0: none is '
        'changed',
        low=0.0,
        high=0.9,
    )


@dataclass(frozen=True)
class ModelConfig(Config):
    """The network's architecture: GhostCNN, (reduction,) NetVLAD, whitening."""

    dilation: tuple[int, int] = setting(
        (5, 2), 'dilation rate in stages 1-4 and in stage 5', low=1, high=16
    )
    dilate: str = setting(
        'cheap',
        'which 3x3 or 5x5 depthwise convolutions carry the rate',
        choices=('cheap', 'stride', 'both'),
    )
    squeeze_excite: bool = setting(True, 'squeeze-and-excitation in the rows that have it')
    crop_channels: int = setting(
        960,
        'trunk output: 960 (after the last 1x1 convolution) or 160 (before)',
        choices=(160, 960),
    )
    reduced_channels: int = setting(
        0,
        'channels R of a learnt 1x1 reduction before NetVLAD; 0: no reduction, R = C',
        low=0,
        high=960,
    )
    clusters: int = setting(64, 'NetVLAD clusters K', low=2, high=1024)
    netvlad_version: str = setting(
        'v2', "v2: the paper's equations; v1: the authors' code, no bias", choices=('v1', 'v2')
    )
    descriptor_dim: int = setting(
        0, 'size of the whitened descriptor D; 0: no whitening, D = K * R', low=0, high=65536
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reduced_channels > self.crop_channels:
            raise ConfigError(
                f'reduced_channels: expected at most crop_channels {self.crop_channels}, found '
                f'{self.reduced_channels}; a reduction only makes smaller'
            )


@dataclass(frozen=True)
class PcaConfig(Config):
    """How principal components of many descriptors are found."""

    method: str = setting(
        'auto',
        'exact: every direction; randomised: only the D wanted; auto: exact where it is small',
        choices=('auto', 'exact', 'randomised'),
    )
    memory_gb: float = setting(
        4.0, 'most memory that the fit takes', unit='GB', low=1e-3, high=1e4
    )
    exact_side: int = setting(
        4096,
        'auto is exact up to so many images or descriptor dimensions, whichever are fewer',
        low=1,
        high=100_000,
    )
    oversampling: int = setting(
        64, 'directions that the randomised method carries beyond D', low=1, high=10_000
    )
    iterations: int = setting(
        4, 'power iterations of the randomised method, each a pass', low=1, high=100
    )


@dataclass(frozen=True)
class MapConfig(Config):
    """How a map stores its keyframes."""

    commit_interval_s: float = setting(
        1.0, 'longest time until an added keyframe is durable', unit='s', low=0.0, high=3600.0
    )
    view_width_px: int = setting(
        320, 'width of the stored JPEG view; 0: none', unit='px', low=0, high=4096
    )
    view_quality: int = setting(85, 'JPEG quality of the stored view', low=1, high=100)


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
        1.0,
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
    verify: bool = setting(
        False,
        'look for the same local features in the stored views where the probability is uncertain',
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
