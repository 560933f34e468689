"""Which topics of a bag are read, and how positions are carried to the images."""

from __future__ import annotations

from dataclasses import dataclass

from ghost_vpr_ros.core.config.settings import Config, setting


@dataclass(frozen=True)
class BagTopics(Config):
    """Topics of a bag; an empty name means the only topic of a matching type.

    Positions are interpolated between the two messages around an image's stamp. Where these are
    further apart than `max_gap_s`, the position is unknown. Before the first and after the last
    message their position is held for at most `max_hold_s`, and unknown beyond.
    """

    image_topic: str = setting('', 'topic of Image or CompressedImage; empty: the only one')
    position_topic: str = setting(
        '',
        'topic of NavSatFix, Odometry, PoseStamped, PoseWithCovarianceStamped or TFMessage; '
        'empty: the only one, fixes before poses before odometry; none: without positions',
    )
    map_frame: str = setting('map', 'parent frame of a position taken from TF')
    camera_frame: str = setting('', "child frame of a position from TF; empty: the image's frame")
    max_gap_s: float = setting(
        1.0,
        'longest time between two positions across which is interpolated; where they are rarer, '
        'half as much again as their usual interval, at most 3',
        unit='s',
        low=0.0,
        high=3600.0,
    )
    max_hold_s: float = setting(
        0.1,
        'longest time for which the first and the last position are held',
        unit='s',
        low=0.0,
        high=3600.0,
    )
