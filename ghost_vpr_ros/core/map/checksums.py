"""Checksums of a map's content, so that a bit that flips on the disk never becomes an answer.

Each keyframe has one for its row, one for its descriptor and one for its view; each of the small
tables has one. They are CRC-32: against corruption, not against tampering.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

CHECKSUM_TABLES = """
CREATE TABLE row_checksums (
    keyframe_id INTEGER PRIMARY KEY,
    keyframe INTEGER NOT NULL,
    descriptor INTEGER NOT NULL,
    view INTEGER
);
CREATE TABLE table_checksums (
    name TEXT PRIMARY KEY,
    checksum INTEGER NOT NULL
);
"""

_SEALED = {
    'map': 'SELECT * FROM map',
    'model': 'SELECT name, hash, descriptor_dim, preprocessing FROM model',
    'sessions': 'SELECT session_id, name FROM sessions ORDER BY session_id',
}
_SEALED_IF_THERE = {'calibration': 'SELECT content FROM calibration'}

_KEYFRAMES = 'SELECT * FROM main.keyframes'
_BLOBS = {'descriptor': ('descriptors', 'descriptor'), 'view': ('views', 'jpeg')}
"""Where a keyframe's two files are: table and column."""


class DamagedRows(NamedTuple):
    """Ids of keyframes whose content is not what was written.

    Attributes:
        keyframes: in their row or their descriptor; they cannot answer.
        views: in their view alone.
    """

    keyframes: list[int]
    views: list[int]


def row_checksum(values: tuple[Any, ...]) -> int:
    """Of the values of one row, as SQLite returns them."""
    # ascii() writes the same text for the same values on every machine.
    return zlib.crc32(ascii(values).encode())


def blob_checksum(keyframe_id: int, blob: bytes) -> int:
    """Of a descriptor or a view: one that belongs to another keyframe has another checksum."""
    return zlib.crc32(blob, keyframe_id & 0xFFFFFFFF)


def is_blob_intact(keyframe_id: int, blob: object, known: int | None) -> bool:
    """Whether a descriptor or a view is as it was written, by its checksum of then."""
    return isinstance(blob, bytes) and blob_checksum(keyframe_id, blob) == known


def has_checksums(connection: sqlite3.Connection) -> bool:
    """Whether the map has them; maps of schema 1 have none."""
    return bool(
        connection.execute(
            "SELECT 1 FROM main.sqlite_master WHERE name IN ('row_checksums', 'table_checksums')"
        ).fetchone()
    )


def seal_keyframe(
    connection: sqlite3.Connection, keyframe_id: int, descriptor: bytes, view: bytes | None
) -> None:
    """Write the checksums of a keyframe that was just added."""
    connection.execute(
        'INSERT OR REPLACE INTO row_checksums VALUES (?, ?, ?, ?)',
        (
            keyframe_id,
            _keyframe_checksum(connection, keyframe_id),
            blob_checksum(keyframe_id, descriptor),
            None if view is None else blob_checksum(keyframe_id, view),
        ),
    )


def seal_row(connection: sqlite3.Connection, keyframe_id: int) -> None:
    """Write the checksum of a keyframe's row, which was changed."""
    connection.execute(
        'UPDATE row_checksums SET keyframe = ? WHERE keyframe_id = ?',
        (_keyframe_checksum(connection, keyframe_id), keyframe_id),
    )


def seal_tables(connection: sqlite3.Connection, *names: str) -> None:
    """Write the checksums of the small tables that were changed; of all where none is named."""
    for name in names or (*_SEALED, *_there(connection)):
        connection.execute(
            'INSERT OR REPLACE INTO table_checksums VALUES (?, ?)',
            (name, _table_checksum(connection, name)),
        )


def add_checksums(connection: sqlite3.Connection) -> None:
    """Add checksums of the present content to a map of schema 1, within one transaction."""
    for statement in CHECKSUM_TABLES.split(';'):
        connection.execute(statement)
    connection.execute(
        'INSERT INTO row_checksums SELECT keyframe_id, 0, 0, NULL FROM main.keyframes'
    )
    for keyframe_id, checksum, _ in _rows(connection):
        _set(connection, 'keyframe', keyframe_id, checksum)
    for column, (table, content) in _BLOBS.items():
        for keyframe_id, blob in connection.execute(
            f'SELECT keyframe_id, {content} FROM main.{table}'
        ):
            _set(connection, column, keyframe_id, blob_checksum(keyframe_id, blob))
    seal_tables(connection)


