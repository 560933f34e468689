"""Sources of places and their views: facades of panoramas, photos, cameras, pairs by position.

A source of places is written `WEIGHT KIND PATH [COLUMN=VALUE ...]`:

- `facades`: a place is a stretch of facade near a panorama, seen from the surrounding panoramas;
- `photos`: every photo is a place; its views are parts of it under homographies;
- `same:COLUMN`: photos with the same value in a column, for example of a fixed camera;
- `pairs`: a query and a database image within reach that are each other's most similar; conditions
  with the prefixes `queries:` and `database:` select them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import ConfigError, SourceError
from ghost_vpr_ros.replay.places.place_set import PlaceSet
from training.datasets.data_config import DataConfig, expanded
from training.datasets.open_place_set import open_place_set
from training.datasets.panoramas.panorama_set import PanoramaSet
from training.datasets.panoramas.view_geometry import ViewConfig
from training.refinement.moved_view import MotionConfig, moved_view
from training.refinement.weak_pairs import PairConfig, mutual_pairs
from training.trunk.photo_views import open_unweighted

Pixels: TypeAlias = NDArray[np.uint8]
Describe: TypeAlias = Callable[[Sequence[Frame]], NDArray[np.float32]]

HEADINGS = 8
"""Number of facades around a panorama."""

FACADE_M = (9.0, 20.0)
"""Range of distances of a facade from its panorama."""

SPREAD_DEG = 20.0
"""Largest deviation of a facade from its nominal heading."""

AROUND_M = 12.0
"""Panoramas within this distance of a facade's own panorama also show the facade."""

NEAREST_M = 5.0
"""Panoramas closer to the facade than this are not used, because they show too little of it."""


class PlaceSource(Protocol):
    """Places for batches.

    Attributes:
        positions_m: (N, 2) float64 metres in the source's own frame, NaN if unknown.
    """

    positions_m: NDArray[np.float64]

    def views(
        self, place: int, rng: np.random.Generator, count: int, size_px: int
    ) -> list[Pixels]:
        """`count` views of a place, RGB uint8 (size_px, size_px, 3).

        Raises:
            ImageError: an image cannot be read.
        """
        ...


def open_source_of_places(
    text: str, motion: MotionConfig, pairs: PairConfig, describe: Describe
) -> tuple[float, PlaceSource]:
    """Weight and places of one source, see the top of this file.

    Args:
        text: `WEIGHT KIND PATH [COLUMN=VALUE ...]`.
        motion: differences between views.
        pairs: limits of pairs.
        describe: returns descriptors (N, D) of frames, for `pairs`.

    Raises:
        ConfigError: a malformed text.
        SourceError: the source cannot be read, or has no place with two views.
    """
    weight, kind, path, where = _parse(text)
    if kind == 'facades':
        found: PlaceSource = Facades(_place_set(path, where), motion)
    elif kind == 'pairs':
        found = _mutual_photos(_place_set(path, where), pairs, describe, motion)
    else:
        frames = open_unweighted([' '.join([path, *where])])
        column = kind.partition(':')[2]
        grouped = _by_column(path, frames, column) if column else [[frame] for frame in frames]
        found = SameView(grouped, motion)
    if not len(found.positions_m):
        raise SourceError(
            f'{path}: expected places for {kind!r}, found none; check the conditions'
        )
    return weight, found


def _parse(text: str) -> tuple[float, str, str, list[str]]:
    weight, kind, path, *where = (*text.split(), '', '', '')[: max(3, len(text.split()))]
    known = kind in ('facades', 'photos', 'pairs') or kind.startswith('same:')
    try:
        number = float(weight)
    except ValueError:
        number = -1.0
    if number < 0.0 or not known or not path or not all('=' in each for each in where):
        raise ConfigError(
            'refinement.places: expected `WEIGHT KIND PATH [COLUMN=VALUE ...]` with the kind '
            f'facades, photos, same:COLUMN or pairs, found {text!r}; for example '
            '`1 photos my_photos`'
        )
    return number, kind, path, where


def _place_set(path: str, where: list[str]) -> PlaceSet:
    """The set of images selected by the conditions, with those of queries and database."""
    prefixes = ('queries:', 'database:')
    queries, database = (
        tuple(each.removeprefix(prefix) for each in where if each.startswith(prefix))
        for prefix in prefixes
    )
    plain = tuple(each for each in where if not each.startswith(prefixes))
    return open_place_set(
        DataConfig(
            path=(str(expanded(path)),),
            where=plain,
            queries_where=queries,
            database_where=database,
        )
    )


