"""Reading an open map: its model, its sessions, its keyframes by row or by id."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, GeoPoint, Keyframe
from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.geodesy import LocalFrame
from ghost_vpr_ros.core.map.calibration_table import read_calibration
from ghost_vpr_ros.core.map.cells import StoredCells, read_cells
from ghost_vpr_ros.core.map.checksums import (
    changed_among,
    has_checksums,
    is_blob_intact,
    is_view_intact,
)
from ghost_vpr_ros.core.map.columns import SELECT_COLUMNS, Columns, columns_of
from ghost_vpr_ros.core.map.file import FileInPlace, explained
from ghost_vpr_ros.core.map.frame import MapFrame
from ghost_vpr_ros.core.map.schema import (
    SELECT_KEYFRAMES,
    damaged,
    descriptors_of,
    is_large,
    keyframe_from_row,
    read_descriptors,
    read_model,
)
from ghost_vpr_ros.core.model.weights_file import StoredModel
from ghost_vpr_ros.core.probability.calibration import Calibration

_SELECT_SESSIONS = """
SELECT sessions.name, count(keyframe_id), min(nullif(stamp_ns, :unknown)), max(stamp_ns)
FROM sessions LEFT JOIN keyframes
    ON keyframes.session_id = sessions.session_id AND keyframe_id <= :last_id
