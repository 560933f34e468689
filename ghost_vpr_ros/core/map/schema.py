"""The tables of a map file, and the checks by which unusable files are refused.

Descriptors and views have their own tables, so that listing keyframes and positions never reads
them: for 100 000 keyframes that is 30 MB instead of 2 GB.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.datatypes import GeoPoint, Keyframe, Pose
from ghost_vpr_ros.core.errors import ConfigError, MapError
from ghost_vpr_ros.core.map.checksums import (
    CHECKSUM_TABLES,
    DamagedRows,
    add_checksums,
    changed_table,
    damaged_rows,
    has_checksums,
    seal_tables,
)

APPLICATION_ID = 0x47565052
"""Marks a SQLite file as one of our maps (`GVPR`); the tool `file` shows it."""

SCHEMA_VERSION = 2
"""Stored as SQLite's `user_version`; 1 had no checksums."""

OLDEST_SCHEMA = 1
"""Oldest version that can be read; the first process that writes upgrades it."""

DESCRIPTOR_ITEM_BYTES = 4

_PAGE_SIZE_BYTES = 16384

_TABLES = """
CREATE TABLE map (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    uuid TEXT NOT NULL,
    revision INTEGER NOT NULL,
    revision_token TEXT NOT NULL,
    frame TEXT NOT NULL CHECK (frame IN ('none', 'enu', 'local')),
    origin_latitude_deg REAL,
    origin_longitude_deg REAL,
    origin_altitude_m REAL
);
CREATE TABLE model (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    name TEXT NOT NULL,
    hash TEXT NOT NULL,
    descriptor_dim INTEGER NOT NULL CHECK (descriptor_dim > 0),
    preprocessing TEXT NOT NULL,
    weights BLOB NOT NULL
);
CREATE TABLE sessions (
    session_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE keyframes (
    keyframe_id INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id INTEGER NOT NULL REFERENCES sessions (session_id),
    stamp_ns INTEGER NOT NULL,
    name TEXT NOT NULL,
    x_m REAL, y_m REAL, z_m REAL,
    qx REAL, qy REAL, qz REAL, qw REAL,
    covariance BLOB,
    latitude_deg REAL, longitude_deg REAL, altitude_m REAL
);
CREATE TABLE descriptors (
    keyframe_id INTEGER PRIMARY KEY REFERENCES keyframes (keyframe_id),
    descriptor BLOB NOT NULL
);
CREATE TABLE views (
    keyframe_id INTEGER PRIMARY KEY REFERENCES keyframes (keyframe_id),
    jpeg BLOB NOT NULL
);
"""

_SMALL_TABLES = ('map', 'model', 'sessions')

_CHECKED_TABLES = (*_SMALL_TABLES, 'keyframes', 'descriptors')

_CHECKSUMS_SINCE = 2

_MOST_READ = 200_000
"""Descriptors that are read to check a map. More would take longer than to open it may take."""

_CONSISTENCY = """
SELECT (SELECT count(*) FROM keyframes),
       (SELECT count(*) FROM descriptors),
       (SELECT count(*) FROM descriptors WHERE length(descriptor) = :size),
       (SELECT count(*) FROM keyframes JOIN descriptors USING (keyframe_id)
                                       JOIN sessions USING (session_id)),
       (SELECT revision FROM map)
"""

_NORM_TOLERANCE = 1e-3

_CHUNK_BYTES = 16 * 2**20

_COLUMNS = (
    'stamp_ns, keyframes.name, x_m, y_m, z_m, qx, qy, qz, qw, covariance,'
    ' latitude_deg, longitude_deg, altitude_m'
)

INSERT_KEYFRAME = (
    f'INSERT INTO main.keyframes (session_id, {_COLUMNS.replace("keyframes.", "")})'
    ' VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'
)

UPDATE_FRAME = (
    'UPDATE map SET frame = ?, origin_latitude_deg = ?, origin_longitude_deg = ?, '
    'origin_altitude_m = ?'
)

