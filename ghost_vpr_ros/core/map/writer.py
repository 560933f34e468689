"""The writer of an open map: keeps a transaction open and commits it in time."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ghost_vpr_ros.core.errors import GhostVprError
from ghost_vpr_ros.core.map.file import (
    FileInPlace,
    close_writable,
    explain,
    explained,
)

_COMMIT_SHARE = 0.5
"""A commit starts after this share of the interval, so that it also ends within it."""


Execute = Callable[[str, tuple[Any, ...]], int]
"""Executes one SQL statement of a change; returns the id of the row it inserted."""


class MapWriter:
    """Makes changes and commits them at the latest `commit_interval_s` after each.

    The write lock is taken again directly after every commit, so a second writer is refused when
    it opens the map, not in the middle of its work.

    Args:
        connection: opened by `connect_writable`.
        lock: guards the connection against the thread of the commit timer.
        path: for messages.
        commit_interval_s: 0 commits every change before `change` ends.
        on_rollback: called under the lock when changes were lost; reads the map's state again.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        lock: threading.RLock,
        path: Path,
        commit_interval_s: float,
        on_rollback: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._lock = lock
        self._path = path
        self._place = FileInPlace(path)
        self._interval_s = commit_interval_s
        self._on_rollback = on_rollback
        self._timer: threading.Timer | None = None
        self._late_error: GhostVprError | None = None
        self._uncommitted = 0

    @contextlib.contextmanager
    def change(self) -> Iterator[Execute]:
        """One change of several statements: all or nothing, whatever interrupts it.

        Raises:
            OutputError: disk full or read-only; all changes since the last commit are undone.
        """
        with self._lock:
            try:
                self._begin()
                self._connection.execute('SAVEPOINT change')
                yield self._execute
                self._connection.execute('RELEASE change')
            except sqlite3.DatabaseError as error:
                raise self._undo(error) from error
            except BaseException:
                self._undo_change()
                raise
            self._count_change()

    def _execute(self, sql: str, parameters: tuple[Any, ...]) -> int:
        return self._connection.execute(sql, parameters).lastrowid or 0

    def _count_change(self) -> None:
        self._uncommitted += 1
        if self._interval_s <= 0.0:
            self.commit()
        elif self._timer is None:
            self._timer = threading.Timer(self._interval_s * _COMMIT_SHARE, self._commit_in_time)
            self._timer.daemon = True
            self._timer.start()

    def _undo_change(self) -> None:
        # A Ctrl-C after RELEASE finds no savepoint: the change is complete then.
        with contextlib.suppress(sqlite3.DatabaseError):
            self._connection.execute('ROLLBACK TO change')
            self._connection.execute('RELEASE change')
        self._on_rollback()

    def raise_late_error(self) -> None:
        """Raise, once, an error of the commit timer since the last call.

        Raises:
            OutputError: an earlier commit failed; its changes are lost.
        """
        error, self._late_error = self._late_error, None
        if error is not None:
            raise error

    def commit(self) -> None:
        """Put all changes on the disk.

        Raises:
            OutputError: disk full or read-only, or the file was moved or removed; all changes
                since the last commit are undone.
            MapError: the file was cut off.
        """
        with self._lock:
            self._stop_timer()
            try:
                self._place.check()
                if self._connection.in_transaction:
                    self._connection.execute('COMMIT')
                self._uncommitted = 0
            except sqlite3.DatabaseError as error:
                raise self._undo(error) from error
            with explained(self._path):
                self._begin()

    def close(self) -> None:
        """Commit, release the map to other writers and close the connection.

        Raises:
            OutputError: the last changes could not be written, now or by the timer.
        """
        with self._lock:
            try:
                self.raise_late_error()
                self.commit()
            finally:
                self._stop_timer()
                self._rollback()
                close_writable(self._connection)

    def _commit_in_time(self) -> None:
        with self._lock:
            try:
                if self._timer is not None:
                    self.commit()
            except GhostVprError as error:
                self._late_error = error

    def _begin(self) -> None:
        if not self._connection.in_transaction:
            self._connection.execute('BEGIN IMMEDIATE')

    def _undo(self, error: sqlite3.DatabaseError) -> GhostVprError:
        lost, self._uncommitted = self._uncommitted, 0
        self._rollback()
        self._on_rollback()
        known = explain(error, self._path)
        if lost == 0:
            return known
        return type(known)(f'{known}; {lost} changes since the last commit were not stored')

    def _rollback(self) -> None:
        # SQLite has undone the transaction itself after some errors.
        with contextlib.suppress(sqlite3.DatabaseError):
            if self._connection.in_transaction:
                self._connection.execute('ROLLBACK')

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
