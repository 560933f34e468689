"""Settings of the network: its input, its architecture, its principal components."""

from __future__ import annotations

from dataclasses import dataclass

from ghost_vpr_ros.core.config.settings import Config, setting, settings_of
from ghost_vpr_ros.core.errors import ConfigError

MAX_INITIALISATION_IMAGES = 500
"""An untrained network is never set up on more images (as in the code of NetVLAD's authors)."""


FITS = ('stretch', 'pad', 'inside', 'own')
"""How an image of another shape gets to the size of the network's input."""


@dataclass(frozen=True)
class PreprocessingConfig(Config):
    """From an RGB image to the network's input; travels in the weights file and in the map.

    With `fit` inside and own, images of other shapes make inputs of other sizes: PyTorch alone
    runs networks on those.
    """

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
    local_contrast: float = setting(
        0.0,
        'share of even light in the input: 1: every part of an image gets the same brightness and '
        'contrast; 0: images stay as they are',
        low=0.0,
        high=1.0,
    )
    fit: str = setting(
        'stretch',
        'how an image gets to width and height: stretch: to exactly these; pad: as large as fits '
        'in, the rest in the mean colour; inside: as large as fits in, and no larger; own: the '
        'image as it is',
        choices=FITS,
    )

    @property
    def varies(self) -> bool:
        """Whether images of different shapes make inputs of different sizes."""
        return self.fit in ('inside', 'own')

    @property
    def size_text(self) -> str:
        """Size of the input in words, as it stands in reports."""
        size = f'{self.width_px}x{self.height_px}'
        return {
            'stretch': size,
            'pad': f'{size} padded',
            'inside': f'inside {size}',
            'own': 'own size',
        }[self.fit]


_OF_NETVLAD = ('clusters', 'netvlad_version')

POOLING_SETTINGS = {
    'netvlad': _OF_NETVLAD,
    'vlad': ('clusters',),
    'max': (),
    'sum': (),
    'gem': ('gem_power',),
    'ghostvlad': (*_OF_NETVLAD, 'ghost_clusters'),
    'ghostvlad-sc': (*_OF_NETVLAD, 'ghost_clusters'),
    'crn': _OF_NETVLAD,
    'sralnet': (*_OF_NETVLAD, 'shadow_clusters'),
    'sralnet-sc': (*_OF_NETVLAD, 'shadow_clusters'),
    'spe-netvlad': (*_OF_NETVLAD, 'pyramid_levels'),
    'apanet': ('pyramid_levels',),
    'rmac': ('pyramid_levels',),
    'no-pool': ('local_max',),
    'netvlad-fc': (*_OF_NETVLAD, 'fc_dim'),
    'fc': ('local_max', 'fc_dim'),
}
"""Poolings -> the settings that they have; docs/poolings.md describes each."""

SEMANTIC = '-sc'
"""How the names of poolings end that start from label maps."""

BACKBONE_CHANNELS = {
    'ghostcnn': 960,
    'alexnet': 256,
    'alexnet_ungrouped': 256,
    'vgg16': 512,
    'mobilenet_v3_large': 960,
    'resnet18': 256,
}
"""Trunks -> channels C of their feature maps; `crop_channels` cuts those of ghostcnn."""

_CONVOLUTIONS_OF_VGG16 = {2: 64, 7: 128, 14: 256, 21: 512, 28: 512}

ROW_CHANNELS: dict[str, dict[int, int]] = {
    'ghostcnn': dict(
        enumerate((16, 24, 24, 40, 40, 80, 80, 80, 80, 112, 112, 160, 160, 160, 160, 160), 1)
    ),
    'alexnet': {3: 192, 6: 384, 8: 256, 10: 256},
    'alexnet_ungrouped': {3: 256, 6: 384, 8: 384, 10: 256},
    'vgg16': _CONVOLUTIONS_OF_VGG16,
    'mobilenet_v3_large': dict(
        enumerate((16, 24, 24, 40, 40, 40, 80, 80, 80, 80, 112, 112, 160, 160, 160), 1)
    ),
    'resnet18': {4: 64, 5: 128, 6: 256},
}
"""Trunks -> rows whose maps can be pooled (`rows`) -> channels of these maps.

Rows of ghostcnn are those of Table 1, of mobilenet_v3_large its blocks, of the others the numbers
of torchvision's layers.
"""

_OF_GHOSTCNN = ('dilation', 'dilate', 'squeeze_excite', 'crop_channels')


