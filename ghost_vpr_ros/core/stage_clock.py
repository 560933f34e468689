"""Milliseconds spent in each stage of one query."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class StageClock:
    """Times named stages; `stage_ms` holds what each took in all, in milliseconds."""

    def __init__(self) -> None:
        self.stage_ms: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time the body of a `with` statement under a stage's name."""
        start = time.perf_counter()
        yield
        taken_ms = 1e3 * (time.perf_counter() - start)
        self.stage_ms[stage] = self.stage_ms.get(stage, 0.0) + taken_ms