GROUP BY sessions.session_id ORDER BY sessions.session_id
"""

_MOST_AT_ONCE = 10_000
"""Most rows read by one query."""

_SELECT_DESCRIPTORS = 'SELECT keyframe_id, descriptor FROM descriptors WHERE keyframe_id'

_SELECT_SEALED_DESCRIPTORS = (
    'SELECT keyframe_id, descriptor, (SELECT row_checksums.descriptor FROM row_checksums'
    ' WHERE row_checksums.keyframe_id = descriptors.keyframe_id)'
    ' FROM descriptors WHERE keyframe_id'
)
"""With their checksums, in one query, because every search in a very large map runs it."""

MapT = TypeVar('MapT', bound='MapReader')


@dataclass(frozen=True)
class SessionInfo:
    """One mapping run; the stamps are `UNKNOWN_STAMP_NS` if no keyframe has one."""

    name: str
    count: int
    first_stamp_ns: int
    last_stamp_ns: int


class PlaceSearch(Protocol):
    """Descriptors in rows 0 .. N - 1, and the search for the most similar ones."""

    def __len__(self) -> int:
        """N."""
        ...

    @property
    def descriptor_dim(self) -> int:
        """D."""
        ...

    @property
    def is_exact(self) -> bool:
        """Whether all descriptors are compared with each query."""
        ...

    def add(self, descriptor: ArrayLike) -> int:
        """Append one descriptor (D,) of unit norm; returns its row."""
        ...

    def add_all(self, descriptors: ArrayLike) -> None:
        """Append descriptors (n, D) of unit norm, in their order."""
        ...

    def search(self, queries: ArrayLike, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows and similarities (Q, min(k, N)) of queries (Q, D), best first."""
        ...

    def search_among(
        self, query: ArrayLike, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Chosen rows (n,), best first, with their similarities (n,) to a query (1, D)."""
        ...


class MapReader:
    """A map open for reading: what a map file and a fleet's shared map have in common.

    It shows the keyframes present when the map was opened and those added through this object,
    even while another process adds more, so rows and ids always match.

    Attributes:
        path: the map's file.
        model_name: the model that made the descriptors, in words.
        model_hash: the same for machines.
        descriptor_dim: D.
        preprocessing: what turned the images into the network's input.
        has_checksums: whether content is checked when it is read; a map of the first schema is
            not.
        damaged_keyframes: how many are not as they were written, and left out.
        damaged_views: how many requested views were damaged, and left out.
        is_unclosed: whether the file was copied, or left by a process that ended, without the
            -wal file that may hold its last keyframes.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.damaged_keyframes, self.damaged_views, self.is_unclosed = 0, 0, False
        self.has_checksums = has_checksums(connection)
        self._connection = connection
        self._place = FileInPlace(path)
        self._known_state = self._place.state()
        self._lock = threading.RLock()
        with explained(path):
            model = read_model(connection, path)
        self.model_name = model.name
        self.model_hash = model.model_hash
        self.descriptor_dim = model.descriptor_dim
        self.preprocessing: PreprocessingConfig = model.preprocessing
        self._load_state()

    def __len__(self) -> int:
        return self._count

    def __enter__(self: MapT) -> MapT:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the map; a second call does nothing."""
        self._connection.close()

    def commit(self) -> None:
        """Write every added keyframe to disk now; a read-only map has none."""

    @property
    def revision(self) -> int:
        """Increases by one with every keyframe; stored in the file."""
        return self._revision

    @property
    def map_frame(self) -> str:
        """'enu', 'local', or 'none' while no keyframe has a position."""
        return self._frame.kind

    @property
    def origin(self) -> GeoPoint | None:
        """WGS84 position of the map frame's origin; None unless `map_frame` is 'enu'."""
        return self._frame.origin

    @property
    def local_frame(self) -> LocalFrame | None:
        """WGS84 to the map frame's metres and back; None unless `map_frame` is 'enu'."""
        return self._frame.local_frame

    @property
    def calibration(self) -> Calibration | None:
        """The calibration of this map; None where it is not calibrated."""
        return self._calibration

    @property
    def uuid(self) -> str:
        """Identifies this map, whatever its content; a map that is built again has another one."""
        return self._uuid

    @property
    def fingerprint(self) -> str:
        """Identifies the current content of this map; files derived from it carry the same."""
        return f'{self._uuid}:{self._revision}:{self._revision_token}:{self.model_hash}'

    def model_bytes(self) -> bytes:
        """The weights file (safetensors) of the model that made the descriptors."""
        return bytes(self._all('SELECT weights FROM model')[0][0])

    def model(self) -> StoredModel:
        """The network that made the descriptors.

        Raises:
            WeightsError: what the map holds of it is damaged.
        """
        return StoredModel.from_bytes(self.model_bytes(), f'the model in {self.path}')

    @property
    def session_names(self) -> list[str]:
        """Names of the mapping runs, oldest first."""
        return list(self._sessions)

    @property
    def is_writable(self) -> bool:
        """Whether keyframes can be added."""
        return False

    def change_of_file(self) -> str:
        """A sentence if the file was moved, replaced or cut off since it was opened; else empty.

        The opened file is still read: a node answers from it until it is configured again.
        """
        try:
            self._place.check()
        except sqlite3.OperationalError as error:
            return f'{self.path}: {error} after it was opened'
        return ''

    @property
    def warnings(self) -> list[str]:
        """Warnings about the file for users of the map, one sentence each."""
        found = []
        if self.damaged_keyframes:
            found.append(
                f'{self.path}: {self.damaged_keyframes} of '
                f'{self.damaged_keyframes + len(self)} keyframes are not as they were written and '
                'are left out; restore a copy, or see `ghost-vpr info --check`'
            )
        if self.is_unclosed:
            found.append(
                f'{self.path} was not closed: if it was copied without {self.path.name}-wal, or '
                'that file is damaged, the last keyframes are missing; copy it when nothing '
                'writes it, or both files'
            )
        return found

    def search_index(self) -> PlaceSearch | None:
        """The database that searches this map; None for a file, which gets an index in memory."""
        return None

    def sessions(self) -> list[SessionInfo]:
        """The mapping runs, oldest first."""
        values = {'unknown': UNKNOWN_STAMP_NS, 'last_id': self._last_id}
        return [
            SessionInfo(
                name,
                count,
                UNKNOWN_STAMP_NS if first is None else first,
                UNKNOWN_STAMP_NS if last is None else last,
            )
            for name, count, first, last in self._all(_SELECT_SESSIONS, values)
        ]

    def keyframes(self) -> list[Keyframe]:
        """All keyframes, in row order."""
        rows = self._all(
            f'{SELECT_KEYFRAMES} WHERE keyframe_id <= ? ORDER BY keyframe_id', (self._last_id,)
        )
        return [keyframe_from_row(row) for row in rows]

    def keyframe(self, keyframe_id: int) -> Keyframe:
        """One keyframe.

        Raises:
            MapError: the map has no keyframe of this id.
        """
        rows = self._all(f'{SELECT_KEYFRAMES} WHERE keyframe_id = ?', (int(keyframe_id),))
        if not rows or rows[0][0] > self._last_id:
            raise self._unknown_keyframe(keyframe_id)
        return keyframe_from_row(rows[0])

    def view(self, keyframe_id: int) -> bytes | None:
        """JPEG of the view, or None if it was not stored or is damaged.

        Raises:
            MapError: the map has no keyframe of this id.
        """
        self._check_identity()
        rows = self._all(
            'SELECT jpeg FROM keyframes LEFT JOIN views USING (keyframe_id) WHERE keyframe_id = ?',
            (int(keyframe_id),),
        )
        if not rows:
            raise self._unknown_keyframe(keyframe_id)
        jpeg: bytes | None = rows[0][0]
        if not self.has_checksums:
            return jpeg
        with self._lock, explained(self.path):
            if is_view_intact(self._connection, int(keyframe_id), jpeg):
                return jpeg
        self.damaged_views += 1
        return None

    def cells(self, keyframe_id: int) -> StoredCells | None:
        """The feature map of a keyframe, or None if it was not stored or is damaged."""
        self._check_identity()
        with self._lock, explained(self.path):
            return read_cells(self._connection, int(keyframe_id))

    def keyframe_ids(self) -> NDArray[np.int64]:
        """(N,) int64: the stable id of each row."""
        rows = self._all(
            'SELECT keyframe_id FROM keyframes WHERE keyframe_id <= ? ORDER BY keyframe_id',
            (self._last_id,),
        )
        return np.array(rows, dtype=np.int64).reshape(-1)

    def positions(self) -> NDArray[np.float64]:
        """(N, 3) float64: metres in the map frame, in row order; NaN where unknown."""
        rows = self._all(
            'SELECT x_m, y_m, z_m FROM keyframes WHERE keyframe_id <= ? ORDER BY keyframe_id',
            (self._last_id,),
        )
        return np.array(rows, dtype=np.float64).reshape(-1, 3)

    def descriptors(self) -> NDArray[np.float32]:
        """(N, D) float32, unit norm, in row order.

        Raises:
            MapError: the file was damaged since it was opened.
        """
        with self._lock, explained(self.path):
            try:
                return read_descriptors(
                    self._connection, self._last_id, self._count, self.descriptor_dim
                )
            except ValueError as error:
                raise damaged(self.path, f'descriptors ({error})') from error

    def columns(self) -> Columns:
        """The columns of all rows, read in parts."""
        parts = [columns_of([])]
        for start in range(0, len(self), _MOST_AT_ONCE):
            parts.append(columns_of(self._between(SELECT_COLUMNS, start)))
            self._check(np.arange(start, min(start + _MOST_AT_ONCE, len(self))))
        return Columns(*map(np.concatenate, zip(*parts, strict=True)))

    def keyframes_at(self, rows: NDArray[np.int64]) -> list[Keyframe]:
        """The keyframes of rows (n,), in their order."""
        found = self._chosen(f'{SELECT_KEYFRAMES} WHERE keyframe_id', rows)
        self._check(rows)
        return [keyframe_from_row(values) for values in found]

    def descriptors_at(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, D) float32, unit norm, of rows (n,), in their order.

        Raises:
            MapError: the file was damaged since it was opened.
        """
        return self._descriptors_of(self._chosen(self._select_descriptors, rows))

    def descriptor_blocks(self, first: int = 0) -> Iterator[NDArray[np.float32]]:
        """All descriptors from a row on, in row order, in blocks (n, D) float32.

        Raises:
            MapError: the file was damaged since it was opened.
        """
        sql = f'{self._select_descriptors} BETWEEN ? AND ? ORDER BY keyframe_id'
        for start in range(first, len(self), _MOST_AT_ONCE):
            yield self._descriptors_of(self._between(sql, start))

    def row_of(self, keyframe_id: int) -> int:
        """The row of a keyframe of this map."""
        if self._has_no_gap:
            return keyframe_id - 1
        return int(np.searchsorted(self.keyframe_ids(), keyframe_id))

    def session_number(self, name: str) -> int:
        """The number of a session, as in `Columns`."""
        return self._sessions[name]

    def _all(self, sql: str, values: Any = ()) -> list[Any]:
        # All rows at once: an unfinished query would hold a lock that blocks the map's writer.
        with self._lock, explained(self.path):
            return self._connection.execute(sql, values).fetchall()

    def _load_state(self) -> None:
        with self._lock, explained(self.path), self._snapshot():
            self._load_state_inside()

    @contextlib.contextmanager
    def _snapshot(self) -> Iterator[None]:
        """All reads inside see one state of the file, whatever others write."""
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute('BEGIN')
        try:
            yield
        finally:
            self._connection.execute('COMMIT')

    def _load_state_inside(self) -> None:
        self._count, self._last_id = self._all(
            'SELECT count(*), coalesce(max(keyframe_id), 0) FROM keyframes'
        )[0]
        self._sessions: dict[str, int] = dict(
            self._all('SELECT name, session_id FROM sessions ORDER BY session_id')
        )
        self._uuid, self._revision, self._revision_token, kind, *origin = self._all(
            'SELECT uuid, revision, revision_token, frame, origin_latitude_deg, '
            'origin_longitude_deg, origin_altitude_m FROM map'
        )[0]
        self._frame = MapFrame(kind, None if origin[0] is None else GeoPoint(*origin))
        self._is_large = is_large(self._connection)
        self._calibration = read_calibration(self._connection, self.path, self.model_hash)

    def _unknown_keyframe(self, keyframe_id: int) -> MapError:
        return MapError(f'{self.path} has no keyframe {keyframe_id}; it holds {self._count}')

    @property
    def _has_no_gap(self) -> bool:
        # Ids begin at 1 and increase: if there are as many as the last id, none is missing.
        return self._last_id == self._count

    def _ids_at(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return rows + 1 if self._has_no_gap else self.keyframe_ids()[rows]

    def _between(self, sql: str, start: int) -> list[tuple[Any, ...]]:
        """The columns of the next rows from `start` on."""
        stop = min(start + _MOST_AT_ONCE, len(self))
        found = self._all(sql, self._ids_at(np.array([start, stop - 1])).tolist())
        if len(found) != stop - start:
            raise damaged(self.path, f'{stop - start - len(found)} rows are missing')
        return found

    def _chosen(self, sql: str, rows: NDArray[np.int64]) -> list[tuple[Any, ...]]:
        """The columns of rows (n,), in their order; the first one is the keyframe's id."""
        self._check_identity()
        ids = self._ids_at(rows).tolist()
        found: dict[int, tuple[Any, ...]] = {}
        for start in range(0, len(ids), _MOST_AT_ONCE):
            part = ids[start : start + _MOST_AT_ONCE]
            marks = ','.join('?' * len(part))
            found |= {values[0]: values for values in self._all(f'{sql} IN ({marks})', part)}
        if not found.keys() >= set(ids):
            raise damaged(self.path, 'rows are missing')
        return [found[keyframe_id] for keyframe_id in ids]

    def _check_identity(self) -> None:
        """Check that it is still the same map, and not another one copied over the open file.

        Raises:
            MapError: it is not.
        """
        state = self._place.state()
        if state == self._known_state:
            return
        if self._all('SELECT uuid FROM map') != [(self._uuid,)]:
            raise MapError(f'{self.path} was replaced by another map; open it again')
        self._known_state = state

    @property
    def _is_checked_when_read(self) -> bool:
        """Whether rows are checked when read, as in very large maps, and not on opening."""
        return self.has_checksums and self._is_large

    @property
    def _select_descriptors(self) -> str:
        return _SELECT_SEALED_DESCRIPTORS if self._is_checked_when_read else _SELECT_DESCRIPTORS

    def _check(self, rows: NDArray[np.int64]) -> None:
        """Check that keyframes of rows (n,) of a very large map are as they were written.

        Raises:
            MapError: they are not.
        """
        if not self._is_checked_when_read:
            return
        ids = self._ids_at(rows).tolist()
        for start in range(0, len(ids), _MOST_AT_ONCE):
            with self._lock, explained(self.path):
                changed = changed_among(self._connection, ids[start : start + _MOST_AT_ONCE])
            if changed:
                raise self._changed(changed[0])

    def _descriptors_of(self, found: Sequence[tuple[Any, ...]]) -> NDArray[np.float32]:
        """(n, D) of n ids with their descriptors, and their checksums where they have to be."""
        for keyframe_id, *sealed in found:
            if len(sealed) > 1 and not is_blob_intact(keyframe_id, *sealed):
                raise self._changed(keyframe_id)
        try:
            return descriptors_of([descriptor for _, descriptor, *_ in found], self.descriptor_dim)
        except ValueError as error:
            raise damaged(self.path, f'descriptors ({error})') from error

    def _changed(self, keyframe_id: int) -> MapError:
        return damaged(self.path, f'keyframe {keyframe_id} is not as it was written')
