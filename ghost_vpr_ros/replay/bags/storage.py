"""Reads the files of a bag with rosbags, skipping topics that are not used.

A recorder writes whatever topics a robot has: with empty or wrong definitions, as JSON or as
protobuf. None of that matters until such a topic is read.
"""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag2,
    MessageDefinition,
    MessageDefinitionFormat,
)
from rosbags.rosbag1 import Reader as Rosbag1Reader
from rosbags.rosbag2 import storage_mcap
from rosbags.rosbag2.storage_mcap import McapReader

from ghost_vpr_ros.replay.bags.names import ZSTD_MAGIC, is_compressed

try:
    from compression import zstd  # type: ignore[import-not-found]
except ImportError:  # before Python 3.14
    from backports import zstd

_FORMATS = {'ros2msg': MessageDefinitionFormat.MSG, 'ros2idl': MessageDefinitionFormat.IDL}
_WAITING = ('-wal', '-journal')
_NO_DEFINITION = MessageDefinition(MessageDefinitionFormat.NONE, '')
_patching = threading.Lock()

Raw = tuple[Connection, int, bytes]
"""A message's connection, time of recording in nanoseconds, and bytes."""


class SqliteReader:
    """A `.db3` file with all rows, those in its `-wal` included.

    Attributes:
        connections: topics of the file.
    """

    def __init__(self, path: Path) -> None:
        # SQLite looks for the -wal beside the file itself, not beside a link to it.
        self._path = path.resolve()
        self.connections: list[Connection] = []
        self._stack = ExitStack()

    def open(self) -> None:
        """Read the topics.

        Raises:
            sqlite3.Error: damaged.
            OSError: the rows that wait in the `-wal` cannot be reached, and not copied either.
        """
        self._database = self._opened()
        definitions = self._definitions()
        self.connections = [self._connection(row, definitions) for row in self._topics()]

    def close(self) -> None:
        """Close the file, and remove its copy."""
        self._stack.close()

    def messages(
        self, connections: Sequence[Connection], start: int | None = None
    ) -> Iterator[Raw]:
        """Messages of these topics in order of recording."""
        known = {connection.id: connection for connection in connections}
        marks = ','.join('?' * len(known))
        rows = self._database.execute(
            f'SELECT topic_id, timestamp, data FROM messages WHERE topic_id IN ({marks}) '
            'AND timestamp >= ? ORDER BY timestamp, id',
            [*known, -(2**63) if start is None else start],
        )
        for topic, log_ns, data in rows:
            yield known[topic], log_ns, data

    def _opened(self) -> sqlite3.Connection:
        if not waiting_bytes(self._path):
            return self._connected(self._path, 'immutable=1')
        shared = Path(f'{self._path}-shm')
        if not shared.exists():
            # SQLite makes it to read the -wal, and leaves it behind.
            self._stack.callback(shared.unlink, missing_ok=True)
        try:
            return self._connected(self._path, 'mode=ro')
        except sqlite3.OperationalError:
            # SQLite reads a -wal only where it can write beside it.
            return self._connected(self._copy_with_waiting_rows(), 'immutable=1')

    def _connected(self, path: Path, how: str) -> sqlite3.Connection:
        # Any thread may read; `BagImages` lets one at a time.
        database = sqlite3.connect(
            f'{path.absolute().as_uri()}?{how}', uri=True, check_same_thread=False
        )
        try:
            database.execute('SELECT count(*) FROM sqlite_master').fetchone()
        except BaseException:
            database.close()
            raise
        self._stack.callback(database.close)
        return database

    def _copy_with_waiting_rows(self) -> Path:
        """A copy into which SQLite has written the rows that wait; the bag is not touched."""
        folder = Path(self._stack.enter_context(TemporaryDirectory(prefix='ghost-vpr-bag-')))
        copy = folder / self._path.name
        for suffix in ('', *_WAITING):
            if Path(f'{self._path}{suffix}').exists():
                shutil.copyfile(f'{self._path}{suffix}', f'{copy}{suffix}')
        database = sqlite3.connect(copy)
        database.execute('PRAGMA journal_mode=DELETE')
        database.close()
        return copy

    def _columns(self, table: str) -> list[str]:
        return [row[1] for row in self._database.execute(f'PRAGMA table_info({table})')]

    def _definitions(self) -> dict[str, MessageDefinition]:
        """By type; older recorders wrote none."""
        if not self._columns('message_definitions'):
            return {}
        rows = self._database.execute(
            'SELECT topic_type, encoding, encoded_message_definition FROM message_definitions'
        )
        return {
            kind: MessageDefinition(_FORMATS[encoding], text)
            for kind, encoding, text in rows
            if encoding in _FORMATS
        }

    def _topics(self) -> list[tuple[Any, ...]]:
        has_hash = 'type_description_hash' in self._columns('topics')
        digest = 'type_description_hash' if has_hash else "''"
        return self._database.execute(
            f'SELECT topics.id, name, type, serialization_format, {digest}, count(messages.id) '
            'FROM topics LEFT JOIN messages ON topics.id = messages.topic_id '
            'GROUP BY topics.id ORDER BY topics.id'
        ).fetchall()

    def _connection(
        self, row: tuple[Any, ...], definitions: dict[str, MessageDefinition]
    ) -> Connection:
        number, topic, kind, encoding, digest, count = row
        definition = definitions.get(kind, _NO_DEFINITION)
        extra = ConnectionExtRosbag2(encoding, [])
        return Connection(number, topic, kind, definition, digest or '', count, extra, self)


