"""Keyframes as table rows, and back."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghost_vpr_ros.core.datatypes import GeoPoint, Keyframe, Pose
from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.map.schema import DESCRIPTOR_ITEM_BYTES

_NORM_TOLERANCE = 1e-3
_CHUNK_BYTES = 16 * 2**20

_COLUMNS = (
    'stamp_ns, keyframes.name, x_m, y_m, z_m, qx, qy, qz, qw, covariance,'
    ' latitude_deg, longitude_deg, altitude_m'
)

INSERT_KEYFRAME = (
    f'INSERT INTO keyframes (session_id, {_COLUMNS.replace("keyframes.", "")})'
    ' VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'
)

INSERT_KEYFRAME_AT = INSERT_KEYFRAME.replace('(session', '(keyframe_id, session').replace(
    'VALUES (', 'VALUES (?, '
)
"""The same with the id as the first value."""

UPDATE_FRAME = (
    'UPDATE map SET frame = ?, origin_latitude_deg = ?, origin_longitude_deg = ?, '
    'origin_altitude_m = ?'
)

UPDATE_POSITION = (
    'UPDATE keyframes SET (x_m, y_m, z_m, qx, qy, qz, qw, covariance, latitude_deg,'
    ' longitude_deg, altitude_m) = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE keyframe_id = ?'
)

SELECT_KEYFRAMES = (
    f'SELECT keyframe_id, sessions.name, {_COLUMNS}'
    ' FROM keyframes JOIN sessions USING (session_id)'
)


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
    """`text`, with `?` for the bytes of a file name that are no UTF-8, which SQLite refuses."""
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
