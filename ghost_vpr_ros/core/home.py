"""The home folder, which may be missing for a user without an entry, as in a container."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


def home_folder() -> Path | None:
    """The home of the user; None where none is known."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def expanded(path: Path | str) -> str:
    """The path with its leading `~/` expanded, which shells leave in `map:=~/a.map`."""
    text, home = str(path), home_folder()
    if home is None or not text.startswith('~/'):
        return text
    return str(home / text[2:])


@contextlib.contextmanager
def home_for_others() -> Iterator[None]:
    """Use the temporary folder as home while loading libraries that fail without one."""
    if home_folder() is not None:
        yield
        return
    os.environ['HOME'] = tempfile.gettempdir()
    try:
        yield
    finally:
        del os.environ['HOME']
