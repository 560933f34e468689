"""The map on disk: one SQLite file with sessions, keyframes, descriptors, views and the model."""

from __future__ import annotations

import itertools
import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import ArrayLike

from ghost_vpr_ros.core.config.map import MapConfig
from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.datatypes import GeoPoint, Pose
from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.map.calibration_table import check_fits, write_calibration
from ghost_vpr_ros.core.map.cells import StoredCells, write_cells
from ghost_vpr_ros.core.map.checksums import (
    DamagedRows,
    damaged_rows,
    hide_rows,
    seal_keyframe,
    seal_row,
    seal_tables,
)
from ghost_vpr_ros.core.map.file import (
    check_size,
    connect_readonly,
    connect_writable,
    create_file,
    explained,
    is_unclosed,
    snapshot,
)
from ghost_vpr_ros.core.map.frame import MapFrame, check_position
from ghost_vpr_ros.core.map.reader import MapReader, SessionInfo
from ghost_vpr_ros.core.map.schema import (
    INSERT_KEYFRAME,
    UPDATE_FRAME,
    UPDATE_POSITION,
    ModelRecord,
    check_consistent,
    check_descriptor,
    check_is_map,
    check_model,
    find_damage,
    geo_values,
    position_values,
    read_model,
    storable_text,
    upgrade,
    write_schema,
)
from ghost_vpr_ros.core.map.writer import Execute, MapWriter
from ghost_vpr_ros.core.probability.calibration import Calibration

__all__ = ['PlaceMap', 'SessionInfo']


@dataclass(frozen=True)
class NewKeyframe:
    """A keyframe to be added to a map; `PlaceMap.add` describes each value."""

    stamp_ns: int
    descriptor: ArrayLike
    name: str = ''
    pose: Pose | None = None
    geo: GeoPoint | None = None
    view_jpeg: bytes | None = None
    cells: StoredCells | None = None


class MapCheck(NamedTuple):
    """Result of reading a whole map.

    Attributes:
        keyframes: ids of keyframes whose row or descriptor is not as it was written.
        views: ids of the other keyframes whose view is not.
        structure: 'ok', or what SQLite finds wrong with the file.
    """

    keyframes: list[int]
    views: list[int]
    structure: str


