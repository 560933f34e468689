"""The street network: a grid that was laid out by hand, so nothing is quite straight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.replay.sample_town.seeding import stream

LANE_M = 3.2
PARKING_M = 2.1
Node = tuple[int, int]


@dataclass(frozen=True)
class Street:
    """A street between two nodes.

    Attributes:
        ends: the nodes it joins, in ascending order.
        start: (2,) metres, position of the first node.
        end: (2,) metres, position of the second node.
        parking: whether cars park along both kerbs.
        trees: whether trees stand along both kerbs.
        pavement_m: width of each pavement.
    """

    ends: tuple[Node, Node]
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    parking: bool
    trees: bool
    pavement_m: float

    @property
    def half_road_m(self) -> float:
        """From the centre line to the kerb."""
        return LANE_M + PARKING_M * self.parking

    @property
    def half_width_m(self) -> float:
        """From the centre line to the facades."""
        return self.half_road_m + self.pavement_m

    @property
    def length_m(self) -> float:
        """From node to node."""
        return float(np.linalg.norm(self.end - self.start))

    @property
    def direction(self) -> NDArray[np.float64]:
        """(2,) unit vector from the first node to the second."""
        return (self.end - self.start) / self.length_m

    def point(self, along_m: float, left_m: float) -> NDArray[np.float64]:
        """(2,) position beside the centre line, left of the direction being positive."""
        d = self.direction
        return self.start + along_m * d + left_m * np.array([-d[1], d[0]])


@dataclass(frozen=True)
class StreetGrid:
    """All nodes (nx + 1, ny + 1, 2) in metres, and the streets by their two nodes."""

    nodes: NDArray[np.float64]
    streets: dict[tuple[Node, Node], Street]

    def between(self, a: Node, b: Node) -> Street:
        """The street that joins two neighbouring nodes."""
        return self.streets[(min(a, b), max(a, b))]

    def position(self, node: Node) -> NDArray[np.float64]:
        """(2,) metres."""
        return self.nodes[node]


def make_grid(seed: int, blocks: tuple[int, int]) -> StreetGrid:
    """Streets for `blocks` (east, north) blocks, the town's middle at the origin."""
    rng = stream(seed, 'streets')
    nodes = _make_nodes(rng, blocks)
    profiles = {
        (axis, line): _draw_profile(rng) for axis in (0, 1) for line in range(max(blocks) + 1)
    }
    streets = {}
    for a, b in _neighbours(blocks):
        axis = 0 if a[1] == b[1] else 1
        line = a[1] if axis == 0 else a[0]
        streets[a, b] = Street((a, b), nodes[a], nodes[b], *profiles[axis, line])
    return StreetGrid(nodes, streets)


def _make_nodes(rng: np.random.Generator, blocks: tuple[int, int]) -> NDArray[np.float64]:
    lines = []
    for count in blocks:
        steps = rng.uniform(50, 66, count)
        line = np.concatenate([[0.0], np.cumsum(steps)])
        lines.append(line - line[-1] / 2)
    nodes = np.stack(np.meshgrid(*lines, indexing='ij'), -1)
    return nodes + rng.uniform(-3.5, 3.5, nodes.shape)


def _draw_profile(rng: np.random.Generator) -> tuple[bool, bool, float]:
    parking = bool(rng.random() < 0.75)
    trees = bool(rng.random() < 0.5)
    return parking, trees, float(rng.uniform(2.6, 3.8) if trees else rng.uniform(2.0, 3.0))


def _neighbours(blocks: tuple[int, int]) -> list[tuple[Node, Node]]:
    east, north = blocks
    along = [((i, j), (i + 1, j)) for j in range(north + 1) for i in range(east)]
    up = [((i, j), (i, j + 1)) for i in range(east + 1) for j in range(north)]
    return along + up
