"""The file of a map: created in one step, opened to read or write, closed to a single file.

While a map is written it is in SQLite's WAL mode: readers continue, and a killed writer loses only
what it had not committed. A closed map returns to a rollback journal: it is then a single file,
readable from a read-only medium.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ghost_vpr_ros.core.errors import GhostVprError, MapError, OutputError
from ghost_vpr_ros.core.map.schema import damaged
from ghost_vpr_ros.core.whole_file import sync_folder, unfinished_file
from ghost_vpr_ros.core.write_ahead_log import is_damaged

_BUSY_TIMEOUT_S = 5.0
_WRITER_TIMEOUT_S = 0.2
_WRITING_S = 0.05
_SHOWN_CHARACTERS = 120
_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)

_GONE, _CUT_OFF = 'moved or removed', 'cut off'

_WAL_MARK, _IN_WAL_MODE = slice(18, 20), b'\2\2'
"""Bytes of SQLite's header: in which journal mode the file is."""


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn errors of SQLite into a `MapError` or `OutputError` with the next step."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise
    except sqlite3.DatabaseError as error:
        raise explain(error, path) from error


def explain(error: sqlite3.DatabaseError, path: Path) -> GhostVprError:
    """The error to raise for what SQLite reports about a map file."""
    text = str(error)
    if 'is full' in text:
        return OutputError(f'{path} cannot be written: the disk is full; free some space')
    if 'readonly' in text:
        return OutputError(f'{path} cannot be written: file or folder is read-only')
    if 'disk I/O' in text:
        return OutputError(f'{path} cannot be read or written ({text}); check disk and free space')
    if _GONE in text:
        return OutputError(
            f'{path} was moved or removed while it was written; put it back, or begin a new map'
        )
    if _CUT_OFF in text:
        return damaged(path, f'{text} are left while it is written')
    if 'locked' in text:
        return MapError(
            f'{path} is being written by another process; stop it first or open the map read-only'
        )
    if 'not a database' in text:
        return MapError(f'{path} is not a map: expected a SQLite file, found something else')
    if 'unable to open' in text:
        return MapError(f'{path} cannot be opened; check the permissions of file and folder')
    return damaged(path, text)


def create_file(path: Path, fill: Callable[[sqlite3.Connection], None]) -> None:
    """Create a database file that is complete from the moment it has its name.

    Args:
        path: where; nothing may be there.
        fill: writes the content.

    Raises:
        MapError: the file exists already.
        OutputError: the folder is missing, read-only or full.
    """
    _check_free(path)
    try:
        with unfinished_file(path) as unfinished:
            try:
                _fill_file(unfinished, path, fill)
                _publish(unfinished, path)
            finally:
                _beside(unfinished, '-journal').unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f'{path} cannot be created: {error.strerror}') from error


def _check_free(path: Path) -> None:
    if os.path.lexists(path):
        raise MapError(
            f'{path} exists already and is not changed; choose a new name, or add to it with '
            '`ghost-vpr build-map --append`'
        )
    for companion in (_beside(path, '-wal'), _beside(path, '-journal')):
        # SQLite would replay it into the new map.
        if companion.exists():
            raise MapError(f'{companion} is left over from another map; move it away first')
    if not path.parent.is_dir():
        raise OutputError(f'{path} cannot be created: folder {path.parent} does not exist')
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f'{path} cannot be created: folder {path.parent} is not writable')


def _fill_file(unfinished: Path, path: Path, fill: Callable[[sqlite3.Connection], None]) -> None:
    try:
        with explained(path), contextlib.closing(_connect(unfinished, 'mode=rw')) as connection:
            fill(connection)
    except MapError as error:
        raise OutputError(f'{path} cannot be created in {path.parent}: {error}') from error


def _publish(unfinished: Path, path: Path) -> None:
    try:
        os.link(unfinished, path)
    except FileExistsError:
        _check_free(path)
    except OSError:
        # FAT and some network disks lack hard links; a rename may then replace, not refuse.
        _check_free(path)
        unfinished.rename(path)
    sync_folder(path.parent)


def connect_readonly(path: Path) -> sqlite3.Connection:
    """Open an existing SQLite file for reading; works on a read-only medium.

    Raises:
        MapError: no such file, not SQLite, or a killed writer's changes cannot be merged here.
    """
    _check_present(path)
    connection = _connect(path, 'mode=ro')
    try:
        _read_header(connection)
    except sqlite3.OperationalError as error:
        connection.close()
        return _connect_immutable(path, error)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise explain(error, path) from error
    return connection