class PlaceMap(MapReader):
    """A robot's map of places; made by `create` or `open`, closed by `close` or `with`.

    `row` is a position in `descriptors()`, `keyframe_id` is stable; `keyframe_ids()` joins them.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, config: MapConfig | None
    ) -> None:
        super().__init__(path, connection)
        self._writer: MapWriter | None = None
        if config is not None:
            self._writer = MapWriter(
                connection, self._lock, path, config.commit_interval_s, self._load_state
            )

    @classmethod
    def create(
        cls,
        path: str | Path,
        model_hash: str,
        descriptor_dim: int,
        preprocessing: PreprocessingConfig,
        model_bytes: bytes,
        config: MapConfig | None = None,
        model_name: str = '',
    ) -> PlaceMap:
        """A new, empty map, open for writing.

        Args:
            path: of the new file; nothing may be there, and the folder must exist.
            model_hash: of the model whose descriptors will be added.
            descriptor_dim: D of that model.
            preprocessing: of that model.
            model_bytes: its weights file; the map alone is then enough on the robot.
            config: the commit interval.
            model_name: readable name.

        Raises:
            MapError: the file exists already.
            OutputError: the folder is missing, read-only or full.
        """
        path = Path(path)
        model = ModelRecord(model_name, model_hash, descriptor_dim, preprocessing)
        create_file(path, lambda connection: write_schema(connection, model, model_bytes))
        return cls(path, connect_writable(path), config or MapConfig())

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        writable: bool = False,
        expected_model_hash: str | None = None,
        expected_dim: int | None = None,
        config: MapConfig | None = None,
    ) -> PlaceMap:
        """An existing map, checked step by step; a map that is refused is not changed.

        Args:
            path: the map's file.
            writable: to add keyframes; only one process at a time.
            expected_model_hash: of the model in use, where it does not come from the map.
            expected_dim: D of the model in use.
            config: the commit interval when writable.

        Raises:
            MapError: missing, not a map, another schema, damaged, another model, or (writable)
                being written by another process.
            OutputError: writable, but file or folder is read-only.
        """
        path = Path(path)
        unclosed = is_unclosed(path)
        connection = connect_readonly(path)
        try:
            with explained(path), snapshot(connection):
                check_is_map(connection, path)
                check_size(connection, path)
                check_consistent(connection, path)
                model = read_model(connection, path)
                check_model(model, path, expected_model_hash, expected_dim)
                damage = find_damage(connection, path)
            if writable:
                connection.close()
                connection = connect_writable(path)
            with explained(path):
                _prepare(connection, damage.keyframes, writable=writable)
            opened = cls(path, connection, config or MapConfig() if writable else None)
        except BaseException:
            connection.close()
            raise
        opened.damaged_keyframes, opened.is_unclosed = len(damage.keyframes), unclosed
        return opened

    def close(self) -> None:
        """Commit what was added and close the file; a second call does nothing.

        Raises:
            OutputError: the last keyframes could not be written.
        """
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
        super().close()

    @property
    def is_writable(self) -> bool:  # noqa: D102
        return self._writer is not None

    def check(self) -> MapCheck:
        """Read all of the file, views too, and compare it with its checksums.

        Raises:
            MapError: the file cannot be read through.
        """
        with self._lock, explained(self.path):
            found = DamagedRows([], [])
            if self.has_checksums:
                found = damaged_rows(self._connection, with_views=True)
            structure = self._connection.execute('PRAGMA main.integrity_check(1)').fetchone()[0]
        return MapCheck(found.keyframes, found.views, structure)

    def commit(self) -> None:
        """Write every added keyframe to disk now; a read-only map has none.

        Raises:
            OutputError: disk full or read-only; what was added since the last commit is lost.
        """
        if self._writer is not None:
            self._writer.raise_late_error()
            self._writer.commit()

    def add_session(self, name: str | None = None) -> str:
        """Start a mapping run; returns its name (`session-N` when none is given).

        Raises:
            MapError: the name is taken or empty, or the map is read-only.
            OutputError: disk full or read-only.
        """
        with self._lock:
            name = self._free_session_name() if name is None else storable_text(name)
            if not name.strip():
                raise MapError(f'{self.path}: a session needs a name that is not empty')
            if name in self._sessions:
                raise MapError(
                    f'{self.path} already has a session {name!r}; choose another name for this run'
                )
            with self._require_writer().change() as execute:
                number = execute('INSERT INTO sessions (name) VALUES (?)', (name,))
                seal_tables(self._connection, 'sessions')
                self._sessions[name] = number
            return name

    def add(
        self,
        session: str,
        stamp_ns: int,
        descriptor: ArrayLike,
        *,
        name: str = '',
        pose: Pose | None = None,
        geo: GeoPoint | None = None,
        view_jpeg: bytes | None = None,
        cells: StoredCells | None = None,
    ) -> int:
        """Add one keyframe; returns its id. On the disk within the commit interval.

        Args:
            session: a name that `add_session` returned, now or in an earlier run.
            stamp_ns: time of capture, or `UNKNOWN_STAMP_NS`.
            descriptor: (D,) float32, unit norm.
            name: readable name of the image.
            pose: in the map frame; together with `geo` see `MapFrame.place`.
            geo: WGS84; alone it gives the pose in ENU about the map's origin, which the first
                such keyframe fixes.
            view_jpeg: the image, for display and verification.
            cells: the image's feature map, for verification by `network`.

        Raises:
            MapError: unknown session, a descriptor or position that is not valid or is in another
                frame, or a read-only map; nothing is stored.
            OutputError: disk full or read-only; what was added since the last commit is lost.
        """
        added = NewKeyframe(stamp_ns, descriptor, name, pose, geo, view_jpeg, cells)
        return self.add_all(session, [added])[0]

    def add_all(self, session: str, keyframes: Sequence[NewKeyframe]) -> list[int]:
        """Add keyframes as `add` does, in one change: all of them or none; returns their ids.

        Raises:
            MapError: as `add`, for any of them; nothing is stored.
            OutputError: disk full or read-only; what was added since the last commit is lost.
        """
        packed = [check_descriptor(each.descriptor, self.descriptor_dim) for each in keyframes]
        for each in keyframes:
            check_position(each.pose, each.geo)
        with self._lock:
            writer, session_id = self._require_writer(), self._session_id(session)
            frame, rows = self._frame, []
            for each in keyframes:
                frame = frame.for_keyframe(each.pose, each.geo)
                values = position_values(frame.place(each.pose, each.geo), each.geo)
                rows.append((session_id, int(each.stamp_ns), storable_text(each.name), *values))
            with writer.change() as execute:
                added = zip(rows, packed, keyframes, strict=True)
                ids = [self._insert(execute, *each) for each in added]
                self._advance(execute, ids, frame)
            return ids

    def _insert(
        self, execute: Execute, row: tuple[Any, ...], descriptor: bytes, keyframe: NewKeyframe
    ) -> int:
        keyframe_id = execute(INSERT_KEYFRAME, row)
        execute('INSERT INTO main.descriptors VALUES (?, ?)', (keyframe_id, descriptor))
        if keyframe.view_jpeg is not None:
            execute('INSERT INTO main.views VALUES (?, ?)', (keyframe_id, keyframe.view_jpeg))
        if keyframe.cells is not None:
            write_cells(execute, keyframe_id, keyframe.cells)
        seal_keyframe(self._connection, keyframe_id, descriptor, keyframe.view_jpeg)
        return keyframe_id

    def locate(self, keyframe_id: int, pose: Pose) -> None:
        """Set the pose of a keyframe in the map frame, replacing an earlier one.

        A geotagged map gets the place in WGS84 with it.

        Raises:
            MapError: no such keyframe, not a valid pose, or the map is read-only.
            OutputError: disk full or read-only.
        """
        check_position(pose, None)
        self.keyframe(keyframe_id)
        local = self.local_frame
        geo = None if local is None else local.point_to_geo(pose.position_m)
        with self._lock:
            writer, frame = self._require_writer(), self._frame.for_keyframe(pose, geo)
            with writer.change() as execute:
                execute(UPDATE_POSITION, (*position_values(pose, geo), keyframe_id))
                seal_row(self._connection, keyframe_id)
                self._renew(execute, frame)

    def set_calibration(self, calibration: Calibration | None) -> None:
        """Store a calibration in place of an earlier one; None removes it.

        Raises:
            MapError: it was learned with other weights, or the map is read-only.
            OutputError: disk full or read-only.
        """
        if calibration is not None:
            check_fits(calibration, self.path, self.model_hash)
        with self._lock:
            with self._require_writer().change() as execute:
                write_calibration(execute, calibration)
                seal_tables(self._connection, 'calibration')
            self._calibration = calibration
            self.commit()

    def _advance(self, execute: Execute, added: list[int], frame: MapFrame) -> None:
        execute('UPDATE map SET revision = revision + ?', (len(added),))
        self._revision += len(added)
        self._renew(execute, frame)
        self._last_id = max(added, default=self._last_id)
        self._count += len(added)

    def _renew(self, execute: Execute, frame: MapFrame) -> None:
        """Set the frame and a new token, which tells maps of one revision apart, as copies."""
        self._revision_token = secrets.token_hex(8)
        execute('UPDATE map SET revision_token = ?', (self._revision_token,))
        if frame is not self._frame:
            execute(UPDATE_FRAME, (frame.kind, *geo_values(frame.origin)))
        seal_tables(self._connection, 'map')
        self._frame = frame

    def _require_writer(self) -> MapWriter:
        if self._writer is None:
            raise MapError(f'{self.path} is open read-only; open it with writable=True to add')
        self._writer.raise_late_error()
        return self._writer

    def _session_id(self, session: str) -> int:
        if session not in self._sessions:
            known = ', '.join(sorted(self._sessions)) or 'none'
            raise MapError(
                f'{self.path} has no session {session!r} (it has: {known}); call add_session first'
            )
        return self._sessions[session]

    def _free_session_name(self) -> str:
        numbered = (f'session-{n}' for n in itertools.count(len(self._sessions) + 1))
        return next(name for name in numbered if name not in self._sessions)


def _prepare(connection: sqlite3.Connection, damaged: list[int], *, writable: bool) -> None:
    """Upgrade a writable map, and hide damaged keyframes; the write lock is held again."""
    if writable and upgrade(connection):
        connection.execute('COMMIT')
        connection.execute('BEGIN IMMEDIATE')
    if not damaged:
        return
    if writable:
        connection.execute('COMMIT')
    hide_rows(connection, damaged)
    if writable:
        connection.execute('BEGIN IMMEDIATE')
