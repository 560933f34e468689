"""Rectangles of a feature map: the cells of pyramids, and R-MAC's overlapping squares.

All are half-open: rows top .. bottom - 1, columns left .. right - 1.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

_OVERLAP = 0.4
_MOST_MORE = 6
"""Additional squares of R-MAC along the longer side."""


class Region(NamedTuple):
    """One rectangle, in cells of the feature map."""

    top: int
    bottom: int
    left: int
    right: int

    def of(self, feature_map: Tensor) -> Tensor:
        """This part (B, C, ., .) of (B, C, h, w)."""
        return feature_map[:, :, self.top : self.bottom, self.left : self.right]


def map_size(feature_map: Tensor) -> tuple[int, int]:
    """(h, w) of (B, C, h, w), as plain numbers also while a network is being exported."""
    return int(feature_map.shape[2]), int(feature_map.shape[3])


def grid(height: int, width: int, parts: int) -> list[Region]:
    """Cells, parts x parts, row by row, that cover all; none is empty, however small the map."""
    rows, columns = _split(height, parts), _split(width, parts)
    return [Region(*row, *column) for row in rows for column in columns]


def squares(height: int, width: int, levels: int) -> list[Region]:
    """R-MAC's regions of levels 1 .. L (Tolias et al. 2016).

    At level l they are squares of side 2 min(h, w) / (l + 1): l along the shorter side, l + m - 1
    along the longer one, spread evenly. m makes the overlap of neighbours at level 1 nearest to
    40 %; a square map has m = 1. Sides and positions are rounded down to whole cells.
    """
    short, long = min(height, width), max(height, width)
    more = _more_along_longer(short, long)
    found = []
    for level in range(1, levels + 1):
        side = max(1, 2 * short // (level + 1))
        tops = _spread(height, side, level + (more if height > width else 0))
        lefts = _spread(width, side, level + (more if width > height else 0))
        found += [Region(t, t + side, left, left + side) for t in tops for left in lefts]
    return found


def _split(length: int, parts: int) -> list[tuple[int, int]]:
    """Ends of `parts` pieces of nearly the same length; they overlap where cells are too few."""
    return [(i * length // parts, -(-(i + 1) * length // parts)) for i in range(parts)]


def _more_along_longer(short: int, long: int) -> int:
    """How many more squares there are along the longer side, m - 1."""
    if short == long:
        return 0

    def distance(more: int) -> float:
        step = (long - short) / more
        return abs((short - step) / short - _OVERLAP)

    return min(range(1, _MOST_MORE + 1), key=distance)


def _spread(length: int, side: int, count: int) -> list[int]:
    """Starts of `count` pieces from one end to the other."""
    if count == 1:
        return [(length - side) // 2]
    return [i * (length - side) // (count - 1) for i in range(count)]
