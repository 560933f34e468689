"""RTAB-Map's nodes by stamp, and the motion from an image to the nearest node.

RTAB-Map makes a node a second or so, and images come in between. The motion from one to the other
is read from the odometry that we hear, or else from the odometry poses of the nodes before and
behind the image.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.poses import matrix_of
from ghost_vpr_ros.core.stamps import Order, StampOrder
from ghost_vpr_ros.ros.adapters.rigid_transform import Matrix, inverse
from ghost_vpr_ros.ros.conversions import pose_from_message

_ROUNDING_NS = 1_000
"""RTAB-Map's stamps are float64 seconds: of today's, the last digits are 240 ns apart."""

_MOST_ODOMETRY = 5_000
_LEAST_STEP_NS = 18_000_000
_LONGEST_STEP_NS = 500_000_000
"""Odometry is kept at 50 Hz for 100 s, and nothing is read across half a second without it."""


@dataclass(frozen=True)
class NodeInfo:
    """One node.

    Attributes:
        node_id: of RTAB-Map.
        stamp_ns: of its image.
        map_id: nodes of one map have one odometry.
        odom_T_base: (4, 4) as odometry had it, uncorrected; None where it is not known.
    """

    node_id: int
    stamp_ns: int
    map_id: int = 0
    odom_T_base: Matrix | None = None


@dataclass(frozen=True)
class Bridge:
    """A node that represents an image.

    Attributes:
        node_id: of RTAB-Map.
        node_T_image: (4, 4) pose of the base at the image in that of the node.
    """

    node_id: int
    node_T_image: Matrix

    def covariance(self, error: float) -> Matrix:
        """(6, 6) for an error of this share of distance and turn; about the node's axes."""
        way_m = float(np.linalg.norm(self.node_T_image[:3, 3]))
        turn_rad = float(Rotation.from_matrix(self.node_T_image[:3, :3]).magnitude())
        return np.diag([(error * way_m) ** 2] * 3 + [(error * turn_rad) ** 2] * 3)


class PoseTrack:
    """The last poses of the odometry, in the order of their stamps."""

    def __init__(self) -> None:
        self._order = StampOrder()
        self._poses: deque[tuple[int, Matrix]] = deque(maxlen=_MOST_ODOMETRY)

    def add(self, stamp_ns: int, pose: Pose) -> None:
        """Add a pose unless it is late; start over if the clock was set back."""
        order = self._order.place(stamp_ns)
        if order in (Order.JUMP, Order.RETURN):
            self._poses.clear()
        is_dense = bool(self._poses) and stamp_ns - self._poses[-1][0] < _LEAST_STEP_NS
        if order is not Order.LATE and not is_dense and pose.quaternion_xyzw is not None:
            self._poses.append((stamp_ns, matrix_of(pose)))

    def at(self, stamp_ns: int) -> Matrix | None:
        """`odom_T_base` (4, 4), interpolated; None if the neighbouring poses are too far away."""
        number = bisect_left(self._poses, stamp_ns, key=lambda each: each[0])
        if number < len(self._poses) and self._poses[number][0] == stamp_ns:
            return self._poses[number][1]
        if not 0 < number < len(self._poses):
            return None
        before, behind = self._poses[number - 1], self._poses[number]
        if behind[0] - before[0] > _LONGEST_STEP_NS:
            return None
        return between(*before, *behind, stamp_ns)


def between(
    before_ns: int, before: Matrix, behind_ns: int, behind: Matrix, stamp_ns: int
) -> Matrix:
    """The pose (4, 4) at a stamp between two, linear in position and rotation."""
    share = (stamp_ns - before_ns) / (behind_ns - before_ns)
    ends = Rotation.from_matrix(np.stack([before[:3, :3], behind[:3, :3]]))
    matrix = np.eye(4)
    matrix[:3, :3] = Slerp([0.0, 1.0], ends)(share).as_matrix()
    matrix[:3, 3] = (1.0 - share) * before[:3, 3] + share * behind[:3, 3]
    return matrix


