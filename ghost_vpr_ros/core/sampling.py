"""Choosing some of many, in the same way everywhere."""

from __future__ import annotations

import numpy as np


def evenly_spaced(count: int, wanted: int) -> list[int]:
    """At most `wanted` indices spread evenly over 0 .. count - 1."""
    indices: list[int] = np.unique(
        np.linspace(0, count - 1, min(count, wanted)).round().astype(int)
    ).tolist()
    return indices
