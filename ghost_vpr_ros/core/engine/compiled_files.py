"""Files that engines compiled for this machine, kept for a quicker start, with digests.

OpenVINO and TensorRT read the files in their folder without a check: a changed bit gives another
network, or ends the process. Therefore each graph and each setting has its own folder, and a file
that is not as it was recorded is removed before the engine reads it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from ghost_vpr_ros.core.engine.graph_cache import cache_folder
from ghost_vpr_ros.core.whole_file import sealed, unsealed, write_whole

_RECORD = 'digests.json'


@contextlib.contextmanager
def compiled_files(engine: str, *made_of: str | bytes) -> Iterator[Path | None]:
    """The folder for the files that an engine compiles; its content at the end is recorded.

    Args:
        engine: its name, also that of the folder above.
        made_of: graph and settings; others get another folder.

    Yields:
        the folder, with intact files only; None where there can be none.
    """
    folder = _made(engine, made_of)
    if folder is None:
        yield None
        return
    with contextlib.suppress(OSError):
        _remove_changed(folder)
    before = _states(folder)
    yield folder
    with contextlib.suppress(OSError):
        if _states(folder) != before:
            _record(folder)


def _made(engine: str, made_of: tuple[str | bytes, ...]) -> Path | None:
    cache = cache_folder()
    if cache is None:
        return None
    key = hashlib.sha256()
    for part in made_of:
        digest = hashlib.sha256(part.encode() if isinstance(part, str) else part)
        key.update(digest.digest())
    folder = cache / engine / key.hexdigest()[:32]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def _remove_changed(folder: Path) -> None:
    known = _recorded(folder)
    for name, digest in _digests(folder).items():
        if known.get(name) != digest:
            (folder / name).unlink()


def _record(folder: Path) -> None:
    found = _digests(folder)
    if found != _recorded(folder):
        write_whole(folder / _RECORD, sealed(json.dumps(found).encode()), durable=True)


def _recorded(folder: Path) -> dict[str, str]:
    try:
        content = unsealed((folder / _RECORD).read_bytes())
    except OSError:
        return {}
    return {} if content is None else dict(json.loads(content))


def _states(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Time, size and number of each file, which tell whether one was written."""
    with contextlib.suppress(OSError):
        found = {path.name: path.stat() for path in folder.iterdir()}
        return {name: (s.st_mtime_ns, s.st_size, s.st_ino) for name, s in found.items()}
    return {}


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name != _RECORD and not path.name.startswith('.')
    }
