"""Report files of an earlier run in a folder of results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ghost_vpr_ros.cli.progress import say

_SHOWN = 4


def files_in(folder: Path) -> dict[str, int]:
    """Modification times of the files in a folder, in nanoseconds, by name."""
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.is_file()}


def report_older_files(folder: Path, before: Mapping[str, int]) -> None:
    """Print which files of a folder of results have not been written since `before`."""
    now = files_in(folder)
    older = sorted(name for name, written_ns in before.items() if now.get(name) == written_ns)
    if older:
        more = f' and {len(older) - _SHOWN} more' if len(older) > _SHOWN else ''
        names = ', '.join(older[:_SHOWN])
        say(f'note: {folder} also holds files that are not of this run: {names}{more}')
