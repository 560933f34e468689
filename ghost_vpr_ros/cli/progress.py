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
    """Yield the function that counts images or other units; it shows on a terminal only."""
    from tqdm import tqdm

    with tqdm(total=total, desc=what, unit=unit, file=sys.stderr, disable=None) as bar:
        yield bar.update


def say(text: str) -> None:
    """Print a remark on the terminal, apart from the results."""
    print(text, file=sys.stderr, flush=True)


def say_warnings(place_map: MapReader) -> None:
    """Print the warnings about the file of a map."""
    for sentence in place_map.warnings:
        say(f'warning: {sentence}')
