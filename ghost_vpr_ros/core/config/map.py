"""Settings of a map: how it is stored, made while driving, and shared."""

from __future__ import annotations

from dataclasses import dataclass

from ghost_vpr_ros.core.config.settings import Config, setting


@dataclass(frozen=True)
class MapConfig(Config):
    """How a map stores its keyframes."""

    commit_interval_s: float = setting(
        1.0, 'longest time until an added keyframe is durable', unit='s', low=0.0, high=3600.0
    )
    store_views: bool = setting(
        True,
        'keep a picture of each place in the map; without one no place is verified by local '
        'features, and nobody can look at a match',
    )
    store_cells: bool = setting(
        False,
        "keep the cells of the network's feature map for each place, 37 kB: verify_features "
        'network then needs neither a picture nor another run of the network',
    )
    view_width_px: int = setting(
        320, 'width of the stored JPEG view; 0: none', unit='px', low=0, high=4096
    )


MODES = ('localize', 'map', 'localize_and_map')
"""A prior map that answers; a new map that closes loops with its own past; both at once."""


@dataclass(frozen=True)
class MappingConfig(Config):
    """Which frames become keyframes, and when they may answer."""

    session: str = setting('', 'name of this mapping run in the map; empty: session-N')
    keyframe_distance_m: float = setting(
        2.0,
        'distance driven since the last keyframe after which a frame is kept',
        unit='m',
        low=1e-3,
        high=1e4,
        runtime=True,
    )
    keyframe_rotation_rad: float = setting(
        0.5,
        'rotation since the last keyframe after which a frame is kept',
        unit='rad',
        low=1e-3,
        high=3.2,
        runtime=True,
    )
    keyframe_similarity: float = setting(
        0.3,
        'a frame less similar than this to the last keyframe is kept; the only rule '
        'without odometry',
        low=-1.0,
        high=1.0,
        runtime=True,
    )
    duplicate_similarity: float = setting(
        0.9,
        'a recognised place whose keyframe is at least this similar is not stored again; 1: every '
        'place is',
        low=0.0,
        high=1.0,
        runtime=True,
    )
    past_distance_m: float = setting(
        30.0,
        'distance driven before keyframes of this run can answer: the robot has left their place',
        unit='m',
        low=0.0,
        high=1e5,
        runtime=True,
    )
    past_time_s: float = setting(
        30.0,
        'without odometry: time before keyframes of this run can answer',
        unit='s',
        low=0.0,
        high=1e5,
        runtime=True,
    )
    max_fix_age_s: float = setting(
        0.5,
        'age of a GPS fix at the time of an image above which it is not used',
        unit='s',
        low=0.0,
        high=60.0,
        runtime=True,
    )
    position_drift_m: float = setting(
        0.1,
        'standard deviation of odometry after one metre; grows with the root of the distance',
        unit='m',
        low=0.0,
        high=10.0,
        runtime=True,
    )
    heading_drift_rad: float = setting(
        0.01,
        'standard deviation of the heading of odometry after one metre',
        unit='rad',
        low=0.0,
        high=1.0,
        runtime=True,
    )


@dataclass(frozen=True)
class SharingConfig(Config):
    """What is published, and the index of a new shared map."""

    views: bool = setting(True, 'publish the views, which verification needs')
    same_frame: bool = setting(
        False, 'local metres of this map are in the frame of the maps already published'
    )
    index_type: str = setting(
        'FLAT',
        "Milvus's index of a new shared map; FLAT: exact, the answers of a map file",
        choices=('FLAT', 'HNSW', 'AUTOINDEX'),
    )
