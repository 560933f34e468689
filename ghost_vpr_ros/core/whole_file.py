"""Files that appear whole or not at all, whatever ends the process meanwhile."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def write_whole(path: Path, data: bytes, *, durable: bool) -> None:
    """Write under a temporary name, then rename; the earlier file stays until that.

    Args:
        path: file to write or to replace.
        data: its content.
        durable: wait until the content is on the disk, so that a power cut spares it, too.

    Raises:
        OSError: it cannot be written; the earlier file is untouched and nothing is left beside it.
    """
    partial = path.with_name(f'.{path.name}.{os.getpid()}.partial')
    try:
        with partial.open('wb') as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        partial.replace(path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
