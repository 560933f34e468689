"""The keyframes that can answer, in memory: the first rows of the map, growing while it grows."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.candidates import positions_of, reaches_elsewhere
from ghost_vpr_ros.core.datatypes import Keyframe
from ghost_vpr_ros.core.place_map import PlaceMap
from ghost_vpr_ros.core.place_search import search_of

MOST_REMEMBERED_DEPTH = 256
"""Deeper searches, as at a dock with thousands of keyframes, do not slow down the next ones."""


class KnownPlaces:
    """What is searched; row i is row i of the map.

    A keyframe that was added to the map after it was opened is known once `add` is called: the
    robot's own recent past is no candidate.

    Attributes:
        keyframes: in row order.
        num_located: how many have a position.
    """

    def __init__(self, place_map: PlaceMap) -> None:
        """Know all keyframes of a map.

        Raises:
            MapError: the map's file was damaged since it was opened.
        """
        self.keyframes = place_map.keyframes()
        self._index = search_of(place_map)
        self._positions = place_map.positions()
        self.num_located = int(np.isfinite(self._positions).all(axis=1).sum())
        self._depth = 1

    def __len__(self) -> int:
        return len(self.keyframes)

    def add(self, keyframe: Keyframe, descriptor: NDArray[np.float32]) -> None:
        """Know one more: the next row of the map, with its descriptor (D,)."""
        row = len(self)
        if row == len(self._positions):
            spare = np.full((max(row, 64), 3), np.nan)
            self._positions = np.concatenate([self._positions, spare])
        self._index.add(descriptor)
        self._positions[row] = positions_of([keyframe])[0]
        self.keyframes.append(keyframe)
        self.num_located += bool(np.isfinite(self._positions[row]).all())

    def locate(self, keyframe: Keyframe) -> None:
        """Take over the pose of a keyframe that had none."""
        row = bisect_left(self.keyframes, keyframe.keyframe_id, key=lambda k: k.keyframe_id)
        self.keyframes[row] = keyframe
        self._positions[row] = positions_of([keyframe])[0]
        self.num_located += 1

    def search(
        self,
        descriptor: NDArray[np.float32],
        count: int,
        radius_m: float,
        hidden_rows: NDArray[np.bool_] | None = None,
        *,
        wants_all: bool = False,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows (n,) and similarities (n,), best first: `count` and on until one is elsewhere.

        Where keyframes stand close, the first `count` show one place; the margin needs another.
        The depth that was needed, within reason, is where the next search begins: answers do not
        depend on it.

        Args:
            descriptor: (1, D) of the query.
            count: how many are wanted.
            radius_m: keyframes this near to each other show the same place.
            hidden_rows: (N,) keyframes to answer without.
            wants_all: whether all rows are wanted, as sequence matching does.
        """
        if hidden_rows is not None or wants_all:
            rows, similarities = self._index.search(descriptor, max(1, len(self)))
            is_seen = slice(None) if hidden_rows is None else ~hidden_rows[rows[0]]
            return rows[0][is_seen], similarities[0][is_seen]
        depth = max(self._depth, count)
        while True:
            rows, similarities = self._index.search(descriptor, depth)
            if depth >= len(self) or reaches_elsewhere(self._positions[rows[0]], radius_m, count):
                return rows[0], similarities[0]
            depth *= 2
            self._depth = min(depth, MOST_REMEMBERED_DEPTH)
