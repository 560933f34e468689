"""Bags or folders as drives: the Time Machine of one's own recordings."""

from __future__ import annotations

from ghost_vpr_ros.replay.places.drives import places_of_drives, refuse_odometry, refuse_twice
from ghost_vpr_ros.replay.places.place_set import PlaceSet
from ghost_vpr_ros.replay.sources.image_sources import open_source
from training.datasets.data_config import DataConfig, conditions, expanded


def drive_place_set(config: DataConfig) -> PlaceSet:
    """The keyframes of all drives, as `places_of_drives` has them.

    Odometry starts over with each drive, so it serves a single drive only, unless
    `position_topic` names it. With `queries_path` that drive gives the queries and the others
    the database; else every drive does both.

    Raises:
        BagError: a bag is damaged or lacks a topic.
        SourceError: a drive without positions, or drives with positions in different frames.
        ConfigError: a drive is given twice.
    """
    config.refuse('drives', 'split', 'images', 'queries_where', 'database_where')
    paths = [*config.paths, *([expanded(config.queries_path)] if config.queries_path else [])]
    refuse_twice(paths)
    where = conditions(config.where)
    sources = [open_source(path, where=where, topics=config.topics) for path in paths]
    if not config.position_topic:
        refuse_odometry(sources, 'position_topic:')
    return places_of_drives(sources, config.visits, last_is_queries=bool(config.queries_path))
