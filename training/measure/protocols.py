"""Evaluation protocols: a data set and its ground truth."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.model import FITS, PreprocessingConfig
from ghost_vpr_ros.core.config.settings import Config, nearest_hint, same_setting, setting
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import ConfigError, SourceError
from ghost_vpr_ros.replay.config import EvaluationConfig
from ghost_vpr_ros.replay.evaluation.ground_truth import GroundTruth, by_index
from ghost_vpr_ros.replay.places.place_set import PlaceSet
from ghost_vpr_ros.replay.places.truth import place_set_truth
from ghost_vpr_ros.replay.sources.image_sources import open_source
from training.datasets.data_config import DataConfig, expanded
from training.datasets.open_place_set import open_place_set
from training.experiment import read_mapping

LIGHTS = ('day', 'sunset', 'night')
"""Order of the three queries of each place in the lists of Tokyo 24/7."""

PROTOCOLS = Path(__file__).parents[1] / 'configs' / 'protocols.yaml'


@dataclass(frozen=True)
class ImageSizeConfig(Config):
    """Input size of a benchmark, if it differs from the network's."""

    fit: str = setting(
        '',
        "how images are resized, as in `preprocessing`; empty: the network's own setting",
        choices=('', *FITS),
    )
    largest_side_px: int = setting(
        0,
        "side of the box for fit; 0: the network's width and height",
        unit='px',
        low=0,
        high=4096,
    )

    def applied(self, own: PreprocessingConfig) -> PreprocessingConfig:
        """The network's preprocessing at this size."""
        side = self.largest_side_px
        return replace(
            own,
            width_px=side or own.width_px,
            height_px=side or own.height_px,
            fit=self.fit or own.fit,
        )


@dataclass(frozen=True)
class ProtocolConfig(ImageSizeConfig, DataConfig):
    """A data set and its ground truth."""

    ground_truth: str = setting(
        'position',
        'positives by position, or by equal numbers in both sequences (index)',
        choices=('position', 'index'),
    )
    positive_distance_m: float = same_setting(EvaluationConfig, 'positive_distance_m')
    tolerance: int = same_setting(EvaluationConfig, 'tolerance')
    best_view_of_panorama: bool = setting(
        False, 'keep only the best view of each panorama in rankings (NetVLAD on Tokyo 24/7)'
    )
    light: str = setting(
        '',
        'use only these of queries listed as day, sunset, night for each place (Tokyo 24/7)',
        choices=('', *LIGHTS),
    )


@dataclass(frozen=True)
class Protocol:
    """A protocol with its images.

    Attributes:
        name: as in the file of protocols.
        database: N frames.
        queries: Q frames.
        truth: of these two.
        roots: folders that the names of the database frames and of the query frames are relative
            to.
        panorama: (N,) int64 panorama number of each database image, to keep only the best view of
            a panorama in rankings (non-maximum suppression); None: keep all views.
        size: of the network's input.
    """

    name: str
    database: Sequence[Frame]
    queries: Sequence[Frame]
    truth: GroundTruth
    roots: tuple[str, str]
    panorama: NDArray[np.int64] | None = None
    size: ImageSizeConfig = field(default_factory=ImageSizeConfig)

    @cached_property
    def identity(self) -> str:
        """Name and 8 digits of a hash of the protocol: equal ids mean comparable figures.

        The hash covers the names of all images, the positives, the pairs excluded from rankings
        and the input size, but not the location of the data.
        """
        content = [
            [frame.name for frame in self.database],
            [frame.name for frame in self.queries],
            self.truth.positives.keys.tolist(),
            self.truth.excluded.keys.tolist(),
            None if self.panorama is None else self.panorama.tolist(),
        ]
        if self.size != ImageSizeConfig():
            content.append([self.size.fit, self.size.largest_side_px])
        return f'{self.name}#{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:8]}'


