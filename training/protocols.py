"""Named ways to measure a network: a data set, and what counts as the right place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import ConfigError, SourceError
from ghost_vpr_ros.core.settings import nearest_hint, setting
from ghost_vpr_ros.replay.config import EvaluationConfig
from ghost_vpr_ros.replay.ground_truth import GroundTruth, by_index
from ghost_vpr_ros.replay.image_sources import open_source
from training.datasets.data_config import DataConfig, expanded
from training.datasets.open_place_set import open_place_set
from training.experiment import read_mapping
from training.selection import place_set_truth

PROTOCOLS = Path(__file__).parent / 'configs' / 'protocols.yaml'


@dataclass(frozen=True)
class ProtocolConfig(DataConfig):
    """A data set and how answers are judged."""

    ground_truth: str = setting(
        'position',
        'same place: near enough, or same number in both',
        choices=('position', 'index'),
    )
    positive_distance_m: float = setting(
        EvaluationConfig.positive_distance_m,
        'with ground truth by position: images this near show the same place',
        unit='m',
        low=0.0,
        high=1e5,
    )
    tolerance: int = setting(
        EvaluationConfig.tolerance,
        'with ground truth by index: images whose numbers differ by this show the same place',
        unit='frames',
        low=0,
        high=100_000,
    )


@dataclass(frozen=True)
class Protocol:
    """A protocol with its images.

    Attributes:
        name: as in the file of protocols.
        database: N frames.
        queries: Q frames.
        truth: of these two.
        roots: where the names of the database's and of the queries' frames begin.
    """

    name: str
    database: Sequence[Frame]
    queries: Sequence[Frame]
    truth: GroundTruth
    roots: tuple[str, str]


def read_protocols(path: Path, names: Sequence[str] = ()) -> dict[str, ProtocolConfig]:
    """The protocols of a YAML file by name: all, or those asked for in that order.

    Raises:
        ConfigError: the file cannot be read, has a bad value, or lacks a name.
    """
    values = read_mapping(path)
    for name in names:
        if name not in values:
            raise ConfigError(
                f'{path}: unknown protocol {name!r}{nearest_hint(name, list(values))}'
            )
    try:
        return {name: ProtocolConfig.from_dict(values[name]) for name in names or values}
    except (ConfigError, TypeError, AttributeError) as error:
        raise ConfigError(f'{path}: {error}') from error


def open_protocol(name: str, config: ProtocolConfig) -> Protocol:
    """The protocol with its images and their ground truth.

    Raises:
        SourceError: images are missing, or no query has a positive.
        ConfigError: settings that contradict each other.
    """
    if config.ground_truth == 'index':
        return _by_index(name, config)
    places = open_place_set(config)
    root = str(config.paths[0])
    return Protocol(
        name,
        [places.frames[row] for row in places.database],
        [places.frames[row] for row in places.queries],
        place_set_truth(places, config.positive_distance_m),
        (root, str(expanded(config.queries_path)) if config.queries_path else root),
    )


def _by_index(name: str, config: ProtocolConfig) -> Protocol:
    if not config.queries_path:
        raise ConfigError(f'{name}: ground truth by index needs queries_path, found none')
    roots = config.only_path('source'), expanded(config.queries_path)
    database, queries = (open_source(root, topics=config.topics).frames for root in roots)
    truth = by_index(queries, database, config.tolerance)
    if not len(truth.positives):
        raise SourceError(f'{name}: no query has its number in the database; check both sources')
    return Protocol(name, database, queries, truth, (str(roots[0]), str(roots[1])))
