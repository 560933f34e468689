"""The keyframes that can answer, in memory: the first rows of a map that may grow."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Keyframe
from ghost_vpr_ros.core.geodesy import horizontal_distance_m
from ghost_vpr_ros.core.map.reader import MapReader, PlaceSearch
from ghost_vpr_ros.core.recognition.candidates import reaches_elsewhere
from ghost_vpr_ros.core.recognition.keyframe_table import KeyframeRows, LocatedPlaces
from ghost_vpr_ros.core.recognition.odometry import PositionPrior
from ghost_vpr_ros.core.sampling import evenly_spaced
from ghost_vpr_ros.core.search.cache import read_columns, write_columns
from ghost_vpr_ros.core.search.index import SearchIndex, is_searched_exactly
from ghost_vpr_ros.core.search.ranking import BuildProgress

MOST_REMEMBERED_DEPTH = 256
"""A deeper search, as at a dock with thousands of keyframes, does not slow down later ones."""

_MOST_APPROXIMATE = 2048
"""Depth of a search for all rows, in a map too large to return all."""

_LOOK_ALIKES = 1024
"""Number of rows that sample the whole map when a prior restricts the search."""


class Retrieved(NamedTuple):
    """The result of a search, best first.

    Attributes:
        rows: (n,) int64.
        similarities: (n,) float32.
        elsewhere: highest similarity in a sample of the rows that were not searched; -inf if all
            were.
    """

    rows: NDArray[np.int64]
    similarities: NDArray[np.float32]
    elsewhere: float = -math.inf


class KnownPlaces:
    """The search index and the table of keyframes; row i is row i of the map.

    A keyframe added to the map later can answer only after `add`: the recent past of the robot is
    not a candidate.

    Attributes:
        rows: columns of all keyframes.
        located: those that have a position.
    """

    def __init__(
        self,
        place_map: MapReader,
        index: str = 'auto',
        progress: BuildProgress | None = None,
    ) -> None:
        """Read all keyframes of a map; a large one gets cache files beside it.

        Args:
            place_map: the map.
            index: one of `INDEXES`.
            progress: called while the index of a large map is built.

        Raises:
            MapError: the map's file was damaged since it was opened.
        """
        database = place_map.search_index()
        is_large = database is None and not is_searched_exactly(index, len(place_map))
        self._map = place_map
        self._index: PlaceSearch = (
            SearchIndex.from_map(place_map, cache=is_large, index=index, progress=progress)
            if database is None
            else database
        )
        columns = read_columns(place_map) if is_large else None
        if columns is None:
            columns = place_map.columns()
            if is_large:
                write_columns(place_map, columns)
        self.rows = KeyframeRows(place_map, columns)
        self.located = LocatedPlaces(columns.positions, columns.yaws)
        self._look_alikes: tuple[NDArray[np.int64], NDArray[np.float32]] | None = None
        self._depth = 1

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, keyframe: Keyframe, descriptor: NDArray[np.float32]) -> None:
        """Add the next row of the map, with its descriptor (D,)."""
        self._index.add(descriptor)
        self._place(self.rows.append(keyframe))

    def locate(self, keyframe: Keyframe) -> None:
        """Update a keyframe that has been given a pose."""
        self._place(self.rows.replace(keyframe))

    def _place(self, row: int) -> None:
        self.located.add(row, self.rows.positions[row], float(self.rows.yaws[row]))

    def search(
        self,
        descriptor: NDArray[np.float32],
        count: int,
        radius_m: float,
        hidden_rows: NDArray[np.bool_] | None = None,
        *,
        wants_all: bool = False,
        prior: PositionPrior | None = None,
    ) -> Retrieved:
        """At least `count` rows, best first, and more until one of them is elsewhere.

        Where keyframes are dense, the first `count` show a single place, but a margin needs a
        second one. The next search starts at the depth that this one needed, up to a limit;
        answers do not depend on it.

        Args:
            descriptor: (1, D) of the query.
            count: number of rows.
            radius_m: keyframes this near to each other show the same place.
            hidden_rows: (N,) keyframes to answer without.
            wants_all: whether to return all rows, for sequence matching; of a large map, the best
                2048.
            prior: where to search; None: everywhere. With a prior, keyframes without a position
                are not found.
        """
        if prior is not None:
            return self._search_near(descriptor, prior, radius_m, hidden_rows)
        if self._index.is_exact and (hidden_rows is not None or wants_all):
            return self._seen(*self._index.search(descriptor, max(1, len(self))), hidden_rows)
        depth = max(self._depth, count, _MOST_APPROXIMATE if wants_all else 1)
        deepest = len(self) if self._index.is_exact else max(_MOST_APPROXIMATE, count)
        while True:
            found = self._seen(*self._index.search(descriptor, depth), hidden_rows)
            positions = self.rows.positions[found.rows]
            is_enough = len(found.rows) >= count and reaches_elsewhere(positions, radius_m, count)
            if depth >= min(deepest, len(self)) or is_enough:
                return found
            depth *= 2
            self._depth = min(depth, MOST_REMEMBERED_DEPTH)

    def alike(
        self, rows: NDArray[np.int64], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """(n, count) the rows most similar to each of some rows (n,), with their similarities."""
        return self._index.search(self._map.descriptors_at(rows), count)

    def _seen(
        self,
        rows: NDArray[np.int64],
        similarities: NDArray[np.float32],
        hidden_rows: NDArray[np.bool_] | None,
    ) -> Retrieved:
        """Rows and similarities (1, n) of one query, without the hidden rows."""
        is_seen = slice(None) if hidden_rows is None else ~hidden_rows[rows[0]]
        return Retrieved(rows[0][is_seen], similarities[0][is_seen])

    def _search_near(
        self,
        descriptor: NDArray[np.float32],
        prior: PositionPrior,
        radius_m: float,
        hidden_rows: NDArray[np.bool_] | None,
    ) -> Retrieved:
        """All rows within the prior's disc, and a sample of the others.

        The margin needs a place elsewhere, and the disc may hold a single place; therefore the
        rest of the map is sampled.
        """
        rows = self.located.rows_within(prior.position_m, prior.radius_m)
        if hidden_rows is not None:
            rows = rows[~hidden_rows[rows]]
        rows, similarities = self._index.search_among(descriptor, rows)
        others, descriptors = self._sampled()
        away_m = horizontal_distance_m(self.rows.positions[others], prior.position_m)
        # A keyframe near the disc may show a place within it; one without a position, any place.
        is_elsewhere = away_m > prior.radius_m + radius_m
        if not is_elsewhere.any():
            return Retrieved(rows, similarities)
        return Retrieved(
            rows, similarities, float((descriptors[is_elsewhere] @ descriptor[0]).max())
        )

    def _sampled(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows (n,) evenly spaced over the map, and their descriptors (n, D)."""
        if self._look_alikes is None:
            rows = np.array(evenly_spaced(len(self), _LOOK_ALIKES), np.int64)
            self._look_alikes = rows, self._map.descriptors_at(rows)
        return self._look_alikes
