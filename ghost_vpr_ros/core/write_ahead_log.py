"""How much of a `-wal` file SQLite reads: it stops silently at the first damage.

The format: https://www.sqlite.org/fileformat2.html#the_write_ahead_log. A header of 32 bytes, then
frames of 24 bytes and a page. Each frame carries the sum over all bytes from the header on.
Frames with other salts than the header's are of an earlier round, and in the database already.
"""

from __future__ import annotations

import os
import struct
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

_MAGIC = 0x377F0682
"""The last bit tells the byte order of the sums: 1 is big endian."""

_HEADER, _FRAME = struct.Struct('>8I'), struct.Struct('>6I')
_SUMMED_OF_FRAME = 8
_PAGES = (512, 65_536)
_MASK = 0xFFFFFFFF
_MOST_ROUNDS = 1 << 24

Sums = tuple[int, int]


class Extent(NamedTuple):
    """How far a `-wal` file can be read, in bytes from its beginning.

    Attributes:
        whole: up to the end of the last transaction that is whole.
        sound: up to the first frame that is damaged or cut off.
        total: up to the frames of an earlier round, or the end of the file.
        frame: size of a frame; 0 where the header is damaged.
    """

    whole: int
    sound: int
    total: int
    frame: int


def lost_bytes(path: Path) -> int:
    """Bytes of a `-wal` file that belong to the database and that SQLite does not read.

    These are the bytes after the last complete transaction: damaged, cut off, or unfinished by the
    writer. 0 without such a file.
    """
    extent = _extent(path)
    return extent.total - extent.whole


def is_damaged(path: Path) -> bool:
    """Whether a `-wal` file is damaged; False if its writer was only killed.

    What a killed writer leaves unfinished at the end is no damage.
    """
    extent = _extent(path)
    return extent.total - extent.sound >= max(extent.frame, 1)


def _extent(path: Path) -> Extent:
    try:
        size = path.stat().st_size
        with path.open('rb') as file:
            return _read(file, size)
    except OSError:
        return Extent(0, 0, 0, 0)


def _read(file: BinaryIO, size: int) -> Extent:
    head = file.read(_HEADER.size)
    if len(head) < _HEADER.size:
        return Extent(0, 0, size, _HEADER.size)
    magic, _, page, _, *salts, first, second = _HEADER.unpack(head)
    order = '>' if magic & 1 else '<'
    sums = _added((0, 0), head[:24], order)
    is_header = magic & ~1 == _MAGIC and _PAGES[0] <= page <= _PAGES[1] and page % 8 == 0
    if not is_header or sums != (first, second):
        return Extent(0, 0, size, 0)
    whole = end = _HEADER.size
    while end < size:
        frame = file.read(_FRAME.size + page)
        if len(frame) < _FRAME.size:
            break
        _, pages_after, *rest = _FRAME.unpack_from(frame)
        if rest[:2] != salts:
            if _are_earlier(file, end, page, salts):
                return Extent(whole, end, end, _FRAME.size + page)
            break
        sums = _added(sums, frame[:_SUMMED_OF_FRAME] + frame[_FRAME.size :], order)
        if len(frame) < _FRAME.size + page or sums != tuple(rest[2:]):
            break
        end += len(frame)
        if pages_after:  # the last frame of a transaction
            whole = end
    return Extent(whole, end, size, _FRAME.size + page)


def _are_earlier(file: BinaryIO, start: int, page: int, salts: list[int]) -> bool:
    """Whether all frames from `start` on are of earlier rounds, whose first salt counts up."""
    file.seek(start)
    while len(head := file.read(_FRAME.size)) == _FRAME.size:
        _, _, first, *_ = _FRAME.unpack(head)
        if not 1 <= (salts[0] - first) & _MASK <= _MOST_ROUNDS:
            return False
        file.seek(page, os.SEEK_CUR)
    return True


def _added(sums: Sums, data: bytes, order: str) -> Sums:
    """The two sums after further data: s0 += x0 + s1, s1 += x1 + s0 for each pair of words.

    This is linear, so it is done for a page at once: all of it modulo 2^32.
    """
    words = np.frombuffer(data[: len(data) // 8 * 8], f'{order}u4').astype(np.uint64)
    from_sums, from_words = _weights(len(words) // 2)
    before = np.array(sums, np.uint64)
    # Products of 32 by 32 bits fit into 64, and each is reduced before it is added up.
    found = ((from_sums * before) & _MASK).sum(1) + ((from_words * words) & _MASK).sum(1)
    return int(found[0]) & _MASK, int(found[1]) & _MASK


@lru_cache(maxsize=4)
def _weights(pairs: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """What the sums before (2, 2), and each word (2, 2 * pairs), count in the sums after."""
    step = ((1, 1), (1, 2))
    power: tuple[tuple[int, int], ...] = ((1, 0), (0, 1))
    columns = []
    for _ in range(pairs):
        # A pair of words is added as (x0, x0 + x1).
        columns.append([(row[0] + row[1], row[1]) for row in power])
        power = tuple(
            (
                (row[0] * step[0][0] + row[1] * step[1][0]) & _MASK,
                (row[0] * step[0][1] + row[1] * step[1][1]) & _MASK,
            )
            for row in power
        )
    words = np.array(columns[::-1], np.uint64).reshape(pairs, 2, 2) & np.uint64(_MASK)
    return np.array(power, np.uint64), words.transpose(1, 0, 2).reshape(2, 2 * pairs)