class NodeStamps:
    """Stamps and poses of RTAB-Map's nodes.

    Source: `nodeInfoToROS` fills id, map id, stamp (float64, seconds) and the pose of odometry of
    every node in `rtabmap_msgs/msg/MapData`, which RTAB-Map publishes on `mapData`: the newest
    node after each update, all nodes of the database after a call of `publish_map`. `Info` carries
    the newest id only, `MapGraph` no stamps.

    Attributes:
        odometry: what was heard of it besides.
    """

    def __init__(self) -> None:
        self.odometry = PoseTrack()
        self._nodes: dict[int, NodeInfo] = {}
        self._in_order: list[tuple[int, int]] = []

    def add(self, node: NodeInfo) -> None:
        """Add a node; landmarks (negative ids) and nodes without stamp are skipped."""
        known = self._nodes.get(node.node_id)
        if node.node_id <= 0 or node.stamp_ns <= 0:
            return
        if known is not None and known.stamp_ns != node.stamp_ns:
            self._in_order.remove((known.stamp_ns, node.node_id))
        if known is None or known.stamp_ns != node.stamp_ns:
            insort(self._in_order, (node.stamp_ns, node.node_id))
        self._nodes[node.node_id] = node

    def add_map_data(self, message: Any) -> None:
        """Add the nodes of a `rtabmap_msgs/msg/MapData`."""
        for node in message.nodes:
            pose = pose_from_message(node.pose)
            is_whole = pose is not None and pose.quaternion_xyzw is not None
            odom_T_base = matrix_of(pose) if is_whole and pose is not None else None
            stamp_ns = round(node.stamp * 1e9)
            self.add(NodeInfo(int(node.id), stamp_ns, int(node.map_id), odom_T_base))

    def reaches(self, stamp_ns: int) -> bool:
        """Whether a node is at least as new as a stamp, so that the nearest one is known."""
        return bool(self._in_order) and self._in_order[-1][0] + _ROUNDING_NS >= stamp_ns

    def bridge(self, stamp_ns: int, max_difference_s: float, max_gap_s: float) -> Bridge | None:
        """The node nearest to an image in time, and the motion between them.

        Args:
            stamp_ns: of the image.
            max_difference_s: without odometry a node this near stands for the image as it is.
            max_gap_s: longest time between two nodes across which their poses are interpolated,
                and from a node to the image where odometry was heard.

        Returns:
            None where neither odometry nor a node near enough is known.
        """
        before, behind = self._around(stamp_ns)
        near = [node for node in (before, behind) if node is not None]
        if not near:
            return None
        node = min(near, key=lambda each: abs(each.stamp_ns - stamp_ns))
        apart_ns = abs(node.stamp_ns - stamp_ns)
        if apart_ns <= _ROUNDING_NS:
            return Bridge(node.node_id, np.eye(4))
        motion = self._heard(node, stamp_ns) if apart_ns <= max_gap_s * 1e9 else None
        if motion is None and before is not None and behind is not None:
            motion = _interpolated(before, behind, node, stamp_ns, max_gap_s)
        if motion is None and apart_ns <= round(max_difference_s * 1e9) + _ROUNDING_NS:
            motion = np.eye(4)
        return None if motion is None else Bridge(node.node_id, motion)

    def _around(self, stamp_ns: int) -> tuple[NodeInfo | None, NodeInfo | None]:
        """The last node at or before a stamp, and the next one."""
        place = bisect_left(self._in_order, (stamp_ns + 1, 0))
        before = self._nodes[self._in_order[place - 1][1]] if place else None
        is_last = place == len(self._in_order)
        return before, None if is_last else self._nodes[self._in_order[place][1]]

    def _heard(self, node: NodeInfo, stamp_ns: int) -> Matrix | None:
        odom_T_node, odom_T_image = self.odometry.at(node.stamp_ns), self.odometry.at(stamp_ns)
        if odom_T_node is None or odom_T_image is None:
            return None
        return inverse(odom_T_node) @ odom_T_image


def _interpolated(
    before: NodeInfo, behind: NodeInfo, node: NodeInfo, stamp_ns: int, max_gap_s: float
) -> Matrix | None:
    """`node_T_image` from two nodes; None if they are far apart or of different maps."""
    if before.odom_T_base is None or behind.odom_T_base is None or node.odom_T_base is None:
        return None
    gap_ns = behind.stamp_ns - before.stamp_ns
    if before.map_id != behind.map_id or gap_ns > max_gap_s * 1e9:
        return None
    odom_T_image = between(
        before.stamp_ns, before.odom_T_base, behind.stamp_ns, behind.odom_T_base, stamp_ns
    )
    return inverse(node.odom_T_base) @ odom_T_image