UPDATE_POSITION = (
    'UPDATE main.keyframes SET (x_m, y_m, z_m, qx, qy, qz, qw, covariance, latitude_deg,'
    ' longitude_deg, altitude_m) = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE keyframe_id = ?'
)

SELECT_KEYFRAMES = (
    f'SELECT keyframe_id, sessions.name, {_COLUMNS}'
    ' FROM keyframes JOIN sessions USING (session_id)'
)


@dataclass(frozen=True)
class ModelRecord:
    """The model that made a map's descriptors, as the map stores it (weights aside)."""

    name: str
    model_hash: str
    descriptor_dim: int
    preprocessing: PreprocessingConfig


def write_schema(connection: sqlite3.Connection, model: ModelRecord, weights: bytes) -> None:
    """Fill a new, empty database file with an empty map."""
    connection.execute(f'PRAGMA page_size = {_PAGE_SIZE_BYTES}')
    connection.execute('BEGIN')
    connection.execute(f'PRAGMA application_id = {APPLICATION_ID}')
    connection.execute(f'PRAGMA user_version = {SCHEMA_VERSION}')
    for statement in (_TABLES + CHECKSUM_TABLES).split(';'):
        connection.execute(statement)
    connection.execute(
        "INSERT INTO map VALUES (1, ?, 0, '', 'none', NULL, NULL, NULL)", (str(uuid.uuid4()),)
    )
    preprocessing = json.dumps(model.preprocessing.to_dict(), sort_keys=True)
    connection.execute(
        'INSERT INTO model VALUES (1, ?, ?, ?, ?, ?)',
        (model.name, model.model_hash, model.descriptor_dim, preprocessing, weights),
    )
    seal_tables(connection)
    connection.execute('COMMIT')


def check_is_map(connection: sqlite3.Connection, path: Path) -> None:
    """Check that this is a map, in a schema that this version reads.

    Raises:
        MapError: another kind of SQLite file, or another schema.
    """
    if _pragma(connection, 'application_id') != APPLICATION_ID:
        raise MapError(
            f'{path} is a SQLite file but not a place recognition map; '
            'expected a file written by `ghost-vpr build-map`'
        )
    version = _pragma(connection, 'user_version')
    if version > SCHEMA_VERSION:
        raise MapError(
            f'{path} has map schema {version}, this version of ghost_vpr_ros reads schema '
            f'{SCHEMA_VERSION}; update ghost_vpr_ros'
        )
    if version < OLDEST_SCHEMA:
        raise MapError(
            f'{path} has map schema {version}, this version of ghost_vpr_ros reads schema '
            f'{SCHEMA_VERSION}; build the map again from its images'
        )


def upgrade(connection: sqlite3.Connection) -> bool:
    """Upgrade a map of an earlier schema, in the open transaction.

    Returns:
        whether the map was upgraded.
    """
    if _pragma(connection, 'user_version') == SCHEMA_VERSION:
        return False
    add_checksums(connection)
    connection.execute(f'PRAGMA user_version = {SCHEMA_VERSION}')
    return True


def find_damage(connection: sqlite3.Connection, path: Path) -> DamagedRows:
    """The damaged keyframes of a map that is not very large.

    Raises:
        MapError: one of the small tables is damaged, and the map cannot be trusted.
    """
    if _pragma(connection, 'user_version') < _CHECKSUMS_SINCE:
        if has_checksums(connection):
            raise damaged(path, 'its schema version is not as it was written')
        return DamagedRows([], [])
    if not has_checksums(connection):
        raise damaged(path, 'its checksums are missing')
    changed = changed_table(connection)
    if changed is not None:
        raise damaged(path, f'its table {changed} is not as it was written')
    if is_large(connection):
        return DamagedRows([], [])
    return damaged_rows(connection, with_views=False)


def is_large(connection: sqlite3.Connection) -> bool:
    """Whether the rows are checked when they are read, not when the map is opened."""
    last_id = connection.execute('SELECT max(keyframe_id) FROM main.keyframes').fetchone()[0]
    return bool(last_id and last_id > _MOST_READ)