class TolerantMcapReader(McapReader):
    """A `.mcap` file whose schemas may be of any kind; those of ROS are kept."""

    def open(self) -> None:
        """Read the index."""
        with _any_schema():
            super().open()


def open_storage(path: Path, stack: ExitStack) -> Any:
    """The reader of one file, opened; its resources are released with the stack.

    Args:
        path: `.bag`, `.mcap` or `.db3`, or one of these compressed as a whole.
        stack: of the bag.
    """
    if is_compressed(path):
        path = _unpacked(path, stack)
    readers: dict[str, Any] = {
        '.bag': Rosbag1Reader,
        '.mcap': TolerantMcapReader,
        '.db3': SqliteReader,
    }
    reader = readers[path.suffix.lower()](path)
    reader.open()
    stack.callback(reader.close)
    return reader


def unpacked_message(data: bytes) -> bytes:
    """A message as it was before the recorder compressed it; no message of ROS begins so."""
    return zstd.decompress(data) if bytes(data[:4]) == ZSTD_MAGIC else data


def waiting_bytes(path: Path) -> int:
    """Bytes beside a `.db3` that its recorder, which was killed, had not moved into it yet."""
    beside = [Path(f'{path.resolve()}{suffix}') for suffix in _WAITING]
    return sum(file.stat().st_size for file in beside if file.exists())


def plain_path(path: Path) -> Path:
    """Where a file lies, without links, and its name before it was compressed."""
    real = path.resolve()
    return real.with_name(real.stem) if is_compressed(real) else real


def _unpacked(path: Path, stack: ExitStack) -> Path:
    """A copy, with the rows that wait beside the file if its recorder was killed."""
    folder = Path(stack.enter_context(TemporaryDirectory(prefix='ghost-vpr-bag-')))
    found = folder / path.stem
    with zstd.open(path, 'rb') as packed, found.open('wb') as plain:
        shutil.copyfileobj(packed, plain)
    for suffix in _WAITING:
        waiting = Path(f'{plain_path(path)}{suffix}')
        if waiting.exists():
            shutil.copyfile(waiting, f'{found}{suffix}')
    return found


@contextmanager
def _any_schema() -> Iterator[None]:
    """Rosbags ends at the first schema that is not of ROS, or not a text."""
    known, strings = storage_mcap.get_msgdef, itertools.count()

    def definition(schema: storage_mcap.Schema | None) -> MessageDefinition:
        is_foreign = schema is not None and schema.encoding not in (*_FORMATS, 'omgidl', '')
        return _NO_DEFINITION if is_foreign else known(schema)

    def text(file: Any) -> str:
        found = storage_mcap.read_bytes(file).decode(errors='surrogateescape')
        # The first one is the profile, which recorders other than rosbag2 leave empty.
        return found or 'ros2' if next(strings) == 0 else found

    changed = {'get_msgdef': definition, 'read_string': text, 'get_qos': lambda metadata: []}
    with _patching:
        before = {name: getattr(storage_mcap, name) for name in changed}
        try:
            for name, value in changed.items():
                setattr(storage_mcap, name, value)
            yield
        finally:
            for name, value in before.items():
                setattr(storage_mcap, name, value)
