"""Blocks between the streets and the lots along them, each lot with the ground of one house."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.replay.sample_town.seeding import stream
from ghost_vpr_ros.replay.sample_town.streets import Node, StreetGrid

HOUSE_DEPTH_M = 9.0
FEWEST_LOT_M = 6.5


@dataclass(frozen=True)
class Lot:
    """The ground of one house.

    Attributes:
        corners: (4, 2) metres, counter-clockwise; the facade runs from corner 0 to corner 1.
        street_walls: walls k (corner k to k + 1) that face a street: 0, and 3 at a crossing.
        terrace: number of the row that it belongs to; houses of a terrace look alike.
    """

    corners: NDArray[np.float64]
    street_walls: tuple[int, ...]
    terrace: int


def block_outlines(grid: StreetGrid) -> list[NDArray[np.float64]]:
    """The ground of each block behind its pavements: (4, 2) metres, counter-clockwise."""
    east, north = grid.nodes.shape[0] - 1, grid.nodes.shape[1] - 1
    outlines = []
    for i in range(east):
        for j in range(north):
            ring: list[Node] = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)]
            outlines.append(offset_ring(grid, ring, side=1.0))
    return outlines


def town_outline(grid: StreetGrid) -> NDArray[np.float64]:
    """The front line of the houses beyond the outermost streets: (n, 2), counter-clockwise."""
    east, north = grid.nodes.shape[0] - 1, grid.nodes.shape[1] - 1
    ring: list[Node] = [(i, 0) for i in range(east)] + [(east, j) for j in range(north)]
    ring += [(i, north) for i in range(east, 0, -1)] + [(0, j) for j in range(north, 0, -1)]
    return offset_ring(grid, ring, side=-1.0)


def offset_ring(grid: StreetGrid, ring: list[Node], side: float) -> NDArray[np.float64]:
    """A ring of nodes, each side moved by its street's half width to the left (side = 1)."""
    lines = []
    for a, b in zip(ring, ring[1:] + ring[:1], strict=True):
        street = grid.between(a, b)
        start, end = grid.position(a), grid.position(b)
        direction = (end - start) / np.linalg.norm(end - start)
        left = np.array([-direction[1], direction[0]])
        lines.append((start + side * street.half_width_m * left, direction))
    return np.array([meet(lines[k - 1], lines[k]) for k in range(len(lines))])


def block_lots(seed: int, index: int, outline: NDArray[np.float64]) -> list[Lot]:
    """Lots all round a block; each side's first house also faces the street round the corner."""
    rng = stream(seed, 'lots', index)
    lots: list[Lot] = []
    for k in range(4):
        before, start, end = outline[k - 1], outline[k], outline[(k + 1) % 4]
        length = float(np.linalg.norm(end - start)) - HOUSE_DEPTH_M
        terrace = index * 16 + k * 4
        row = _row(rng, start, (end - start) / np.linalg.norm(end - start), length, terrace)
        row[0] = _turn_corner(row[0], before, start)
        lots += row
    return lots


def outer_lots(seed: int, outline: NDArray[np.float64]) -> list[Lot]:
    """Lots beyond the outermost streets: they close the view at the end of every street."""
    rng = stream(seed, 'lots', 'outer')
    lots: list[Lot] = []
    count = len(outline)
    for k in range(count):
        # Walked backwards, the outside lies on the left, where `_row` puts the houses.
        start, end = outline[(k + 1) % count], outline[k]
        length = float(np.linalg.norm(end - start))
        lots += _row(rng, start, (end - start) / length, length, 10_000 + k * 4)
    return lots


def _row(
    rng: np.random.Generator,
    start: NDArray[np.float64],
    along: NDArray[np.float64],
    length_m: float,
    terrace: int,
) -> list[Lot]:
    inward = np.array([-along[1], along[0]]) * HOUSE_DEPTH_M
    edges = _split(rng, length_m)
    run = terrace
    lots = []
    for left, right in itertools.pairwise(edges):
        a, b = start + along * left, start + along * right
        run += bool(rng.random() < 0.7)
        lots.append(Lot(np.array([a, b, b + inward, a + inward]), (0,), run))
    return lots


def _split(rng: np.random.Generator, length_m: float) -> NDArray[np.float64]:
    count = max(1, round(length_m / float(rng.uniform(8.0, 12.0))))
    weights = rng.uniform(0.75, 1.3, count)
    if length_m < FEWEST_LOT_M * count:
        weights[:] = 1.0
    return np.concatenate([[0.0], np.cumsum(weights / weights.sum() * length_m)])


def _turn_corner(lot: Lot, before: NDArray[np.float64], corner: NDArray[np.float64]) -> Lot:
    back = (before - corner) / np.linalg.norm(before - corner)
    corners = lot.corners.copy()
    corners[3] = corner + back * HOUSE_DEPTH_M
    return Lot(corners, (0, 3), lot.terrace)


def meet(
    first: tuple[NDArray[np.float64], NDArray[np.float64]],
    second: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Where two lines (point, direction) cross; halfway between them where nearly parallel."""
    (p, d), (q, e) = first, second
    cross = d[0] * e[1] - d[1] * e[0]
    if abs(cross) < 0.2:
        along = float(np.dot(q - p, d))
        return (p + d * along + q) / 2
    gap = q - p
    return p + d * ((gap[0] * e[1] - gap[1] * e[0]) / cross)
