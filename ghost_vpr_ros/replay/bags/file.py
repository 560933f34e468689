"""A ROS 1 or ROS 2 bag opened for reading, with every failure turned into one sentence.

The sentence on a damaged bag says how far it can be read, and which tool repairs its format.
"""

from __future__ import annotations

import heapq
import struct
import weakref
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from rosbags.interfaces import Connection
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ghost_vpr_ros.core.errors import BagError
from ghost_vpr_ros.core.image_header import kind_of
from ghost_vpr_ros.core.write_ahead_log import lost_bytes
from ghost_vpr_ros.replay.bags.message_types import MessageTypes
from ghost_vpr_ros.replay.bags.names import (
    MAGIC,
    METADATA_NAME,
    ZSTD_MAGIC,
    bag_files,
    is_bag_name,
    is_compressed,
)
from ghost_vpr_ros.replay.bags.storage import (
    Raw,
    open_storage,
    plain_path,
    unpacked_message,
    waiting_bytes,
)

_PACKED = ('Zstandard', 'gzip', 'ZIP')
_UNKNOWN_EXTENT = 'how much of it is intact is unknown'

_LONGEST_NS = 365 * 86_400 * 10**9  # longer spans come from damaged stamps

_MCAP_MESSAGE, _MCAP_CHUNK = 0x05, 0x06

_ROS1_INDEX = b'\x04'


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
        path: `.bag`, `.mcap`, `.db3` (also as a whole compressed by zstd), or a folder with one
            of them.

    Raises:
        BagError: missing, not a bag, truncated, or not indexed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files = _files_of(path)
        self._types = MessageTypes()
        stack = ExitStack()
        # On damaged bytes, readers raise anything from OSError to AssertionError.
        try:
            self._counts = _promised_counts(path)
            self._storages = [open_storage(file, stack) for file in self._files]
        except Exception as error:
            stack.close()
            raise self._damaged(error) from error
        self._finalizer = weakref.finalize(self, _close, stack)

    def close(self) -> None:
        """Close the bag's files; harmless when done twice."""
        self._finalizer()

    def remarks(self) -> list[str]:
        """A sentence for files, and for parts of files, that are not read."""
        lost = {file: lost_bytes(Path(f'{plain_path(file)}-wal')) for file in self._files}
        return self._unlisted() + [
            f'{count} bytes in {plain_path(file)}-wal are not read: they are damaged, of another '
            'file, or the recorder was killed before it had finished them; messages at the end '
            'of the recording are missing'
            for file, count in lost.items()
            if count
        ]

    def _unlisted(self) -> list[str]:
        """A sentence for files of the folder that its `metadata.yaml` does not list."""
        if not (self.path / METADATA_NAME).is_file():
            return []
        others = _listed_files(self.path, [file.name for file in bag_files(self.path)])[1]
        if not others:
            return []
        return [
            f'{", ".join(others)} not read, as {METADATA_NAME} does not list it (was the '
            f'recorder killed?); if it belongs to the bag run `ros2 bag reindex {self.path}`'
        ]

    def topics(self) -> list[Topic]:
        """All topics by name, those that are not of ROS included."""
        kinds: dict[str, set[str]] = defaultdict(set)
        counts: Counter[str] = Counter()
        for connection in self._connections():
            kinds[connection.topic].add(connection.msgtype)
            counts[connection.topic] += connection.msgcount
        counts |= self._counts
        return [
            Topic(name, next(iter(found)) if len(found) == 1 else '', counts[name])
            for name, found in sorted(kinds.items())
        ]

    def messages(self, topics: Sequence[str], start_ns: int | None = None) -> Iterator[Message]:
        """Messages of these topics in order of recording, from `start_ns` on.

        Raises:
            BagError: the bag is damaged at the next message, or a topic is not of ROS.
        """
        try:
            for connection, log_ns, data in self._raw(topics, start_ns):
                content = self._types.message(connection, unpacked_message(data))
                yield Message(connection.topic, log_ns, content)
        except BagError as error:
            raise BagError(f'{self.path}: {error}') from error
        except Exception as error:
            raise self._damaged(error) from error

    def _connections(self) -> list[Connection]:
        return [each for storage in self._storages for each in storage.connections]

    def _raw(self, topics: Sequence[str], start_ns: int | None) -> Iterator[Raw]:
        """Of all files, which overlap where a recorder was slow."""
        streams = []
        for storage in self._storages:
            wanted = [each for each in storage.connections if each.topic in topics]
            if wanted:
                streams.append(storage.messages(wanted, start=start_ns))
        return heapq.merge(*streams, key=lambda raw: raw[1])

    def _damaged(self, error: Exception) -> BagError:
        """The error for a bag that cannot be read (further)."""
        if isinstance(error, PermissionError):
            return BagError(
                f'{self.path}: no permission to read the bag; change its owner or mode'
            )
        reason = ' '.join(str(error).split()).rstrip('.') or type(error).__name__
        waiting = sum(waiting_bytes(file) for file in self._files)
        if waiting and isinstance(error, OSError):
            return BagError(
                f'{self.path}: {waiting} bytes of the recording lie beside the .db3 and cannot '
                f'be read ({reason}); copy the folder to a place that can be written'
            )
        clauses = [f'{readable_extent(self._files[-1])}; {remedy(self._files[-1])}']
        if self.path.is_dir() and self.path != self._files[0]:
            clauses.append(f'renew a stale metadata.yaml with `ros2 bag reindex {self.path}`')
        return BagError(
            f'{self.path}: the bag is damaged or truncated, or still being recorded ({reason}), '
            f'{", or ".join(clauses)}'
        )


