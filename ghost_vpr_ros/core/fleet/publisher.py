"""Publishes to a fleet's shared map what it lacks of a robot's map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Keyframe, Progress
from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.fleet.records import DESCRIPTOR, ID, row_of
from ghost_vpr_ros.core.fleet.sources import (
    SharedSource,
    check_joins,
    map_uuid,
    register,
    session_key,
)
from ghost_vpr_ros.core.fleet.store import SharedStore, chunk_rows
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.map.schema import ModelRecord


@dataclass(frozen=True)
class Published:
    """Counts of a run.

    Attributes:
        added: keyframes that were missing.
        updated: keyframes that were there with another position.
        present: keyframes that were already published.
    """

    added: int
    updated: int
    present: int


class Publisher:
    """Compares a map with the shared map and writes the difference.

    A killed run continues when it is started again: the id of a place follows from the content of
    the session and the id of the keyframe, so nothing is published twice.

    Args:
        place_map: of one robot.
        store: the shared map, of the same model.
        name: of this robot's map among the others.
        same_frame: local metres of this map are in the frame of those that are there.
        with_views: publish the views, which verification needs.
        progress: called with the number of keyframes since the last call.
    """

    def __init__(
        self,
        place_map: PlaceMap,
        store: SharedStore,
        name: str,
        *,
        same_frame: bool = False,
        with_views: bool = True,
        progress: Progress = lambda _: None,
    ) -> None:
        self._map = place_map
        self._store = store
        self._name = name
        self._same_frame = same_frame
        self._with_views = with_views
        self._progress = progress
        self._counts = {'added': 0, 'updated': 0, 'present': 0}

    def publish(self) -> Published:
        """Write what is missing or has another position now.

        Raises:
            MapError: the positions or the name conflict with those already published, a session
                went on differently in a copy of the map, or the database does not answer.
        """
        keyframes, descriptors = self._map.keyframes(), self._map.descriptors()
        rows = sorted(range(len(keyframes)), key=lambda row: (keyframes[row].session, row))
        sessions = [list(g) for _, g in groupby(rows, key=lambda row: keyframes[row].session)]
        for session in sorted(sessions):
            source = self._source(keyframes[session[0]], descriptors[session[0]])
            self._publish_session(
                source, [keyframes[row] for row in session], descriptors[session]
            )
        if self._counts['added'] or self._counts['updated']:
            self._store.flush()
        self._store.put_calibration(map_uuid(self._map), self._map.calibration)
        return Published(**self._counts)

    def _source(self, first: Keyframe, descriptor: NDArray[np.float32]) -> SharedSource:
        """The session's entry, made where it is missing."""
        uuid = map_uuid(self._map)
        key = session_key(uuid, first, descriptor)
        wanted = SharedSource(
            0, key, uuid, self._name, first.session, self._map.map_frame, self._map.origin
        )
        sources = self._store.sources()
        known = next((source for source in sources if source.key == key), None)
        if known is not None:
            return known
        check_joins(wanted, sources, self._same_frame, str(self._store.address))
        return register(self._store.pieces, wanted)

    def _publish_session(
        self,
        source: SharedSource,
        keyframes: Sequence[Keyframe],
        descriptors: NDArray[np.float32],
    ) -> None:
        there = {row[ID]: row for row in self._store.rows(source.ids)}
        chunk = chunk_rows(self._map.descriptor_dim)
        for start in range(0, len(keyframes), chunk):
            part = slice(start, start + chunk)
            changed = list(self._changed(source, keyframes[part], descriptors[part], there))
            if changed:
                self._store.upsert(changed)
            self._progress(len(keyframes[part]))

    def _changed(
        self,
        source: SharedSource,
        keyframes: Sequence[Keyframe],
        descriptors: NDArray[np.float32],
        there: dict[int, dict[str, Any]],
    ) -> Iterator[dict[str, Any]]:
        """Rows that are missing or have another position; views of new ones go before them."""
        for keyframe, descriptor in zip(keyframes, descriptors, strict=True):
            row = row_of(source, keyframe, descriptor)
            before = there.get(row[ID])
            if before is None:
                self._publish_view(row[ID], keyframe.keyframe_id)
            elif before['digest'] != row['digest']:
                raise MapError(
                    f'{self._map.path}: session {source.session!r} went on differently in '
                    f'another copy of this map that is in {self._store.address} already; let '
                    'each robot map in a session of its own'
                )
            what = 'added' if before is None else 'present' if before == row else 'updated'
            self._counts[what] += 1
            if what != 'present':
                yield {**row, DESCRIPTOR: descriptor}

    def _publish_view(self, place_id: int, keyframe_id: int) -> None:
        jpeg = self._map.view(keyframe_id) if self._with_views else None
        if jpeg is not None:
            self._store.put_view(place_id, jpeg)


def model_record(place_map: PlaceMap) -> ModelRecord:
    """The model that made a map's descriptors."""
    return ModelRecord(
        place_map.model_name,
        place_map.model_hash,
        place_map.descriptor_dim,
        place_map.preprocessing,
    )
