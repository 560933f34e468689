"""The configurations of engine, model and map; defaults live here and only here.

The recogniser's are in `recognizer_config.py`, the node's own (topics, rates) in
`ros/parameters.py`, in the same form.
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


INDEXES = ('auto', 'exact', 'approximate')
"""Kinds of search index; `auto` goes by the size of the map."""


@dataclass(frozen=True)
class IndexConfig(Config):
    """What finds the most similar descriptors of a map."""

    index: str = setting(
        'auto',
        'which keyframes are compared; exact: all; approximate: those of the most similar lists; '
        'auto: by the size of the map',
        choices=INDEXES,
    )
    exact_up_to: int = setting(
        50_000, 'auto is exact up to so many keyframes', unit='keyframes', low=0, high=10_000_000
    )

    def is_exact(self, count: int) -> bool:
        """Whether a map of so many keyframes is searched exactly."""
        by_size = self.index == 'auto' and count <= self.exact_up_to
        return self.index == 'exact' or by_size


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