def _close(stack: ExitStack) -> None:
    # SQLite refuses to close under a half-read query, and frees both when they are forgotten.
    with suppress(Exception):
        stack.close()


def _files_of(path: Path) -> list[Path]:
    """The files of a bag, in the order of its `metadata.yaml` where it has one."""
    if not path.exists():
        raise BagError(f'{path}: no such bag; check the path')
    if not path.is_dir():
        _check_magic(path)
        return [path]
    files = bag_files(path)
    if (path / METADATA_NAME).exists():
        files = [path / name for name in _listed_files(path, [file.name for file in files])[0]]
    elif len(files) > 1 and all(item.suffix == '.bag' for item in files):
        names = ', '.join(item.name for item in files)
        raise BagError(f'{path}: expected one ROS 1 bag, found {names}; give one of them')
    elif len(files) > 1:
        raise BagError(
            f'{path}: {len(files)} bag files without metadata.yaml; run `ros2 bag reindex {path}`'
        )
    if not files:
        raise BagError(
            f'{path}: expected a bag (metadata.yaml, .mcap, .db3 or .bag), found none; `ghost-vpr '
            f'make-bag {path} BAG` makes one of images'
        )
    for item in files:
        _check_magic(item)
    return files


def _listed_files(folder: Path, found: list[str]) -> tuple[list[str], list[str]]:
    """Names of the files in `metadata.yaml`, all of which have to be there, and of others."""
    listed = list(dict.fromkeys(_metadata(folder)['file_names']))
    missing = [name for name in listed if name not in found]
    if missing:
        raise BagError(
            f'{folder}: {METADATA_NAME} names {", ".join(missing)}, which is not there; copy the '
            f'bag again, or rebuild the metadata with `ros2 bag reindex {folder}`'
        )
    return listed, [name for name in found if name not in listed]


def _metadata(folder: Path) -> dict[str, Any]:
    """What rosbag2 wrote about a bag: `file_names` and `counts` of messages by topic.

    Raises:
        BagError: damaged.
    """
    try:
        content = YAML(typ='safe').load((folder / METADATA_NAME).read_text('utf-8-sig'))
        found = content['rosbag2_bagfile_information']
        counts = [
            (item['topic_metadata']['name'], int(item['message_count']))
            for item in found.get('topics_with_message_count', [])
        ]
        names = [Path(name).name for name in found['relative_file_paths']]
        return {'file_names': names, 'counts': counts}
    # RecursionError: lists within lists, hundreds deep.
    except (
        *(OSError, YAMLError, LookupError, TypeError),
        *(ValueError, AttributeError, RecursionError),
    ) as error:
        reason = ' '.join(str(error).split()) or type(error).__name__
        raise BagError(
            f'{folder}: the bag is damaged or truncated, {METADATA_NAME} cannot be read '
            f'({reason}); rebuild it with `ros2 bag reindex {folder}`'
        ) from error


def _promised_counts(path: Path) -> Counter[str]:
    """Messages by topic as `metadata.yaml` has them; none without one."""
    if not path.is_dir() or not (path / METADATA_NAME).exists():
        return Counter()
    return Counter(dict(_metadata(path)['counts']))


