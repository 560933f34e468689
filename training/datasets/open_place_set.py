"""One entry to every training data set: what a YAML file says becomes a `PlaceSet`."""

from __future__ import annotations

from dataclasses import dataclass

from ghost_vpr_ros.core.settings import Config, setting
from training.datasets.place_set import PlaceSet

FORMATS = ('auto', 'dbstruct', 'utm', 'lists', 'places', 'source', 'drives')
"""Formats of data sets; `auto` tells them apart by what lies at the path."""


@dataclass(frozen=True)
class DataConfig(Config):
    """Which images, and which of them are queries; a section of an experiment's YAML file."""

    format: str = setting('auto', 'how the data set is laid out', choices=FORMATS)
    path: tuple[str, ...] = setting((), 'folder or file; several bags are several drives')
    split: str = setting('', 'train, val or test; empty: all there is')
    where: tuple[str, ...] = setting((), 'COLUMN=VALUE or COLUMN=LOW..HIGH that rows must have')
    queries_where: tuple[str, ...] = setting((), 'the same for queries alone')
    database_where: tuple[str, ...] = setting((), 'the same for the database alone')
    queries_path: str = setting('', 'source of the queries where it is another one')
    images: str = setting('', 'folder that listed names begin in; empty: beside the lists')
    check_images: bool = setting(True, 'refuse a set whose image files are not all there')
    keyframe_distance_m: float = setting(
        2.0, 'distance travelled from one keyframe of a bag to the next', unit='m', low=0.0
    )
    image_topic: str = setting('', 'image topic of a bag; empty: the only one')
    position_topic: str = setting('', 'position topic of a bag; empty: the only one')


def open_place_set(config: DataConfig) -> PlaceSet:
    """The data set of a configuration.

    Raises:
        ConfigError: settings that contradict each other.
        SourceError: missing, unreadable, or lists that do not belong together.
        BagError: a bag that is damaged or lacks a topic.
    """
    raise NotImplementedError
