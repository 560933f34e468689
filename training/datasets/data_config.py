"""The YAML section of a data set: its path, its split, and the roles of its images."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ghost_vpr_ros.core.config.settings import Config, same_setting, setting
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.replay.bags.topics import BagTopics
from ghost_vpr_ros.replay.config import VisitConfig

FORMATS = ('auto', 'dbstruct', 'lists', 'utm', 'places', 'drives', 'source')
"""Formats of data sets; `auto` recognises them by the files at the path."""


@dataclass(frozen=True)
class DataConfig(Config):
    """Which images, and which of them are queries; a section of an experiment's YAML file."""

    format: str = setting('auto', 'how the data set is laid out', choices=FORMATS)
    path: tuple[str, ...] = setting((), 'folder or file; several bags are several drives')
    split: str = setting('', 'train, val or test; empty: all there is')
    where: tuple[str, ...] = setting((), 'COLUMN=VALUE or COLUMN=LOW..HIGH that rows must have')
    queries_where: tuple[str, ...] = setting((), 'the same for queries alone')
    database_where: tuple[str, ...] = setting((), 'the same for the database alone')
    roles: str = setting(
        'column',
        'who is query and who database: what a column `role` says, both for every image, or every '
        'database image a query and no other (training without Time Machine)',
        choices=('column', 'both', 'database'),
    )
    queries_path: str = setting('', 'source of the queries where it is another one')
    images: str = setting('', 'folder that listed names begin in; empty: beside the list')
    same_shot: str = setting(
        '',
        'of folders of places: regular expression that is cut out of names; images that then have '
        'one name are of one shot and no positives of each other (TJU-Location: two pitches)',
    )
    check_images: bool = setting(True, 'refuse lists whose image files are not all there')
    keyframe_distance_m: float = same_setting(VisitConfig, 'keyframe_distance_m')
    revisit_after_s: float = same_setting(VisitConfig, 'revisit_after_s')
    image_topic: str = same_setting(BagTopics, 'image_topic')
    position_topic: str = same_setting(BagTopics, 'position_topic')
    max_gap_s: float = same_setting(BagTopics, 'max_gap_s')
    views: int = setting(
        0,
        'views of each panorama, evenly spaced over all headings, instead of its images; 0: none',
        low=0,
        high=360,
    )
    view_px: int = setting(320, 'sides of these views', unit='px', low=8, high=4096)
    view_fov_deg: float = setting(
        80.0, 'their field of view; what four sides do not show is mirrored', unit='deg',
        low=1.0, high=120.0,
    )  # fmt: skip

    synthesised: int = setting(
        0,
        'views of each database panorama, evenly spaced over all headings, that are added to the '
        'database (view synthesis); 0: none',
        low=0,
        high=360,
    )
    synthesised_shift_m: float = setting(
        0.0,
        'each of them also from this far ahead, behind, right and left; 0: from there alone',
        unit='m',
        low=0.0,
        high=50.0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.synthesised and self.views:
            raise ConfigError(
                f'synthesised: expected 0 with views {self.views}, found {self.synthesised}; '
                'either all images become views, or views are added to the database'
            )

    @property
    def paths(self) -> list[Path]:
        """What `path` names, with `~` and `$VARIABLES` replaced.

        Raises:
            ConfigError: nothing is named.
        """
        if not self.path:
            raise ConfigError('path: expected the folder or file of a data set, found nothing')
        return [expanded(text) for text in self.path]

    def only_path(self, format: str) -> Path:
        """The path of a format that has one.

        Raises:
            ConfigError: none or several are named.
        """
        if len(self.paths) > 1:
            raise ConfigError(
                f'path: expected one path for the format {format!r}, found {len(self.paths)}; '
                'only drives may be several'
            )
        return self.paths[0]

    def refuse(self, format: str, *names: str) -> None:
        """Refuse settings that a format has no use for, rather than ignore them.

        Raises:
            ConfigError: one of them is given.
        """
        for name in names:
            if getattr(self, name):
                raise ConfigError(
                    f'{name}: not known to the format {format!r} of {self.path[0]}, found '
                    f'{getattr(self, name)!r}; remove it'
                )

    @property
    def visits(self) -> VisitConfig:
        """Which images of drives are used, and which are of one visit."""
        return VisitConfig(self.keyframe_distance_m, self.revisit_after_s)

    @property
    def topics(self) -> BagTopics:
        """Which topics of a bag are read."""
        return BagTopics(
            image_topic=self.image_topic,
            position_topic=self.position_topic,
            max_gap_s=self.max_gap_s,
        )


def expanded(text: str) -> Path:
    """A path with `~` and `$VARIABLES` replaced.

    Raises:
        ConfigError: the path names a variable that is not set.
    """
    path = str(Path(os.path.expandvars(text)).expanduser())
    if '$' in path:
        raise ConfigError(f'{text}: the path names a variable that is not set; set it')
    return Path(path)


def conditions(*lists: tuple[str, ...]) -> dict[str, str]:
    """Conditions by column, of lists of `COLUMN=VALUE` or `COLUMN=LOW..HIGH`.

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