def panel_parts(path: Path) -> dict[str, list[str]] | None:
    """Protocols by part of a panel; None if the file has no parts.

    Raises:
        ConfigError: the file cannot be read.
    """
    values = read_mapping(path)
    protocols = [
        each for part in values.values() if isinstance(part, dict) for each in part.values()
    ]
    if not protocols or not all(isinstance(each, dict) for each in protocols):
        return None
    for part, each in values.items():
        if not isinstance(each, dict) or not each:
            raise ConfigError(f'{path}: {part}: expected protocols by name, found {each!r}')
    return {part: list(each) for part, each in values.items()}


def read_protocols(path: Path, names: Sequence[str] = ()) -> dict[str, ProtocolConfig]:
    """The protocols of a YAML file by name: all, or the requested ones, in order.

    The file of a panel has the protocols of all its parts.

    Raises:
        ConfigError: the file cannot be read, has a bad value, or lacks a name.
    """
    values = read_mapping(path)
    if panel_parts(path) is not None:
        values = {name: each for part in values.values() for name, each in part.items()}
    for name in names:
        if name not in values:
            raise ConfigError(
                f'{path}: unknown protocol {name!r}{nearest_hint(name, list(values))}'
            )
    if not values:
        raise ConfigError(f'{path}: expected protocols by name, found none')
    return {name: read_protocol(path, name, values[name]) for name in names or values}


def read_protocol(path: Path, name: str, values: Any) -> ProtocolConfig:
    """One protocol of a YAML file.

    Raises:
        ConfigError: a bad value; the message names file and protocol.
    """
    if not isinstance(values, Mapping):
        found = 'nothing' if values is None else repr(values)
        raise ConfigError(f'{path}: {name}: expected a mapping of keys to values, found {found}')
    try:
        return ProtocolConfig.from_dict(values)
    except (ConfigError, TypeError) as error:
        raise ConfigError(f'{path}: {name}: {error}') from error


def open_protocol(name: str, config: ProtocolConfig) -> Protocol:
    """The protocol with its images and their ground truth.

    Raises:
        SourceError: images are missing, or no query has a positive.
        ConfigError: contradictory settings.
    """
    if config.ground_truth == 'index':
        return _by_index(name, config)
    places = _of_one_light(name, open_place_set(config), config.light)
    root = str(config.paths[0])
    return Protocol(
        name,
        [places.frames[row] for row in places.database],
        [places.frames[row] for row in places.queries],
        place_set_truth(places, config.positive_distance_m),
        (root, str(expanded(config.queries_path)) if config.queries_path else root),
        places.panorama[places.database] if config.best_view_of_panorama else None,
        _size_of(config),
    )


def _size_of(config: ProtocolConfig) -> ImageSizeConfig:
    return ImageSizeConfig(config.fit, config.largest_side_px)


def _of_one_light(name: str, places: PlaceSet, light: str) -> PlaceSet:
    """The set with the queries of one light only; unchanged if `light` is empty.

    Raises:
        SourceError: the queries are not triples.
    """
    if not light:
        return places
    if len(places.queries) % len(LIGHTS):
        raise SourceError(
            f'{name}: light: expected three queries of each place, found '
            f'{len(places.queries)} queries in {places.name}; leave the setting out'
        )
    return replace(places, queries=places.queries[LIGHTS.index(light) :: len(LIGHTS)])


def _by_index(name: str, config: ProtocolConfig) -> Protocol:
    if not config.queries_path:
        raise ConfigError(f'{name}: ground truth by index needs queries_path, found none')
    roots = config.only_path('source'), expanded(config.queries_path)
    database, queries = (open_source(root, topics=config.topics).frames for root in roots)
    for setting_name in ('best_view_of_panorama', 'light'):
        if getattr(config, setting_name):
            raise ConfigError(
                f'{name}: {setting_name}: not used by ground truth by index, found '
                f'{getattr(config, setting_name)!r}; remove it'
            )
    truth = by_index(queries, database, config.tolerance)
    if not len(truth.positives):
        raise SourceError(f'{name}: no query has its number in the database; check both sources')
    where = str(roots[0]), str(roots[1])
    return Protocol(name, database, queries, truth, where, size=_size_of(config))
