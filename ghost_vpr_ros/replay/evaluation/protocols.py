"""The division of one source of images into a map and queries, described in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.config import EvaluationConfig
from ghost_vpr_ros.replay.evaluation.ground_truth import (
    GroundTruth,
    by_index,
    by_position,
)
from ghost_vpr_ros.replay.sources.image_sources import ImageSource

_ROLES = {'database': 'database', 'query': 'queries', 'queries': 'queries'}
_ROLE_COLUMNS = ('role', 'split')
_LEAST_IMAGES = 4

ItemT = TypeVar('ItemT')


@dataclass(frozen=True)
class Division:
    """A divided source: database, queries, and ground truth.

    Attributes:
        database: frames of the map.
        queries: frames to search for.
        truth: of these two.
        sentence: the protocol in words.
    """

    database: ImageSource
    queries: ImageSource
    truth: GroundTruth
    sentence: str


def divide(source: ImageSource, config: EvaluationConfig, max_images: int) -> Division:
    """Divide by the manifest's roles, else alternately by position, else every second image.

    Args:
        source: the user's images.
        config: when two images show the same place.
        max_images: most images of either part; more are thinned out evenly.

    Raises:
        SourceError: too few images for a map and queries, or no query has a positive.
    """
    if len(source) < _LEAST_IMAGES:
        raise SourceError(
            f'{source.name}: expected at least {_LEAST_IMAGES} images to make a map and queries '
            f'of, found {len(source)}; add images'
        )
    located = [frame for frame in source.frames if frame.has_position]
    roles = _by_role(located)
    if roles['database'] and roles['queries']:
        division = _positioned(source, roles, 'by the roles in the manifest', config, max_images)
    elif len(located) > len(source) // 2:
        parts = _alternating(located)
        division = _positioned(source, parts, 'every second position', config, max_images)
    else:
        division = _every_second(source, config, max_images)
    if not division.truth.positives.counts().any():
        raise SourceError(f'{source.name}: no query has its place in the map: {division.sentence}')
    return division


def _by_role(frames: Sequence[Frame]) -> dict[str, list[Frame]]:
    """Frames by their role; where a column `split` names a test part, of that part only."""
    tested = [frame for frame in frames if frame.attributes.get('split') == 'test']
    parts: dict[str, list[Frame]] = {'database': [], 'queries': []}
    for frame in tested or frames:
        words = (frame.attributes.get(column, '').lower() for column in _ROLE_COLUMNS)
        role = next((_ROLES[word] for word in words if word in _ROLES), None)
        if role is not None:
            parts[role].append(frame)
    return parts


def _alternating(frames: Sequence[Frame]) -> dict[str, list[Frame]]:
    """Positions in turn: all images of one panorama or one spot go to the same part."""
    parts: dict[str, list[Frame]] = {'database': [], 'queries': []}
    part_of: dict[object, str] = {}
    for frame in frames:
        spot = _spot(frame)
        if spot not in part_of:
            part_of[spot] = 'queries' if len(part_of) % 2 else 'database'
        parts[part_of[spot]].append(frame)
    return parts


def _spot(frame: Frame) -> object:
    if frame.panorama is not None:
        return frame.panorama
    if frame.geo is not None:
        return frame.geo
    return None if frame.pose is None else tuple(frame.pose.position_m.tolist())


def _positioned(
    source: ImageSource,
    parts: dict[str, list[Frame]],
    how: str,
    config: EvaluationConfig,
    max_images: int,
) -> Division:
    database = _thinned(parts['database'], max_images)
    queries = _thinned(parts['queries'], max_images)
    truth = by_position(queries, database, config.positive_distance_m)
    sentence = (
        f'{how}: {len(database)} images are the map, {len(queries)} are queries; right within '
        f'{config.positive_distance_m:g} m'
    )
    return _division(source, database, queries, truth, sentence)


def _every_second(source: ImageSource, config: EvaluationConfig, max_images: int) -> Division:
    """Neighbours in a walk show the same place; numbers are those of the whole sequence."""
    numbers = _thinned(range(len(source)), 2 * max_images)
    in_map, asked = numbers[0::2], numbers[1::2]
    database = [source.frames[number] for number in in_map]
    queries = [source.frames[number] for number in asked]
    step = numbers[1] - numbers[0]
    tolerance = max(config.tolerance, step)
    truth = by_index(queries, database, tolerance, asked, in_map)
    sentence = (
        f'no positions, so every second image is the map ({len(database)}) and the others are '
        f'queries ({len(queries)}); right at most {tolerance} images away in the sequence'
    )
    return _division(source, database, queries, truth, sentence)


def _division(
    source: ImageSource,
    database: list[Frame],
    queries: list[Frame],
    truth: GroundTruth,
    sentence: str,
) -> Division:
    used = len(database) + len(queries)
    if used < len(source):
        sentence += f'; {used} of {len(source)} images are used'
    return Division(
        replace(source, frames=database), replace(source, frames=queries), truth, sentence
    )


def _thinned(items: Sequence[ItemT], wanted: int) -> list[ItemT]:
    """At most `wanted` items at equal steps."""
    step = -(-len(items) // wanted)
    return list(items[::step])
