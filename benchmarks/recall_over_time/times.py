"""Time of every method on one core, in turn, image by image."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.recall_over_time.method import Describer, Files, Method, similarities
from ghost_vpr_ros.core.errors import GhostVprError

MAP_IMAGES = 500
"""Size of the map to search."""

DIFFERENT_IMAGES = 8
"""Number of different images in that map; its content does not affect the time."""

LEAST_ROUNDS = 5


@dataclass
class Timed:
    """One method and its figures so far.

    Attributes:
        method: that is timed.
        describer: ready to run.
        database: of the map, (N, D) or (N, n, C).
        describe_ms: from the decoded image to its descriptor, for each round.
        search_ms: comparison with every place of the map, for each round.
    """

    method: Method
    describer: Describer
    database: NDArray[np.float32]
    describe_ms: list[float] = field(default_factory=list)
    search_ms: list[float] = field(default_factory=list)

    def run(self, image: NDArray[np.uint8]) -> None:
        """Time one image, after an untimed run to warm the caches."""
        self._once(image)
        describe_ms, search_ms = self._once(image)
        self.describe_ms.append(describe_ms)
        self.search_ms.append(search_ms)

    def _once(self, image: NDArray[np.uint8]) -> tuple[float, float]:
        began = time.perf_counter()
        query = self.describer.describe(image)
        described = time.perf_counter()
        similarities(query, self.database).argmax()
        ended = time.perf_counter()
        return 1e3 * (described - began), 1e3 * (ended - described)


def prepare(
    methods: Sequence[Method], images: Sequence[NDArray[np.uint8]], files: Files
) -> tuple[list[Timed], dict[str, str]]:
    """The methods that can run, with their maps, and the errors of the others."""
    ready, skipped = [], {}
    for method in methods:
        try:
            describer = method.make(files)
        except GhostVprError as error:
            skipped[method.name] = str(error)
            print(f'{method.name}: {error}', file=sys.stderr, flush=True)
            continue
        few = [describer.describe(image) for image in images[:DIFFERENT_IMAGES]]
        rows = np.stack([few[row % len(few)] for row in range(MAP_IMAGES)])
        ready.append(Timed(method, describer, rows))
    return ready, skipped


def measure(timed: Sequence[Timed], images: Sequence[NDArray[np.uint8]], seconds: float) -> int:
    """Run rounds with all methods, every second one in reverse order; returns their number.

    Args:
        timed: methods; the figures are appended.
        images: used in turn, one for each round, the same for all methods.
        seconds: no round begins later, except the first five.
    """
    began, rounds = time.monotonic(), 0
    while rounds < LEAST_ROUNDS or time.monotonic() - began < seconds:
        image = images[rounds % len(images)]
        for each in timed if rounds % 2 == 0 else reversed(timed):
            each.run(image)
        rounds += 1
    return rounds


def figures(timed: Timed) -> dict[str, Any]:
    """Medians and quartiles of a method."""
    total = np.add(timed.describe_ms, timed.search_ms)
    low, median, high = np.percentile(total, (25, 50, 75))
    return {
        'name': timed.method.name,
        'group': timed.method.group,
        'engine': timed.method.engine,
        'precision': timed.method.precision,
        'size_px': timed.method.size_px,
        'is_default': timed.method.is_default,
        'p25_ms': float(low),
        'p50_ms': float(median),
        'p75_ms': float(high),
        'describe_p50_ms': float(np.median(timed.describe_ms)),
        'search_p50_ms': float(np.median(timed.search_ms)),
        'bytes': int(timed.database[0].nbytes),
        'numbers': int(timed.database[0].size),
    }
