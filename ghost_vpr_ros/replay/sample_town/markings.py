"""Paints road markings: centre lines, stop lines, crossings, parking bays, lids."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.replay.sample_town.streets import LANE_M, PARKING_M, Street, StreetGrid

Fill = Callable[[NDArray[np.float64], tuple[int, int, int]], None]
WHITE = (214, 212, 206)
WORN = (168, 166, 162)
IRON = (52, 52, 54)
CLEARANCE_M = 9.5
BAY_M = 5.6


def paint_markings(rng: np.random.Generator, grid: StreetGrid, fill: Fill) -> None:
    """All markings of all streets."""
    for street in grid.streets.values():
        _paint_centre(street, fill)
        for end in (0, 1):
            _paint_end(rng, street, end, fill)
        if street.parking:
            _paint_bays(street, fill)
        for _ in range(3):
            _paint_lid(rng, street, fill)


def rectangle(
    street: Street, along: float, left: float, length: float, width: float
) -> NDArray[np.float64]:
    """Corners (4, 2) of a rectangle beside the centre line, along and left being its middle."""
    offsets = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    return np.array(
        [street.point(along + a * length / 2, left + b * width / 2) for a, b in offsets]
    )


def _paint_centre(street: Street, fill: Fill) -> None:
    for along in np.arange(CLEARANCE_M + 2, street.length_m - CLEARANCE_M - 1, 4.5):
        fill(rectangle(street, float(along), 0.0, 2.2, 0.13), WHITE)


def _paint_end(rng: np.random.Generator, street: Street, end: int, fill: Fill) -> None:
    sign = 1 if end == 0 else -1
    start = 0.0 if end == 0 else street.length_m
    lane = sign * LANE_M / 2
    if rng.random() < 0.55:
        for left in np.arange(-street.half_road_m + 0.6, street.half_road_m - 0.3, 1.0):
            fill(rectangle(street, start + sign * 8.0, float(left), 2.8, 0.5), WHITE)
    fill(rectangle(street, start + sign * 10.4, lane, 0.4, LANE_M - 0.3), WHITE)


def _paint_bays(street: Street, fill: Fill) -> None:
    for side in (-1, 1):
        edge = side * LANE_M
        length = street.length_m - 2 * (CLEARANCE_M + 2)
        if length < BAY_M:
            continue
        fill(rectangle(street, street.length_m / 2, edge, length, 0.1), WORN)
        for along in bay_edges(street):
            fill(rectangle(street, along, edge + side * PARKING_M / 2, 0.1, PARKING_M), WORN)


def bay_edges(street: Street) -> list[float]:
    """Where parking places begin and end, in metres along the street."""
    first, last = CLEARANCE_M + 2, street.length_m - CLEARANCE_M - 2
    count = int((last - first) / BAY_M)
    return [first + k * BAY_M for k in range(count + 1)] if count > 0 else []


def _paint_lid(rng: np.random.Generator, street: Street, fill: Fill) -> None:
    centre = street.point(
        float(rng.uniform(4, street.length_m - 4)), float(rng.uniform(-2.4, 2.4))
    )
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], -1)
    fill(centre + 0.36 * circle, (104, 102, 100))
    fill(centre + 0.31 * circle, IRON)
