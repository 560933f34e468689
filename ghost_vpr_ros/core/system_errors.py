"""Errors of the operating system that a user can resolve, as sentences."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

_PATH_ERRORS = (errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ESTALE)
"""Of a path that can be neither opened nor created."""

_WRITE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
_LIMITS = (errno.EMFILE, errno.ENFILE)
_SHOWN_CHARACTERS = 120


def sentence_of(error: OSError) -> str | None:
    """What happened, where, and the next step; None for what is no mistake of the user.

    A path that is missing although it was there a moment ago, for example, is a defect.
    """
    where = '' if error.filename is None else f'{shortened(error.filename)}: '
    if error.errno in _WRITE_ERRORS:
        return (
            f'{where or "the output "}cannot be written ({error.strerror}); make room, or name '
            'another place'
        )
    if error.errno in _LIMITS:
        return f'{where}{error.strerror}; end other programs, or raise the limit (ulimit -n)'
    if where and error.errno in _PATH_ERRORS:
        return f'{where}{error.strerror}; check the path and the permissions of its folders'
    if not where and error.errno == errno.ENOENT and not _has_current_folder():
        return 'the current folder no longer exists; change to another one'
    if not where and error.errno == errno.EBADF:
        return f'the output cannot be written ({error.strerror})'
    return None


def _has_current_folder() -> bool:
    """False where it was removed under the shell: relative paths lead nowhere."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return False
    return True


def shortened(path: object) -> str:
    """The path, or its beginning if it is very long."""
    text = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else str(path)
    return text if len(text) <= _SHOWN_CHARACTERS else f'{text[:_SHOWN_CHARACTERS]}...'


def silence_stdout() -> None:
    """Redirect standard output to the null device, so that the flush at exit cannot fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
