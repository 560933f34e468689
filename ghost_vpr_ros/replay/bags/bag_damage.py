"""How far a damaged bag can be read, and which tool of its format repairs it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

MAGIC = {
    '.bag': b'#ROSBAG V2.0\n',
    '.mcap': b'\x89MCAP0\r\n',
    '.db3': b'SQLite format 3\0',
}
"""First bytes of each kind of bag file."""

_UNKNOWN_EXTENT = 'how far it is whole is not known'
_LONGEST_NS = 365 * 86_400 * 10**9  # longer spans come from damaged stamps
_MCAP_MESSAGE, _MCAP_CHUNK = 0x05, 0x06
_ROS1_INDEX = b'\x04'


def readable_extent(path: Path) -> str:
    """A clause such as 'whole for the first 3.2 s'; never raises on damaged content."""
    if path.suffix.lower() == '.db3':
        size, expected = path.stat().st_size, sqlite_size(path)
        return f'{size} of {expected} bytes are there' if size < expected else _UNKNOWN_EXTENT
    scan = _mcap_stamps if path.suffix.lower() == '.mcap' else _ros1_stamps
    first_ns, last_ns = 2**63, -1
    try:
        for stamp_ns in scan(path):
            first_ns, last_ns = min(first_ns, stamp_ns), max(last_ns, stamp_ns)
    except (OSError, EOFError, struct.error):
        pass  # the end of what is whole
    if last_ns < 0:
        return 'no message is whole'
    if last_ns - first_ns > _LONGEST_NS:
        return _UNKNOWN_EXTENT
    return f'whole for the first {(last_ns - first_ns) / 1e9:.3f} s'


def remedy(path: Path) -> str:
    """The command that repairs this kind of bag file."""
    commands = {
        '.mcap': f'copy it again or try `mcap recover {path} -o recovered.mcap`',
        '.bag': f'copy it again or try `rosbag reindex {path}`',
        '.db3': f'copy it again or try `sqlite3 {path} .recover`',
    }
    return commands[path.suffix.lower()]


def sqlite_size(path: Path) -> int:
    """Bytes that a SQLite file should have by its header; 0 where the header does not tell.

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
    """Times in the index records, each of which follows the whole chunk that it describes."""
    with path.open('rb') as file:
        file.seek(len(MAGIC['.bag']))
        while True:
            header = _read(file, struct.unpack('<I', _read(file, 4))[0])
            data = _read(file, struct.unpack('<I', _read(file, 4))[0])
            if b'op=' + _ROS1_INDEX in header:
                for sec, nanosec, _ in struct.iter_unpack('<III', data):
                    yield sec * 10**9 + nanosec
