"""Settings of what leaves for other programs."""

from __future__ import annotations

from dataclasses import dataclass

from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.core.errors import ConfigError

EXPORTS = ('g2o', 'tum', 'csv', 'json')
"""Formats that the closures of a drive can be written in."""


@dataclass(frozen=True)
class ExportConfig(Config):
    """Whether closures are written for others."""

    export: str = setting(
        '',
        'write the loop closures as g2o, csv or json and the accepted poses as tum; several are '
        'separated by commas; empty: none',
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = [name for name in self.formats if name not in EXPORTS]
        if unknown:
            raise ConfigError(
                f'export: expected names of {", ".join(EXPORTS)} separated by commas, found '
                f'{unknown[0]!r}'
            )

    @property
    def formats(self) -> tuple[str, ...]:
        """The names, each once."""
        names = (name.strip() for name in self.export.split(','))
        return tuple(dict.fromkeys(name for name in names if name))


@dataclass(frozen=True)
class OdometryNoise(Config):
    """Uncertainty of odometry in a pose graph.

    Deviations grow with the square root of the distance. They are wider than its noise, because
    its bias has to fit into them over the length of a loop.
    """

    odometry_sigma_m: float = setting(
        0.1, 'of odometry, per square root of a metre', unit='m', low=1e-4, high=10.0
    )
    odometry_yaw_deg: float = setting(
        0.5, 'of its yaw, per square root of a metre', unit='deg', low=1e-3, high=90.0
    )
    odometry_tilt_deg: float = setting(
        0.1, 'of its roll and pitch, per square root of a metre', unit='deg', low=1e-3, high=90.0
    )
