"""The YAML section of a data set: path, split, and roles of its images."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ghost_vpr_ros.core.config.settings import Config, same_setting, setting
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.replay.bags.topics import BagTopics
from ghost_vpr_ros.replay.config import VisitConfig

FORMATS = ('auto', 'dbstruct', 'lists', 'utm', 'places', 'drives', 'source')
"""Formats of data sets; `auto` detects the format from the files at the path."""


@dataclass(frozen=True)
class DataConfig(Config):
    """The images of a data set and their roles; a section of an experiment's YAML file."""

    format: str = setting('auto', 'format of the data set', choices=FORMATS)
    path: tuple[str, ...] = setting((), 'folder or file; several bags are several drives')
    split: str = setting('', 'train, val or test; empty: all images')
    where: tuple[str, ...] = setting((), 'select rows by COLUMN=VALUE or COLUMN=LOW..HIGH')
    queries_where: tuple[str, ...] = setting((), 'the same for queries only')
    database_where: tuple[str, ...] = setting((), 'the same for the database only')
    roles: str = setting(
        'column',
        'which images are queries and which are database: by the column `role`, every image both, '
        'or exactly the database images queries as well (training without Time Machine)',
        choices=('column', 'both', 'database'),
    )
    queries_path: str = setting('', 'separate source of the queries; empty: the same source')
    images: str = setting('', "folder that listed names are relative to; empty: the list's")
    same_shot: str = setting(
        '',
        'for folders of places: regular expression to remove from names; images whose names are '
        'then equal are of one shot and not positives of each other (TJU-Location: two pitches)',
    )
    check_images: bool = setting(True, 'refuse lists whose image files are not all there')
    keyframe_distance_m: float = same_setting(VisitConfig, 'keyframe_distance_m')
    revisit_after_s: float = same_setting(VisitConfig, 'revisit_after_s')
    image_topic: str = same_setting(BagTopics, 'image_topic')
    position_topic: str = same_setting(BagTopics, 'position_topic')
    max_gap_s: float = same_setting(BagTopics, 'max_gap_s')
    views: int = setting(
        0,
        'use this many views of each panorama, evenly spaced over all headings, instead of its '
        'images; 0: none',
        low=0,
        high=360,
    )
    view_px: int = setting(320, 'sides of these views', unit='px', low=8, high=4096)
    view_fov_deg: float = setting(
        80.0, 'their field of view; areas outside four sides are mirrored', unit='deg',
        low=1.0, high=120.0,
    )  # fmt: skip

    synthesised: int = setting(
        0,
        'add this many views of each database panorama to the database, evenly spaced over all '
        'headings (view synthesis); 0: none',
        low=0,
        high=360,
    )
    synthesised_shift_m: float = setting(
        0.0,
        'also synthesise views this far ahead, behind, right and left; 0: only at the position of '
        'the panorama',
        unit='m',
        low=0.0,
        high=50.0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.synthesised and self.views:
            raise ConfigError(
                f'synthesised: expected 0 with views {self.views}, found {self.synthesised}; '
                'either replace the images by views, or add views to the database'
            )

    @property
    def paths(self) -> list[Path]:
        """The paths of `path`, with `~` and `$VARIABLES` expanded.

        Raises:
            ConfigError: no path.
        """
        if not self.path:
            raise ConfigError('path: expected the folder or file of a data set, found nothing')
        return [expanded(text) for text in self.path]

    def only_path(self, format: str) -> Path:
        """The path of a format that accepts a single one.

        Raises:
            ConfigError: no path, or several.
        """
        if len(self.paths) > 1:
            raise ConfigError(
                f'path: expected one path for the format {format!r}, found {len(self.paths)}; '
                'only the format drives accepts several'
            )
        return self.paths[0]

    def refuse(self, format: str, *names: str) -> None:
        """Refuse settings that a format does not use.

        Raises:
            ConfigError: one of them is given.
        """
        for name in names:
            if getattr(self, name):
                raise ConfigError(
                    f'{name}: not used by the format {format!r} of {self.path[0]}, found '
                    f'{getattr(self, name)!r}; remove it'
                )

    @property
    def visits(self) -> VisitConfig:
        """Which images of drives are used, and which are of one visit."""
        return VisitConfig(self.keyframe_distance_m, self.revisit_after_s)

    @property
    def topics(self) -> BagTopics:
        """The topics of a bag to read."""
        return BagTopics(
            image_topic=self.image_topic,
            position_topic=self.position_topic,
            max_gap_s=self.max_gap_s,
        )


def expanded(text: str) -> Path:
    """A path with `~` and `$VARIABLES` expanded.

    Raises:
        ConfigError: a variable in the path is not set.
    """
    path = str(Path(os.path.expandvars(text)).expanduser())
    if '$' in path:
        raise ConfigError(f'{text}: the path names a variable that is not set; set it')
    return Path(path)


def conditions(*lists: tuple[str, ...]) -> dict[str, str]:
    """Conditions by column from lists of `COLUMN=VALUE` or `COLUMN=LOW..HIGH`.

    Raises:
        ConfigError: a text without `=`, or two conditions on one column.
    """
    found: dict[str, str] = {}
    for text in (text for texts in lists for text in texts):
        column, equals, value = text.partition('=')
        if not equals or not column:
            raise ConfigError(f'where: expected COLUMN=VALUE or COLUMN=LOW..HIGH, found {text!r}')
        if column in found:
            raise ConfigError(
                f'where: expected one condition on {column}, found {found[column]!r} and {value!r}'
            )
        found[column] = value
    return found
