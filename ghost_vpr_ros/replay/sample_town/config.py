"""Everything about the town and its drives that a user may change, with units and ranges."""

from __future__ import annotations

from dataclasses import dataclass

from ghost_vpr_ros.core.config.settings import Config, setting

TOWN_VERSION = 1
"""Raised whenever the same settings give other pixels or poses; older output is then remade."""


@dataclass(frozen=True)
class TownConfig(Config):
    """The town, the drives through it and the noise of their sensors.

    The town is made up. Its origin lies in the open Atlantic, so that no rendered place is
    mistaken for a real one.
    """

    seed: int = setting(0, 'town, traffic and noise all follow from it', low=0, high=2**31 - 1)
    drives: int = setting(
        2, 'drives through the town; the third goes the other way round', low=1, high=50
    )
    frames: int = setting(150, 'images of each drive', low=2, high=100_000)
    width_px: int = setting(640, 'image width', unit='px', low=64, high=1920)
    height_px: int = setting(480, 'image height', unit='px', low=48, high=1440)
    focal_ratio: float = setting(0.72, 'focal length over image width', low=0.3, high=3.0)
    camera_height_m: float = setting(1.5, 'camera above base_link', unit='m', low=0.5, high=3.0)
    jpeg_quality: int = setting(88, 'JPEG quality of the images', low=1, high=100)
    blocks: tuple[int, int] = setting((3, 3), 'blocks of the town, east and north', low=1, high=6)
    route: str = setting(
        'loops', 'loops: round one block after the other; snake: no revisit before the end',
        choices=('loops', 'snake'),
    )  # fmt: skip
    interval_m: float = setting(
        2.5, 'travelled distance between images', unit='m', low=0.1, high=50.0
    )
    speed_m_s: float = setting(8.0, 'cruising speed', unit='m/s', low=0.5, high=20.0)
    parked_share: float = setting(0.5, 'share of parking places taken', low=0.0, high=1.0)
    latitude_deg: float = setting(45.0, 'origin of the map', unit='deg', low=-80.0, high=80.0)
    longitude_deg: float = setting(-30.0, 'origin of the map', unit='deg', low=-180.0, high=180.0)
    altitude_m: float = setting(20.0, 'origin of the map', unit='m', low=-400.0, high=9000.0)
    odometry_scale_sigma: float = setting(
        0.015, "deviation of a drive's wheel scale error", low=0.0, high=0.2
    )
    odometry_slip_sigma: float = setting(
        0.02, 'deviation of a step, per square root of a metre', unit='m', low=0.0, high=1.0
    )
    gyro_bias_sigma_deg_s: float = setting(
        0.03, 'deviation of the yaw-rate bias at the start', unit='deg/s', low=0.0, high=5.0
    )
    gyro_walk_deg_s: float = setting(
        0.01, 'random walk of the bias, per square root of a second', unit='deg/s', low=0.0,
        high=5.0,
    )  # fmt: skip
    gyro_noise_deg: float = setting(
        0.05, 'yaw noise per square root of a second', unit='deg', low=0.0, high=5.0
    )
    gps_white_sigma_m: float = setting(
        1.0, 'deviation of a fix, new each time', unit='m', low=0.0, high=50.0
    )
    gps_bias_sigma_m: float = setting(
        2.0, 'deviation of the slowly varying error', unit='m', low=0.0, high=50.0
    )
    gps_bias_time_s: float = setting(
        30.0, 'correlation time of the slow error', unit='s', low=0.1, high=3600.0
    )
    gps_dropout_share: float = setting(0.05, 'share of images without a fix', low=0.0, high=0.9)
    gps_multipath_share: float = setting(
        0.04, 'share of fixes thrown off by reflections', low=0.0, high=0.9
    )
