"""Which streets a drive takes, and the line that its wheels follow."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.replay.sample_town.blocks import meet
from ghost_vpr_ros.replay.sample_town.streets import LANE_M, Node, StreetGrid

STEP_M = 0.25
ROUNDING_M = 6.0


@dataclass(frozen=True)
class Line:
    """A smooth line, sampled every `STEP_M` metres.

    Attributes:
        points: (N, 2) metres.
        yaw_rad: (N,) direction of travel, unwrapped.
        along_m: (N,) arc length.
    """

    points: NDArray[np.float64]
    yaw_rad: NDArray[np.float64]
    along_m: NDArray[np.float64]

    def at(self, along_m: float, left_m: float = 0.0) -> tuple[NDArray[np.float64], float]:
        """Position (2,) beside the line, and yaw in radians; clamped to the line's ends."""
        x = np.interp(along_m, self.along_m, self.points[:, 0])
        y = np.interp(along_m, self.along_m, self.points[:, 1])
        yaw = float(np.interp(along_m, self.along_m, self.yaw_rad))
        return np.array([x - left_m * np.sin(yaw), y + left_m * np.cos(yaw)]), yaw


def plan_nodes(grid: StreetGrid, route: str, length_m: float) -> list[Node]:
    """Nodes of a drive of at least `length_m`.

    Raises:
        ConfigError: a route without revisits ends before.
    """
    blocks = (grid.nodes.shape[0] - 1, grid.nodes.shape[1] - 1)
    nodes: list[Node] = []
    driven = 0.0
    for node in _loops(blocks) if route == 'loops' else _snake(blocks):
        if nodes:
            driven += grid.between(nodes[-1], node).length_m
        nodes.append(node)
        if driven >= length_m:
            return nodes
    raise ConfigError(
        f'route snake: {length_m:.0f} m were requested, but the town has {driven:.0f} m without a '
        f'revisit; lower frames or interval_m, or raise blocks'
    )


def _loops(blocks: tuple[int, int]) -> Iterator[Node]:
    """Round one block after the other; each first side is driven twice in the same direction."""
    path: list[Node] = [(0, 0)]
    yield path[0]
    for turn, block in enumerate(itertools.cycle(_block_order(blocks))):
        for node in _round_block(path, block, 1 if turn % 2 == 0 else -1):
            path.append(node)
            yield node
        del path[:-2]


def _block_order(blocks: tuple[int, int]) -> list[Node]:
    order = [
        (i, j)
        for j in range(blocks[1])
        for i in (range(blocks[0]) if j % 2 == 0 else reversed(range(blocks[0])))
    ]
    return order + order[-2:0:-1]


def _round_block(path: list[Node], block: Node, preferred: int) -> list[Node]:
    i, j = block
    ring: list[Node] = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)]
    lead = _approach(path, ring)
    trail = path + lead
    start = ring.index(trail[-1])
    came_from = trail[-2] if len(trail) > 1 else None
    direction = preferred if ring[(start + preferred) % 4] != came_from else -preferred
    return lead + [ring[(start + direction * k) % 4] for k in range(1, 6)]


def _approach(path: list[Node], ring: list[Node]) -> list[Node]:
    """Nodes from the end of the path to the nearest corner of a ring, without turning back."""
    lead: list[Node] = []
    here = path[-1]
    came_from = path[-2] if len(path) > 1 else None
    while here not in ring:
        steps = [
            (here[0] + dx, here[1] + dy)
            for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1))
            if (here[0] + dx, here[1] + dy) != came_from
        ]
        came_from = here
        here = min(steps, key=lambda node: min(_blocks_apart(node, corner) for corner in ring))
        lead.append(here)
    return lead


def _blocks_apart(a: Node, b: Node) -> int:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def _snake(blocks: tuple[int, int]) -> Iterator[Node]:
    for j in range(blocks[1] + 1):
        columns = range(blocks[0] + 1)
        yield from ((i, j) for i in (columns if j % 2 == 0 else reversed(columns)))


def lane_line(grid: StreetGrid, nodes: list[Node]) -> Line:
    """The middle of the right-hand lane along the nodes, rounded at the crossings."""
    positions = np.array([grid.position(node) for node in nodes])
    steps = np.diff(positions, axis=0)
    directions = steps / np.linalg.norm(steps, axis=1)[:, None]
    right = np.stack([directions[:, 1], -directions[:, 0]], 1) * (LANE_M / 2)
    starts = positions[:-1] + right
    corners = [starts[0]]
    for k in range(1, len(directions)):
        corners.append(meet((starts[k - 1], directions[k - 1]), (starts[k], directions[k])))
    corners.append(positions[-1] + right[-1])
    return smooth_line(np.array(corners))


def smooth_line(corners: NDArray[np.float64]) -> Line:
    """A polyline (n, 2) with its corners rounded by a moving average."""
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    dense = _resample(corners, lengths)
    half = round(ROUNDING_M / 2 / STEP_M)
    # Two passes of a box are close to a bell: the curvature has no jumps.
    for _ in range(2):
        padded = np.concatenate([_extend(dense, half, 0), dense, _extend(dense, half, -1)])
        kernel = np.full(2 * half + 1, 1 / (2 * half + 1))
        dense = np.stack([np.convolve(padded[:, k], kernel, 'valid') for k in (0, 1)], 1)
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(dense, axis=0), axis=1))])
    dense = _resample(dense, along)
    tangent = np.gradient(dense, axis=0)
    yaw = np.unwrap(np.arctan2(tangent[:, 1], tangent[:, 0]))
    return Line(dense, yaw, np.arange(len(dense), dtype=np.float64) * STEP_M)


def _resample(points: NDArray[np.float64], along: NDArray[np.float64]) -> NDArray[np.float64]:
    grid = np.arange(0.0, along[-1], STEP_M)
    return np.stack([np.interp(grid, along, points[:, k]) for k in (0, 1)], 1)


def _extend(points: NDArray[np.float64], count: int, end: int) -> NDArray[np.float64]:
    """Points that continue a line straight on beyond its start (0) or its end (-1)."""
    step = points[0] - points[1] if end == 0 else points[-1] - points[-2]
    away = np.arange(count, 0, -1) if end == 0 else np.arange(1, count + 1)
    return points[end] + step * away[:, None]