def changed_table(connection: sqlite3.Connection) -> str | None:
    """The first small table that is not as it was written; None where all are."""
    known = dict(connection.execute('SELECT name, checksum FROM table_checksums'))
    for name in (*_SEALED, *_there(connection)):
        if known.get(name) != _table_checksum(connection, name):
            return name
    return None


def damaged_rows(connection: sqlite3.Connection, *, with_views: bool) -> DamagedRows:
    """Which keyframes are damaged; reads all descriptors, and on request all views.

    Raises:
        sqlite3.DatabaseError: the file cannot be read through.
    """
    keyframes = {number for number, checksum, known in _rows(connection) if checksum != known}
    keyframes |= set(_changed_blobs(connection, 'descriptor'))
    views = set(_changed_blobs(connection, 'view')) if with_views else set()
    return DamagedRows(sorted(keyframes), sorted(views - keyframes))


def changed_among(connection: sqlite3.Connection, ids: Sequence[int]) -> list[int]:
    """Those of some ids whose row is not as it was written."""
    return [number for number, checksum, known in _rows(connection, ids) if checksum != known]


def is_view_intact(connection: sqlite3.Connection, keyframe_id: int, jpeg: bytes | None) -> bool:
    """Whether a view is as it was written; None is where none was."""
    known = connection.execute(
        'SELECT view FROM row_checksums WHERE keyframe_id = ?', (keyframe_id,)
    ).fetchone()
    found = None if jpeg is None else blob_checksum(keyframe_id, jpeg)
    return known is not None and known[0] == found


def hide_rows(connection: sqlite3.Connection, keyframe_ids: list[int]) -> None:
    """Hide some keyframes of the map from this connection; the file is not changed."""
    connection.execute('PRAGMA temp_store = MEMORY')
    connection.execute('CREATE TEMP TABLE hidden (keyframe_id INTEGER PRIMARY KEY)')
    connection.executemany('INSERT INTO hidden VALUES (?)', [(each,) for each in keyframe_ids])
    for table in ('keyframes', 'descriptors', 'views'):
        # A temporary view comes before the table of the same name.
        connection.execute(
            f'CREATE TEMP VIEW {table} AS SELECT * FROM main.{table}'
            ' WHERE keyframe_id NOT IN (SELECT keyframe_id FROM hidden)'
        )


def _keyframe_checksum(connection: sqlite3.Connection, keyframe_id: int) -> int:
    row = connection.execute(f'{_KEYFRAMES} WHERE keyframe_id = ?', (keyframe_id,)).fetchone()
    return row_checksum(row)


def _rows(
    connection: sqlite3.Connection, ids: Sequence[int] | None = None
) -> Iterator[tuple[int, int, int | None]]:
    """Id, checksum now and checksum then of each row of the keyframes, or of some of them."""
    chosen = '' if ids is None else f' WHERE keyframe_id IN ({",".join("?" * len(ids))})'
    for row in connection.execute(
        'SELECT row_checksums.keyframe, keyframes.* FROM main.keyframes'
        f' LEFT JOIN row_checksums USING (keyframe_id){chosen}',
        ids or (),
    ):
        yield row[1], row_checksum(row[1:]), row[0]


def _changed_blobs(connection: sqlite3.Connection, column: str) -> Iterator[int]:
    table, content = _BLOBS[column]
    for keyframe_id, blob, known in connection.execute(
        f'SELECT keyframe_id, {table}.{content}, row_checksums.{column} FROM main.{table}'
        ' LEFT JOIN row_checksums USING (keyframe_id)'
    ):
        if not is_blob_intact(keyframe_id, blob, known):
            yield keyframe_id
    yield from (
        row[0]
        for row in connection.execute(
            f'SELECT keyframe_id FROM row_checksums WHERE {column} IS NOT NULL'
            f' AND keyframe_id NOT IN (SELECT keyframe_id FROM main.{table})'
        )
    )


def _table_checksum(connection: sqlite3.Connection, name: str) -> int:
    rows = connection.execute({**_SEALED, **_SEALED_IF_THERE}[name]).fetchall()
    return row_checksum(tuple(rows))


def _there(connection: sqlite3.Connection) -> list[str]:
    names = {row[0] for row in connection.execute('SELECT name FROM main.sqlite_master')}
    return [name for name in _SEALED_IF_THERE if name in names]


def _set(connection: sqlite3.Connection, column: str, keyframe_id: int, checksum: int) -> None:
    connection.execute(
        f'UPDATE row_checksums SET {column} = ? WHERE keyframe_id = ?', (checksum, keyframe_id)
    )