def check_consistent(connection: sqlite3.Connection, path: Path) -> None:
    """Check the tables: intact B-trees, and a descriptor of D floats for each keyframe.

    The table of views is skipped: reading every picture would make opening a large map slow, and a
    damaged picture, which `PlaceMap.view` reports, cannot lead to a wrong place. Rows of a very
    large map are skipped as well: each is checked when it is read, and all of them when the search
    index is built.

    Raises:
        MapError: the file is damaged.
    """
    last_id = connection.execute('SELECT max(keyframe_id) FROM keyframes').fetchone()[0] or 0
    are_many = is_large(connection)
    for table in _SMALL_TABLES if are_many else _CHECKED_TABLES:
        found = connection.execute(f'PRAGMA quick_check({table})').fetchall()
        if found != [('ok',)]:
            raise damaged(path, f'table {table}: {found[0][0] if found else "no answer"}')
    size = read_model(connection, path).descriptor_dim * DESCRIPTOR_ITEM_BYTES
    if are_many:
        _check_ends(connection, path, last_id)
        return
    keyframes, descriptors, sized, joined, revision = connection.execute(
        _CONSISTENCY, {'size': size}
    ).fetchone()
    if sized != descriptors:
        wrong = descriptors - sized
        raise damaged(path, f'{wrong} of {descriptors} descriptors are not {size} bytes long')
    if not keyframes == descriptors == joined:
        raise damaged(
            path,
            f'{keyframes} keyframes, {descriptors} descriptors, {joined} with session and '
            'descriptor, expected equal counts',
        )
    if revision is None or revision < keyframes:
        raise damaged(path, f'revision {revision} is lower than its {keyframes} keyframes')


def _check_ends(connection: sqlite3.Connection, path: Path, last_id: int) -> None:
    """Check that the keyframes and the descriptors of a large map have the same last id."""
    found = connection.execute('SELECT max(keyframe_id) FROM descriptors').fetchone()[0]
    if found != last_id:
        raise damaged(path, f'the last keyframe is {last_id}, the last descriptor {found}')


def check_model(
    found: ModelRecord, path: Path, expected_hash: str | None, expected_dim: int | None
) -> None:
    """Check that the descriptors of the map were made by the model in use.

    Raises:
        MapError: another D, or another model.
    """
    if expected_dim is not None and expected_dim != found.descriptor_dim:
        raise MapError(
            f'{path} holds descriptors of D={found.descriptor_dim}, the model in use makes '
            f'D={expected_dim}; use the model of the map ({found.name or "unnamed"}) or build '
            'the map again'
        )
    if expected_hash is not None and expected_hash != found.model_hash:
        raise MapError(
            f'{path} was built with model {found.model_hash[:12]} ({found.name or "unnamed"}), '
            f'the model in use is {expected_hash[:12]}; use the model of the map or build the '
            'map again'
        )


def read_model(connection: sqlite3.Connection, path: Path) -> ModelRecord:
    """The map's model, without its weights.

    Raises:
        MapError: the record is missing or unreadable.
    """
    row = connection.execute(
        'SELECT name, hash, descriptor_dim, preprocessing FROM model'
    ).fetchone()
    if row is None:
        raise damaged(path, 'it names no model')
    try:
        preprocessing = PreprocessingConfig.from_dict(json.loads(row[3]))
    except (ValueError, TypeError, AttributeError, RecursionError, ConfigError) as error:
        raise damaged(path, f'its preprocessing is unreadable ({error})') from error
    return ModelRecord(row[0], row[1], row[2], preprocessing)


def damaged(path: Path, why: str) -> MapError:
    """The error for a map file that cannot be trusted."""
    return MapError(f'{path} is damaged: {why}; restore a copy of it or build the map again')


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f'PRAGMA {name}').fetchone()[0])


INSERT_KEYFRAME_AT = INSERT_KEYFRAME.replace('(session', '(keyframe_id, session').replace(
    'VALUES (', 'VALUES (?, '
)
"""The same with the id as the first value."""