@dataclass(frozen=True)
class ModelConfig(Config):
    """The network's architecture: trunk, (reduction,) pooling, whitening."""

    backbone: str = setting(
        'ghostcnn',
        'trunk; dilation, dilate, squeeze_excite and crop_channels are settings of ghostcnn',
        choices=tuple(BACKBONE_CHANNELS),
    )
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
    rows: tuple[int, ...] = setting(
        (),
        'rows of the trunk whose maps are pooled together, finest first, at least two; the trunk '
        'ends at the last of them; none: only its last map',
        low=0,
        high=64,
        item=int,
    )
    join: str = setting(
        'maps',
        'with rows: maps are joined before one pooling, or a VLAD of each map is joined',
        choices=('maps', 'vlads'),
    )
    reduced_channels: int = setting(
        0,
        'channels R of a learned 1x1 reduction before the pooling, of each map where VLADs are '
        'joined; 0: no reduction, R = C',
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
    pooling: str = setting(
        'netvlad',
        'what makes one descriptor of the feature map, see docs/poolings.md',
        choices=tuple(POOLING_SETTINGS),
    )
    ghost_clusters: int = setting(
        8, 'clusters G of ghostvlad that take features in and are left out', low=1, high=1024
    )
    shadow_clusters: int = setting(
        4, 'shadow centroids S of each cluster of sralnet', low=1, high=64
    )
    gem_power: float = setting(3.0, 'power p that gem starts with', low=0.5, high=100.0)
    pyramid_levels: int = setting(
        0, 'levels of spe-netvlad (0: 2), apanet (0: 3) and rmac (0: 3)', low=0, high=8
    )
    local_max: int = setting(
        5, 'size and stride of the local maxima of no-pool and fc, in cells', low=1, high=64
    )
    fc_dim: int = setting(
        4096, 'outputs of the linear layer of fc and netvlad-fc', low=1, high=65536
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.backbone != 'ghostcnn':
            self._check_settings_of_ghostcnn()
        self._check_rows()
        if self.reduced_channels > self.trunk_channels:
            limit = 'crop_channels' if self.backbone == 'ghostcnn' else f"{self.backbone}'s"
            limit = 'that of the joined rows' if self.rows else limit
            raise ConfigError(
                f'reduced_channels: expected at most {limit} {self.trunk_channels}, found '
                f'{self.reduced_channels}; a reduction only makes smaller'
            )
        self._check_settings_of_poolings()

    def _check_settings_of_poolings(self) -> None:
        """Settings of another pooling would change nothing but the hash.

        Raises:
            ConfigError: one of them is not at its default.
        """
        everyones = {name for names in POOLING_SETTINGS.values() for name in names}
        others = everyones.difference(POOLING_SETTINGS[self.pooling])
        for item in settings_of(ModelConfig):
            value = getattr(self, item.name)
            if item.name in others and value != item.default:
                raise ConfigError(
                    f'{item.name}: not a setting of pooling {self.pooling}, expected '
                    f'{item.default}, found {value}; leave it out, or choose another pooling'
                )

    def _check_rows(self) -> None:
        """They are rows of the trunk, each once and in its order.

        Raises:
            ConfigError: they are not, or VLADs are to be joined that do not exist.
        """
        known = ROW_CHANNELS[self.backbone]
        for row in self.rows:
            if row not in known:
                raise ConfigError(
                    f'rows: expected rows of {self.backbone}, {_in_words(list(known))}, found '
                    f'{row}; choose among these'
                )
        if list(self.rows) != sorted(set(self.rows)) or len(self.rows) == 1:
            raise ConfigError(
                f'rows: expected at least two different rows, ascending, found {self.rows}; '
                'for the last map alone leave the setting out'
            )
        if self.join == 'vlads' and (not self.rows or self.pooling != 'netvlad'):
            raise ConfigError(
                f'join: vlads needs rows and pooling netvlad, found rows {self.rows} and pooling '
                f'{self.pooling}; name rows, or join maps'
            )

    @property
    def row_channels(self) -> tuple[int, ...]:
        """Channels of the maps of `rows`; empty where none are joined."""
        return tuple(ROW_CHANNELS[self.backbone][row] for row in self.rows)

    @property
    def pooled_channels(self) -> int:
        """R: channels of the map that the pooling is given."""
        if self.join == 'vlads' and self.reduced_channels:
            return self.reduced_channels * len(self.rows)
        return self.reduced_channels or self.trunk_channels

    @property
    def trunk_channels(self) -> int:
        """C of the trunk's feature map."""
        if self.rows:
            return sum(self.row_channels)
        if self.backbone == 'ghostcnn':
            return self.crop_channels
        return BACKBONE_CHANNELS[self.backbone]

    def _check_settings_of_ghostcnn(self) -> None:
        """They would change nothing but the hash of any other trunk.

        Raises:
            ConfigError: one of them is not at its default.
        """
        for item in settings_of(ModelConfig):
            value = getattr(self, item.name)
            if item.name in _OF_GHOSTCNN and value != item.default:
                raise ConfigError(
                    f'{item.name}: a setting of ghostcnn, expected {item.default} with backbone '
                    f'{self.backbone} ({self.trunk_channels} channels), found {value}; leave it '
                    'out, or choose backbone ghostcnn'
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
        'auto is exact up to this many images or descriptor dimensions, whichever are fewer',
        low=1,
        high=100_000,
    )
    oversampling: int = setting(
        64, 'directions that the randomised method carries beyond D', low=1, high=10_000
    )
    iterations: int = setting(
        4, 'power iterations of the randomised method, each a pass', low=1, high=100
    )


def _in_words(numbers: list[int]) -> str:
    """`1 to 16` of numbers without a gap, else all of them."""
    first, last = numbers[0], numbers[-1]
    if numbers == list(range(first, last + 1)):
        return f'{first} to {last}'
    return ', '.join(map(str, numbers))