def _by_column(path: str, frames: Sequence[Frame], column: str) -> list[list[Frame]]:
    """The frames grouped by their value in a column, in groups of at least two.

    Raises:
        SourceError: no frame has the column, or no value has two frames.
    """
    groups: dict[str, list[Frame]] = defaultdict(list)
    for frame in frames:
        if column in frame.attributes:
            groups[frame.attributes[column]].append(frame)
    found = [group for group in groups.values() if len(group) > 1]
    if not found:
        raise SourceError(
            f'{path}: expected a column {column!r} with values shared by several photos, found '
            'none; name a column of the manifest'
        )
    return found


class SameView:
    """Places of one or several photos each, all of the same view."""

    def __init__(
        self,
        groups: Sequence[Sequence[Frame]],
        motion: MotionConfig,
        positions_m: NDArray[np.float64] | None = None,
    ) -> None:
        """One place for each group of photos, at these positions if known."""
        self._groups = groups
        self._motion = motion
        unknown = np.full((len(groups), 2), np.nan)
        self.positions_m = unknown if positions_m is None else positions_m

    def views(
        self, place: int, rng: np.random.Generator, count: int, size_px: int
    ) -> list[Pixels]:
        """Views of different photos as far as possible, each under a homography."""
        group = self._groups[place]
        rounds = -(-count // len(group))
        order = np.concatenate([rng.permutation(len(group)) for _ in range(rounds)])[:count]
        return [moved_view(group[i].load(), size_px, rng, self._motion) for i in order]


class Facades:
    """Stretches of facade around panoramas, `HEADINGS` per panorama."""

    def __init__(self, places: PlaceSet, motion: MotionConfig) -> None:
        """Facades of a set of panoramas.

        Raises:
            SourceError: its images are not panoramas.
        """
        self._panoramas = PanoramaSet(places)
        self._motion = motion
        rows = [placed.rows[0] for placed in self._panoramas.panoramas]
        self._stands_m = places.positions_m[rows]
        self.positions_m = np.repeat(self._stands_m, HEADINGS, axis=0)

    def views(
        self, place: int, rng: np.random.Generator, count: int, size_px: int
    ) -> list[Pixels]:
        """Views of the facade from its own panorama and surrounding ones, in turn."""
        own, number = divmod(place, HEADINGS)
        heading = np.radians(number * 360.0 / HEADINGS + rng.uniform(-SPREAD_DEG, SPREAD_DEG))
        direction = np.array([np.sin(heading), np.cos(heading)])
        facade_m = self._stands_m[own] + rng.uniform(*FACADE_M) * direction
        stands = self._stands_of(own, facade_m)
        chosen = [own, *rng.permutation(stands)]
        return [
            self._view(int(chosen[i % len(chosen)]), facade_m, rng, size_px) for i in range(count)
        ]

    def _stands_of(self, own: int, facade_m: NDArray[np.float64]) -> NDArray[np.int64]:
        """Other panoramas that see the facade from a similar direction."""
        near = np.linalg.norm(self._stands_m - self._stands_m[own], axis=1) <= AROUND_M
        to_facade = facade_m - self._stands_m
        distance = np.linalg.norm(to_facade, axis=1)
        ahead = to_facade @ to_facade[own] / np.maximum(distance * distance[own], 1e-9)
        found = near & (distance >= NEAREST_M) & (ahead > 0.5)
        found[own] = False
        return np.flatnonzero(found)

    def _view(
        self, stand: int, facade_m: NDArray[np.float64], rng: np.random.Generator, size_px: int
    ) -> Pixels:
        east, north = facade_m - self._stands_m[stand]
        yaw_deg = float(np.degrees(np.arctan2(east, north)))
        yaw_deg += float(rng.uniform(-self._motion.yaw_deg, self._motion.yaw_deg))
        fov_deg = float(rng.uniform(self._motion.narrowest_deg, self._motion.widest_deg))
        pitch_deg = float(rng.uniform(-self._motion.pitch_deg, self._motion.pitch_deg))
        view = ViewConfig(fov_deg, size_px, size_px, pitch_deg, 'mirror')
        return self._panoramas.frame_at(stand, yaw_deg, view).load()


def _mutual_photos(
    places: PlaceSet, pairs: PairConfig, describe: Describe, motion: MotionConfig
) -> SameView:
    """Pairs of photos by position and descriptors as places."""
    found = mutual_pairs(places, describe(places.frames), pairs)
    groups = [[places.frames[a], places.frames[b]] for a, b in found]
    return SameView(groups, motion, places.positions_m[found[:, 0]])