def position_values(pose: Pose | None, geo: GeoPoint | None) -> tuple[Any, ...]:
    """The columns from x_m to altitude_m."""
    position: tuple[Any, ...] = (None,) * 3
    quaternion: tuple[Any, ...] = (None,) * 4
    covariance = None
    if pose is not None:
        position = tuple(map(float, pose.position_m))
        if pose.quaternion_xyzw is not None:
            quaternion = tuple(map(float, pose.quaternion_xyzw))
        if pose.covariance is not None:
            covariance = np.ascontiguousarray(pose.covariance, dtype='<f8').tobytes()
    return (*position, *quaternion, covariance, *geo_values(geo))


def geo_values(geo: GeoPoint | None) -> tuple[Any, ...]:
    """Latitude, longitude and altitude as columns; NULL where unknown."""
    if geo is None:
        return (None, None, None)
    altitude_m = None if geo.altitude_m is None else float(geo.altitude_m)
    return (float(geo.latitude_deg), float(geo.longitude_deg), altitude_m)


def storable_text(text: str) -> str:
    """`text`, with `?` for the bytes of a file name that are not UTF-8, which SQLite refuses."""
    return text.encode('utf-8', 'replace').decode()


def keyframe_from_row(row: tuple[Any, ...]) -> Keyframe:
    """One row of `SELECT_KEYFRAMES` as a keyframe."""
    geo = None if row[12] is None else GeoPoint(*row[12:15])
    return Keyframe(row[0], row[1], row[2], row[3], _pose(row[4:12]), geo)


def _pose(values: tuple[Any, ...]) -> Pose | None:
    if values[0] is None:
        return None
    quaternion = None if values[3] is None else np.array(values[3:7])
    blob = values[7]
    covariance = None if blob is None else np.frombuffer(blob, '<f8').reshape(6, 6).copy()
    return Pose(np.array(values[:3]), quaternion, covariance)


def check_descriptor(descriptor: ArrayLike, descriptor_dim: int) -> bytes:
    """A valid descriptor's bytes: little-endian float32.

    Raises:
        MapError: another shape, not finite, or not of unit norm.
    """
    values = np.ascontiguousarray(descriptor, dtype='<f4')
    if values.shape != (descriptor_dim,):
        raise MapError(
            f'expected a descriptor of shape ({descriptor_dim},), found {values.shape}; '
            'use the model that the map was built with'
        )
    norm = float(np.linalg.norm(values))
    if not abs(norm - 1.0) <= _NORM_TOLERANCE:
        raise MapError(f'expected a descriptor of unit norm, found norm {norm:g}; normalise it')
    return values.tobytes()


def read_descriptors(
    connection: sqlite3.Connection, last_id: int, count: int, descriptor_dim: int
) -> NDArray[np.float32]:
    """(count, D) float32: descriptors in row order, read in one query.

    Raises:
        ValueError: rows are missing, or have another size, or are not of unit norm.
    """
    matrix = np.empty((count, descriptor_dim), dtype=np.float32)
    cursor = connection.execute(
        'SELECT descriptor FROM descriptors WHERE keyframe_id <= ? ORDER BY keyframe_id',
        (last_id,),
    )
    chunk = max(1, _CHUNK_BYTES // (descriptor_dim * DESCRIPTOR_ITEM_BYTES))
    # Whole chunks at a time, so that a large map is never in memory twice.
    for start in range(0, count, chunk):
        blobs = [blob for (blob,) in cursor.fetchmany(min(chunk, count - start))]
        matrix[start : start + chunk] = descriptors_of(blobs, descriptor_dim)
    cursor.close()
    return matrix


def descriptors_of(blobs: Sequence[bytes], descriptor_dim: int) -> NDArray[np.float32]:
    """(n, D) float32 of n stored descriptors.

    Raises:
        ValueError: one has another size, or is not of unit norm.
    """
    block = np.frombuffer(b''.join(blobs), dtype='<f4').reshape(-1, descriptor_dim)
    norms = np.sqrt(np.einsum('nd,nd->n', block, block))
    if not (np.abs(norms - 1.0) <= _NORM_TOLERANCE).all():
        raise ValueError('a descriptor is not of unit norm')
    return block
