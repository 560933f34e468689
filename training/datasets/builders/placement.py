"""Copy, link or write one image to a new folder; existing files are never overwritten."""

from __future__ import annotations

import filecmp
import os
import shutil
from pathlib import Path

from ghost_vpr_ros.core.errors import OutputError
from ghost_vpr_ros.core.whole_file import unfinished_file
from ghost_vpr_ros.replay.output_files import write_file

MODES = ('copy', 'link', 'index')
"""Copy the bytes; hard links (symbolic ones across file systems); or only a manifest."""


def place_file(source: Path, target: Path, mode: str) -> bool:
    """Copy or link a file; False if the target exists already with the same bytes.

    A copy appears complete or not at all.

    Args:
        source: an image file, which is only read.
        target: new path.
        mode: `copy` or `link`.

    Raises:
        OutputError: the target is a different file, which is not changed, or cannot be written.
    """
    if target.is_symlink() or target.exists():
        _check_same(source, target)
        return False
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if mode == 'link':
            _link(source, target)
        else:
            _copy(source, target)
    except OSError as error:
        raise OutputError(
            f'{target}: {source} cannot be written there ({error.strerror or error}); free some '
            'space or name another folder, and run again to continue'
        ) from error
    return True


def place_bytes(data: bytes, target: Path) -> None:
    """Write an encoded image.

    Raises:
        OutputError: the target cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f'{target.parent}: the folder cannot be made ({error.strerror or error}); name another'
        ) from error
    write_file(target, data)


def _check_same(source: Path, target: Path) -> None:
    try:
        is_same = target.samefile(source) or filecmp.cmp(source, target, shallow=False)
    except OSError:
        is_same = False
    if not is_same:
        raise OutputError(
            f'{target}: exists already with other bytes than {source}; nothing is overwritten, '
            'name another output folder'
        )


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except FileExistsError:
        raise
    except OSError:
        # Another file system, or one that does not support hard links.
        target.symlink_to(source.resolve())


def _copy(source: Path, target: Path) -> None:
    with unfinished_file(target) as unfinished:
        shutil.copyfile(source, unfinished)
        unfinished.rename(target)
