"""The cells of a keyframe's feature map, in a table of the map file that exists only with some.

No step of the schema is needed: a version that does not know the table ignores it and makes the
cells from the view, as for every map without them.
"""

from __future__ import annotations

import sqlite3
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.map.checksums import blob_checksum
from ghost_vpr_ros.core.map.writer import Execute

_CREATE = """
CREATE TABLE IF NOT EXISTS cells (
    keyframe_id INTEGER PRIMARY KEY REFERENCES keyframes (keyframe_id),
    content BLOB NOT NULL,
    checksum INTEGER NOT NULL
)
"""

_HEAD = struct.Struct('<5H')
"""Width and height of the image in pixels, channels, rows, columns."""

_LARGEST = 127.0


@dataclass(frozen=True)
class StoredCells:
    """The feature map of one image.

    Attributes:
        feature_map: (C, h, w) float32; unpacked, each cell is known up to a factor.
        width_px: of the image.
        height_px: of the image.
    """

    feature_map: NDArray[np.float32]
    width_px: int
    height_px: int

    def packed(self) -> bytes:
        """Ten bytes, and one for each number: cells scaled by their largest, row by row."""
        channels, rows, columns = self.feature_map.shape
        cells = self.feature_map.reshape(channels, -1).T
        largest = np.abs(cells).max(axis=1, keepdims=True)
        levels = np.rint(cells * (_LARGEST / np.maximum(largest, 1e-9))).astype(np.int8)
        return (
            _HEAD.pack(self.width_px, self.height_px, channels, rows, columns) + levels.tobytes()
        )

    @classmethod
    def unpacked(cls, content: bytes) -> StoredCells:
        """What was packed.

        Raises:
            ValueError: the size is not the one that the first bytes state.
        """
        if len(content) < _HEAD.size:
            raise ValueError('shorter than its head')
        width_px, height_px, channels, rows, columns = _HEAD.unpack_from(content)
        levels = np.frombuffer(content, np.int8, offset=_HEAD.size)
        cells = levels.reshape(rows * columns, channels).astype(np.float32)
        return cls(cells.T.reshape(channels, rows, columns), width_px, height_px)


def write_cells(execute: Execute, keyframe_id: int, cells: StoredCells) -> None:
    """Add the cells of a new keyframe."""
    content = cells.packed()
    execute(_CREATE, ())
    execute(
        'INSERT INTO main.cells VALUES (?, ?, ?)',
        (keyframe_id, content, blob_checksum(keyframe_id, content)),
    )


def read_cells(connection: sqlite3.Connection, keyframe_id: int) -> StoredCells | None:
    """The cells of a keyframe; None where the map has none, or they are damaged."""
    if not connection.execute(
        "SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = 'cells'"
    ).fetchone():
        return None
    row = connection.execute(
        'SELECT content, checksum FROM main.cells WHERE keyframe_id = ?', (keyframe_id,)
    ).fetchone()
    if row is None or blob_checksum(keyframe_id, row[0]) != row[1]:
        return None
    try:
        return StoredCells.unpacked(row[0])
    except ValueError:
        return None