def _check_magic(path: Path) -> None:
    """Refuse a file that is not a bag; content after the first bytes is checked later."""
    suffix = path.suffix.lower()
    if not is_bag_name(path):
        raise BagError(
            f'{path}: expected a bag ({", ".join(MAGIC)}), found {suffix or "no suffix"}'
        )
    magic = MAGIC.get(suffix, ZSTD_MAGIC)
    try:
        with path.open('rb') as file:
            start = file.read(len(magic))
    except OSError as error:
        raise BagError(f'{path}: the bag cannot be read ({error.strerror})') from error
    if not start:
        raise BagError(f'{path}: expected a bag, found an empty file; {remedy(path)}')
    if start != magic:
        packed = kind_of(start)
        step = f'it is {packed}, unpack it' if packed in _PACKED else 'check the path'
        raise BagError(f'{path}: not a {suffix} bag, it begins with {start!r}; {step}')
    if suffix == '.db3' and path.stat().st_size < sqlite_size(path):
        raise BagError(f'{path}: the bag is truncated, {readable_extent(path)}; {remedy(path)}')


def readable_extent(path: Path) -> str:
    """A clause such as 'intact for the first 3.2 s'; never raises on damaged content."""
    if is_compressed(path):
        return _UNKNOWN_EXTENT
    if path.suffix.lower() == '.db3':
        size, expected = path.stat().st_size, sqlite_size(path)
        return f'{size} of {expected} bytes are there' if size < expected else _UNKNOWN_EXTENT
    scan = _mcap_stamps if path.suffix.lower() == '.mcap' else _ros1_stamps
    first_ns, last_ns = 2**63, -1
    try:
        for stamp_ns in scan(path):
            first_ns, last_ns = min(first_ns, stamp_ns), max(last_ns, stamp_ns)
    except (OSError, EOFError, struct.error):
        pass  # the end of the intact part
    if last_ns < 0:
        return 'no message is intact'
    if last_ns - first_ns > _LONGEST_NS:
        return _UNKNOWN_EXTENT
    return f'intact for the first {(last_ns - first_ns) / 1e9:.3f} s'


def remedy(path: Path) -> str:
    """The command that repairs this kind of bag file."""
    if is_compressed(path):
        return f'copy it again or try `zstd -d {path}`'
    commands = {
        '.mcap': f'copy it again or try `mcap recover {path} -o recovered.mcap`',
        '.bag': f'copy it again or try `rosbag reindex {path}`',
        '.db3': f'copy it again or try `sqlite3 {path} .recover`',
    }
    return commands[path.suffix.lower()]


def sqlite_size(path: Path) -> int:
    """Bytes that a SQLite file should have by its header; 0 where the header does not state it.

    The reader opens bags as immutable and takes missing pages at the end for zeros.
    """
    with path.open('rb') as file:
        header = file.read(100)
    if len(header) < 100 or header[24:28] != header[92:96]:
        return 0
    page_size = int.from_bytes(header[16:18], 'big')
    pages = int.from_bytes(header[28:32], 'big')
    return pages * (65536 if page_size == 1 else page_size)


def _read(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise EOFError
    return data


def _mcap_stamps(path: Path) -> Iterator[int]:
    """Log times of whole messages, and both ends of whole chunks."""
    end = path.stat().st_size
    with path.open('rb') as file:
        file.seek(len(MAGIC['.mcap']))
        while True:
            code, size = struct.unpack('<BQ', _read(file, 9))
            body = file.tell()
            if body + size > end:
                return
            if code == _MCAP_CHUNK:
                yield from struct.unpack('<QQ', _read(file, 16))
            if code == _MCAP_MESSAGE:
                yield struct.unpack('<HIQ', _read(file, 14))[2]
            file.seek(body + size)


def _ros1_stamps(path: Path) -> Iterator[int]:
    """Times in the index records, each of which follows the complete chunk that it describes."""
    with path.open('rb') as file:
        file.seek(len(MAGIC['.bag']))
        while True:
            header = _read(file, struct.unpack('<I', _read(file, 4))[0])
            data = _read(file, struct.unpack('<I', _read(file, 4))[0])
            if b'op=' + _ROS1_INDEX in header:
                for sec, nanosec, _ in struct.iter_unpack('<III', data):
                    yield sec * 10**9 + nanosec