@contextlib.contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Everything read inside is from one moment, although a writer may commit meanwhile."""
    connection.execute('BEGIN')
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute('COMMIT')


def _connect_immutable(path: Path, error: sqlite3.OperationalError) -> sqlite3.Connection:
    """A map in WAL mode in a folder where SQLite cannot place its companion files."""
    if 'unable to open' not in str(error) and 'readonly' not in str(error):
        raise explain(error, path) from error
    wal = _beside(path, '-wal')
    if _holds_changes(wal):
        raise MapError(
            f'{path} was not closed and {wal.name} holds its last changes, which cannot be merged '
            'in a read-only folder; copy both to a writable folder and open the map there'
        ) from error
    with explained(path):
        connection = _connect(path, 'immutable=1')
        _read_header(connection)
    return connection


def _check_present(path: Path) -> None:
    try:
        path.stat()
    except (OSError, ValueError) as error:
        # What is not there is named below, with the next step.
        if getattr(error, 'errno', None) not in _MISSING:
            reason = getattr(error, 'strerror', None) or str(error)
            shown = str(path)[:_SHOWN_CHARACTERS]
            raise MapError(f'{shown!r} cannot be opened ({reason}); check the path') from error
    if path.is_dir():
        raise MapError(f'{path} is a folder; expected a map file')
    if path.is_symlink() and not path.exists():
        raise MapError(f'{path} is a link to {path.readlink()}, which is not there; correct it')
    if not path.exists():
        raise MapError(f'{path} does not exist; build it with `ghost-vpr build-map SOURCE {path}`')
    if not path.is_file():
        # Reading one may never end.
        raise MapError(f'{path} is a pipe, a socket or a device; expected a map file')
    if path.stat().st_size == 0 and not _beside(path, '-wal').exists():
        raise MapError(f'{path} is empty (0 bytes); expected a map file')


def is_unclosed(path: Path) -> bool:
    """Whether the last changes of a file should be in a -wal file that is missing or damaged."""
    try:
        _check_present(path)
        with path.open('rb') as file:
            header = file.read(_WAL_MARK.stop)
    except (OSError, MapError):
        # Opening the map reports the same.
        return False
    if header[_WAL_MARK] != _IN_WAL_MODE:
        return False
    wal = _beside(path, '-wal')
    return not _holds_changes(wal) or _stays_damaged(wal)


def _stays_damaged(wal: Path) -> bool:
    """Whether it is damaged, and not just being written."""
    if not is_damaged(wal):
        return False
    time.sleep(_WRITING_S)
    return is_damaged(wal)


def check_size(connection: sqlite3.Connection, path: Path) -> None:
    """Check the length of the file: SQLite does not notice a truncated last page.

    Raises:
        MapError: the file was cut off.
    """
    pages = connection.execute('PRAGMA page_count').fetchone()[0]
    expected = pages * connection.execute('PRAGMA page_size').fetchone()[0]
    # Read after the pages: a writer may add some to the -wal file at any moment.
    has_pages_elsewhere = _holds_changes(_beside(path, '-wal'))
    found = path.stat().st_size
    if found < expected and not has_pages_elsewhere:
        raise damaged(path, f'expected {expected} bytes, found {found}')


def connect_writable(path: Path) -> sqlite3.Connection:
    """Open an existing map as its only writer: WAL mode, the write lock held.

    Raises:
        MapError: another process writes to it.
        OutputError: file or folder is read-only.
    """
    connection = _connect(path, 'mode=rw')
    try:
        with explained(path):
            mode = connection.execute('PRAGMA journal_mode = WAL').fetchone()[0]
            if mode != 'wal':
                raise OutputError(f'{path} is on a disk without WAL support; use a local disk')
            # FULL: a commit is on the disk, not only with the kernel, when it returns.
            connection.execute('PRAGMA synchronous = FULL')
            connection.execute(f'PRAGMA busy_timeout = {int(_WRITER_TIMEOUT_S * 1000)}')
            connection.execute('BEGIN IMMEDIATE')
            connection.execute(f'PRAGMA busy_timeout = {int(_BUSY_TIMEOUT_S * 1000)}')
    except GhostVprError:
        connection.close()
        raise
    return connection


class FileInPlace:
    """Whether an open file is still the one of its name, and as long as it was.

    SQLite would keep writing to a removed file, and accepts a truncated file as a small one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = self.state()

    def check(self) -> None:
        """Compare the file with what it was; a database that is written only grows.

        Raises:
            sqlite3.OperationalError: it is another one, or shorter.
        """
        now = self.state()
        if now[:2] != self._last[:2]:
            raise sqlite3.OperationalError(f'the file was {_GONE}')
        if now[2] < self._last[2]:
            left = f'{now[2]} of {self._last[2]} bytes'
            raise sqlite3.OperationalError(f'the file was {_CUT_OFF}: {left}')
        self._last = now

    def state(self) -> tuple[int, int, int, int]:
        """Device, inode, bytes and time of the last change; zeros where there is no file."""
        try:
            found = self._path.stat()
        except OSError:
            return 0, 0, 0, 0
        return found.st_dev, found.st_ino, found.st_size, found.st_ctime_ns


def close_writable(connection: sqlite3.Connection) -> None:
    """Close a committed map; unless another process is reading it, it becomes a single file."""
    connection.execute('PRAGMA busy_timeout = 0')
    # Damage was reported; the file stays as it is.
    with contextlib.suppress(sqlite3.DatabaseError):
        connection.execute('PRAGMA wal_checkpoint(TRUNCATE)').fetchall()
        connection.execute('PRAGMA journal_mode = DELETE').fetchall()
    connection.close()


def _connect(path: Path, options: str) -> sqlite3.Connection:
    with explained(path):
        return sqlite3.connect(
            f'{path.absolute().as_uri()}?{options}',
            uri=True,
            timeout=_BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
        )


def _read_header(connection: sqlite3.Connection) -> None:
    connection.execute('SELECT count(*) FROM sqlite_master').fetchall()


def _holds_changes(wal: Path) -> bool:
    try:
        return wal.stat().st_size > 0
    except FileNotFoundError:
        return False


def _beside(path: Path, suffix: str) -> Path:
    """SQLite's companion of a file: where the file is, whatever links lead to it."""
    whole = Path(os.path.realpath(path))
    return whole.with_name(whole.name + suffix)
