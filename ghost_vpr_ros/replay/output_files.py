"""Result files that appear complete or not at all: written under another name, then renamed."""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import json
import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ghost_vpr_ros.core.errors import OutputError
from ghost_vpr_ros.core.whole_file import write_whole

_NEXT_STEPS = {
    errno.ENOSPC: 'free some space or name another place',
    errno.EDQUOT: 'free some space or name another place',
    errno.EFBIG: 'free some space or name another place',
    errno.ENOENT: 'make the folder that it is to be in, or correct the path',
    errno.ENOTDIR: 'a file stands where a folder should be; name another place',
    errno.EEXIST: 'a file stands where a folder should be; name another place',
    errno.EISDIR: 'a folder stands where the file should be; name another place',
    errno.ENAMETOOLONG: 'choose a shorter name',
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM, errno.EROFS),
        'change the permissions there or name another place',
    ),
}


def make_output_folder(path: Path) -> Path:
    """The folder, made with its parents where it is missing and tried for writing.

    Raises:
        OutputError: a file has the name of the folder, or the disk is read-only or full.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _refused(path, error, 'folder') from error
    check_writable(path)
    return path


@contextlib.contextmanager
def output_folder(path: Path) -> Iterator[Path]:
    """The folder, as `make_output_folder` makes it; work that fails leaves no empty folders.

    Raises:
        OutputError: as `make_output_folder`.
    """
    folders = (path, *path.parents)
    missing = [folder for folder in folders if not folder.exists()]
    try:
        yield make_output_folder(path)
    except BaseException:
        with contextlib.suppress(OSError):
            for folder in missing:
                folder.rmdir()
        raise


def check_writable(folder: Path) -> None:
    """Try to write in an existing folder, before long work whose result would have no place.

    Raises:
        OutputError: missing, read-only or full.
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b'\0')
    except OSError as error:
        raise _refused(folder, error, 'folder') from error


def check_output_file(path: Path | None) -> None:
    """Try, before long work, whether a result file can be written; None: there is none.

    Raises:
        OutputError: a folder has its name, or its own folder is missing, read-only or full.
    """
    if path is None:
        return
    if path.is_dir():
        error = IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        raise _refused(path, error, 'file')
    check_writable(path.parent)


def write_file(path: Path, data: bytes | str) -> None:
    """Write a file so that a crash or a full disk leaves the earlier version untouched.

    Raises:
        OutputError: no space, no permission, or no such folder.
    """
    raw = data.encode('utf-8', 'backslashreplace') if isinstance(data, str) else data
    try:
        write_whole(path, raw, durable=False)
    except OSError as error:
        raise _refused(path, error, 'file') from error


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON; NaN becomes null, which every JSON reader accepts.

    Raises:
        OutputError: as `write_file`.
    """
    write_file(path, json.dumps(without_nan(value), indent=2, ensure_ascii=False) + '\n')


def read_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty where there is none that can be read."""
    try:
        value = json.loads(path.read_text('utf-8'))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def without_nan(value: Any) -> Any:
    """The same value with every NaN and infinity replaced by None, however deep."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return value


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table; every run of the same values gives the same bytes.

    Raises:
        OutputError: as `write_file`.
    """
    write_file(path, csv_text(header, rows))


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as the text of a CSV file."""
    text = io.StringIO(newline='')
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _refused(path: Path, error: OSError, kind: str) -> OutputError:
    reason = error.strerror or type(error).__name__
    next_step = _NEXT_STEPS.get(error.errno or 0, 'check the disk or name another place')
    return OutputError(f'{path}: the {kind} cannot be written ({reason}); {next_step}')
