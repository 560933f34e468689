"""Progress on standard error, so that results on standard output can be piped."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ghost_vpr_ros.core.datatypes import Progress
    from ghost_vpr_ros.core.map.reader import MapReader


@contextmanager
def progress_bar(total: int, what: str, unit: str = 'img') -> Iterator[Progress]:
    """Yield the function that counts units of work; the bar is shown only on a terminal."""
    from tqdm import tqdm

    with tqdm(total=total, desc=what, unit=unit, file=sys.stderr, disable=None) as bar:
        yield bar.update


def say(text: str) -> None:
    """Print a remark on standard error."""
    print(text, file=sys.stderr, flush=True)


def say_warnings(place_map: MapReader) -> None:
    """Print the warnings about a map file."""
    for sentence in place_map.warnings:
        say(f'warning: {sentence}')
