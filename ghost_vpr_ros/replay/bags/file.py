"""A ROS 1 or ROS 2 bag opened for reading, with every failure turned into one sentence."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

from ghost_vpr_ros.core.errors import BagError
from ghost_vpr_ros.replay.bags.bag_damage import MAGIC, readable_extent, remedy, sqlite_size

BAG_SUFFIXES = tuple(MAGIC)
"""Names of bag files: ROS 1 `.bag`, ROS 2 `.mcap` and `.db3`."""


class Message(NamedTuple):
    """One message of a bag: its topic, when it was recorded, and its content."""

    topic: str
    log_ns: int
    content: Any


@dataclass(frozen=True)
class Topic:
    """A topic of a bag; types read `package/msg/Name` for ROS 1, too."""

    name: str
    msgtype: str
    count: int


class BagFile:
    """A bag file or a ROS 2 bag folder; stays open until it is closed or forgotten.

    Args:
        path: `.bag`, `.mcap`, `.db3`, or a folder with one of them.

    Raises:
        BagError: missing, not a bag, truncated, or not indexed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._storage = _storage_of(path)
        # The reader raises whatever damaged bytes provoke in it, from OSError to AssertionError.
        try:
            store = get_typestore(Stores.ROS2_JAZZY)
            self._reader = AnyReader([self._storage], default_typestore=store)
            self._reader.open()
        except Exception as error:
            raise self._damaged(error) from error
        self._finalizer = weakref.finalize(self, _close, self._reader)

    def close(self) -> None:
        """Close the bag's files; harmless when done twice."""
        self._finalizer()

    def topics(self) -> list[Topic]:
        """All topics by name."""
        topics = self._reader.topics.items()
        return [Topic(name, info.msgtype or '', info.msgcount) for name, info in topics]

    def messages(self, topics: Sequence[str], start_ns: int | None = None) -> Iterator[Message]:
        """Messages of these topics in order of recording, from `start_ns` on.

        Raises:
            BagError: the bag is damaged at the next message.
        """
        connections = [c for c in self._reader.connections if c.topic in topics]
        try:
            for connection, log_ns, data in self._reader.messages(connections, start=start_ns):
                content = self._reader.deserialize(data, connection.msgtype)
                yield Message(connection.topic, log_ns, content)
        except Exception as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> BagError:
        """The sentence for a bag that cannot be read (on)."""
        if isinstance(error, PermissionError):
            return BagError(
                f'{self.path}: no permission to read the bag; change its owner or mode'
            )
        reason = ' '.join(str(error).split()).rstrip('.') or type(error).__name__
        files = bag_files(self._storage) if self._storage.is_dir() else [self._storage]
        clauses = [f'{readable_extent(files[-1])}; {remedy(files[-1])}'] if files else []
        if self._storage.is_dir():
            clauses.append(f'renew a stale metadata.yaml with `ros2 bag reindex {self.path}`')
        return BagError(
            f'{self.path}: the bag is damaged or truncated ({reason}), {", or ".join(clauses)}'
        )


def _close(reader: AnyReader) -> None:
    # SQLite refuses to close under a half-read query, and frees both when they are forgotten.
    with suppress(Exception):
        reader.close()


def bag_files(folder: Path) -> list[Path]:
    """Bag files that lie directly in a folder, by name."""
    return sorted(item for item in folder.iterdir() if item.suffix.lower() in BAG_SUFFIXES)


def is_bag_metadata(path: Path) -> bool:
    """Whether this is the description of a ROS 2 bag, and not just a file of that name."""
    try:
        return b'rosbag2_bagfile_information' in path.read_bytes()
    except OSError:
        return False


def _storage_of(path: Path) -> Path:
    """What the reader opens: a file, or a folder with `metadata.yaml`."""
    if not path.exists():
        raise BagError(f'{path}: no such bag; check the path')
    if not path.is_dir():
        _check_magic(path)
        return path
    files = bag_files(path)
    for item in files:
        _check_magic(item)
    if (path / 'metadata.yaml').exists():
        return path
    if len(files) == 1:
        return files[0]
    if not files:
        raise BagError(f'{path}: expected a bag (metadata.yaml, .mcap, .db3 or .bag), found none')
    if all(item.suffix == '.bag' for item in files):
        names = ', '.join(item.name for item in files)
        raise BagError(f'{path}: expected one ROS 1 bag, found {names}; give one of them')
    raise BagError(
        f'{path}: {len(files)} bag files without metadata.yaml; run `ros2 bag reindex {path}`'
    )


def _check_magic(path: Path) -> None:
    """Refuse a file that is no bag at all; what follows the first bytes is checked later."""
    suffix = path.suffix.lower()
    if suffix not in MAGIC:
        raise BagError(
            f'{path}: expected a bag ({", ".join(MAGIC)}), found {suffix or "no suffix"}'
        )
    try:
        with path.open('rb') as file:
            start = file.read(len(MAGIC[suffix]))
    except OSError as error:
        raise BagError(f'{path}: the bag cannot be read ({error.strerror})') from error
    if not start:
        raise BagError(f'{path}: expected a bag, found an empty file; {remedy(path)}')
    if start != MAGIC[suffix]:
        raise BagError(f'{path}: not a {suffix} bag, it begins with {start!r}; check the path')
    if suffix == '.db3' and path.stat().st_size < sqlite_size(path):
        raise BagError(f'{path}: the bag is truncated, {readable_extent(path)}; {remedy(path)}')
