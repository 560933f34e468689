"""Files that appear complete or not at all, whatever ends the process; and seals on them."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

_SUFFIX = '.unfinished'
_SEAL = b'\nghost_vpr sha256 '

SEAL_BYTES = len(_SEAL) + hashlib.sha256().digest_size
"""How much longer `sealed` makes a file."""


def write_whole(path: Path, data: bytes | Iterable[bytes | memoryview], *, durable: bool) -> None:
    """Write under a temporary name, then rename; the earlier file stays until that.

    Args:
        path: file to write or to replace.
        data: its content, or pieces of it in their order.
        durable: wait until the content is on the disk, so that a power cut spares it, too.

    Raises:
        OSError: it cannot be written; an earlier file is unchanged and nothing is left beside it.
    """
    with unfinished_file(path) as unfinished:
        # Not created again: the name may only lead to the file that was made for us.
        with unfinished.open('r+b') as file:
            file.writelines((data,) if isinstance(data, bytes) else data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        unfinished.replace(path)
        if durable:
            sync_folder(path.parent)


@contextlib.contextmanager
def unfinished_file(path: Path) -> Iterator[Path]:
    """An empty file beside `path`, under an unpredictable hidden name.

    It is removed at the end, unless it was renamed. What killed processes have left of the same
    `path` is removed first: while a process lives, it holds a lock on its file.

    Raises:
        OSError: it cannot be made.
    """
    _sweep(path)
    unfinished, descriptor = _made(path)
    try:
        yield unfinished
    finally:
        with contextlib.suppress(OSError):
            if _is_of(descriptor, unfinished):
                unfinished.unlink()
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk, where the file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def reserve(path: Path) -> None:
    """Take the blocks of a file that is mapped into memory.

    A disk that fills up later would otherwise end the process with a signal when it writes there.

    Raises:
        OSError: there is not enough space.
    """
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.posix_fallocate(descriptor, 0, os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)


def sealed(data: bytes) -> bytes:
    """The content with its SHA-256 at the end."""
    return data + _SEAL + hashlib.sha256(data).digest()


def unsealed(data: bytes) -> bytes | None:
    """What was `sealed`; None where a bit of it differs, or there is no seal."""
    content = data[:-SEAL_BYTES]
    return content if sealed(content) == data else None


def _made(path: Path) -> tuple[Path, int]:
    """A new file and its descriptor, with the lock of this process."""
    while True:
        unfinished = path.with_name(f'.{path.name}.{secrets.token_hex(8)}{_SUFFIX}')
        # O_EXCL: neither a file nor a link that waits under the name is written into.
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        # Another process may be removing left-overs: the file is then removed, or will be at once.
        if _is_locked(descriptor) and _is_of(descriptor, unfinished):
            return unfinished, descriptor
        os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    """Lock a file of ours; False where another process has done so. True, too, without locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _sweep(path: Path) -> None:
    start = f'.{path.name}.'
    with contextlib.suppress(OSError), os.scandir(path.parent) as found:
        for item in found:
            token = item.name.removeprefix(start).removesuffix(_SUFFIX)
            is_ours = item.name == f'{start}{token}{_SUFFIX}' and len(token) == 16
            if is_ours and item.is_file(follow_symlinks=False):
                _remove_abandoned(Path(item.path))


def _remove_abandoned(unfinished: Path) -> None:
    """Remove a file if no process holds it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(unfinished, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unfinished.unlink()
            for companion in ('-journal', '-wal', '-shm'):
                unfinished.with_name(unfinished.name + companion).unlink(missing_ok=True)
        finally:
            os.close(descriptor)


def _is_of(descriptor: int, path: Path) -> bool:
    """Whether the name still leads to the open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except OSError:
        return False
