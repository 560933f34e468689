"""A fleet's shared map, opened as a map: the recogniser answers from it as from a file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Keyframe
from ghost_vpr_ros.core.fleet.database import SharedAddress
from ghost_vpr_ros.core.fleet.index import MilvusIndex
from ghost_vpr_ros.core.fleet.records import keyframe_of
from ghost_vpr_ros.core.fleet.sources import SharedSource, number_of, shared_frame
from ghost_vpr_ros.core.fleet.store import SharedStore
from ghost_vpr_ros.core.map.calibration_table import check_fits, write_calibration
from ghost_vpr_ros.core.map.frame import MapFrame
from ghost_vpr_ros.core.map.reader import MapReader
from ghost_vpr_ros.core.map.schema import (
    INSERT_KEYFRAME_AT,
    UPDATE_FRAME,
    check_model,
    geo_values,
    position_values,
    write_schema,
)
from ghost_vpr_ros.core.probability.calibration import Calibration


class SharedMap(MapReader):
    """All keyframes of a shared map as they were when it was opened; read-only.

    Positions and names are copied into a map in memory; descriptors and views stay in the
    database. A keyframe's id is that of the place, the same for all robots and at all times.

    Attributes:
        store: the database.
        path: the address.
    """

    def __init__(self, store: SharedStore) -> None:
        """Read the keyframes.

        Raises:
            MapError: the database does not answer.
        """
        self.store = store
        path = Path(str(store.address))
        connection = sqlite3.connect(':memory:', isolation_level=None, check_same_thread=False)
        write_schema(connection, store.model, store.model_bytes())
        sources = {source.number: source for source in store.sources()}
        frame = shared_frame(list(sources.values()))
        keyframes = sorted(
            (keyframe_of(row, sources[number_of(row['place_id'])], frame) for row in store.rows()),
            key=lambda keyframe: keyframe.keyframe_id,
        )
        _fill(connection, keyframes, frame, _calibration(store, sources.values(), path))
        super().__init__(path, connection)
        # The database checks what it stores.
        self.has_checksums = False

    @classmethod
    def at(
        cls,
        address: SharedAddress,
        expected_model_hash: str | None = None,
        expected_dim: int | None = None,
    ) -> SharedMap:
        """The shared map at an address.

        Raises:
            MapError: it is not there, nothing answers, or it is of another model.
        """
        store = SharedStore.open(address)
        try:
            path = Path(str(address))
            check_model(store.model, path, expected_model_hash, expected_dim)
            return cls(store)
        except BaseException:
            store.close()
            raise

    def search_index(self) -> MilvusIndex:
        """The database as the index of the keyframes; row i is row i of `descriptors()`."""
        return MilvusIndex(
            self.store.client,
            self.store.address,
            self.keyframe_ids(),
            self.descriptor_dim,
            self.store.descriptors_of,
        )

    def descriptors(self) -> NDArray[np.float32]:
        """(N, D) float32, unit norm, in row order; all are transferred.

        Raises:
            MapError: the database does not answer, or places were removed.
        """
        return self.store.descriptors(self.keyframe_ids())

    def descriptors_at(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, D) float32, unit norm, of rows (n,), in their order; only these travel.

        Raises:
            MapError: the database does not answer, or places were removed.
        """
        return self.store.descriptors_of(self.keyframe_ids()[rows])

    def view(self, keyframe_id: int) -> bytes | None:
        """JPEG of what the camera saw there, or None where it was not published.

        Raises:
            MapError: the map has no keyframe of this id.
        """
        self.keyframe(keyframe_id)
        return self.store.view(keyframe_id)

    def close(self) -> None:
        """Forget the keyframes and end the connection."""
        super().close()
        self.store.close()


def _fill(
    connection: sqlite3.Connection,
    keyframes: list[Keyframe],
    frame: MapFrame,
    calibration: Calibration | None,
) -> None:
    """Write what a map file would hold, without descriptors and views."""
    connection.execute('BEGIN')
    names = sorted({k.session for k in keyframes}, key=[k.session for k in keyframes].index)
    sessions = {name: number for number, name in enumerate(names, start=1)}
    connection.executemany(
        'INSERT INTO sessions VALUES (?, ?)', [(n, name) for name, n in sessions.items()]
    )
    connection.executemany(
        INSERT_KEYFRAME_AT,
        [
            (k.keyframe_id, sessions[k.session], k.stamp_ns, k.name)
            + position_values(k.pose, k.geo)
            for k in keyframes
        ],
    )
    connection.execute('UPDATE map SET revision = ?', (len(keyframes),))
    connection.execute(UPDATE_FRAME, (frame.kind, *geo_values(frame.origin)))
    write_calibration(lambda *sql: connection.execute(*sql).rowcount, calibration)
    connection.execute('COMMIT')


def _calibration(
    store: SharedStore, sources: Iterable[SharedSource], path: Path
) -> Calibration | None:
    """That of the only map; a calibration of one map does not hold for several."""
    uuids = {source.map_uuid for source in sources}
    if len(uuids) != 1:
        return None
    calibration = store.calibration(uuids.pop())
    if calibration is not None:
        check_fits(calibration, path, store.model.model_hash)
    return calibration
