"""Loop closures as links of RTAB-Map, and its node ids by stamp.

Source: introlab/rtabmap, introlab/rtabmap_ros (branch ros2, commit aec4f91f).
`CoreWrapper::addLinkCallback` hands the request's link to `Rtabmap::addLink` as it is.
- Ids are RTAB-Map's node ids. Both nodes have to be in its working memory; in localization mode
  the newer one has to be in the cache of odometry poses, and its map is looked up by `to`. So
  the link goes from the query to the keyframe, as RTAB-Map's own: `Link(signature->id(),
  loopClosureId, kGlobalClosure, transform, information)`.
- `transform` is from_T_to in metres: links are joined as transform_1 * transform_2
  (`Link::merge`), and the optimiser adds BetweenFactor(from, to, transform).
- Nodes are poses of the robot's base (`frame_id` of RTAB-Map), not of the camera.
- `information` is the inverse of the covariance, row-major x y z roll pitch yaw
  (`Link.h`; `OptimizerGTSAM` swaps the blocks for GTSAM itself). It is not inverted again.
  GTSAM and g2o measure the error of a factor in the axes of `to`, which is the keyframe here.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.ros.adapters.closure_message import ClosureError, StampedClosure
from ghost_vpr_ros.ros.adapters.rigid_transform import (
    Matrix,
    cross_matrix,
    inverse,
    write_rotation,
    write_translation,
)

GLOBAL_CLOSURE = 1
"""`Link::kGlobalClosure`: a loop closure found by appearance."""

_ROUNDING_NS = 1_000
"""RTAB-Map's stamps are float64 seconds: of today's, the last digits are 240 ns apart."""


@dataclass(frozen=True)
class LinkConfig(Config):
    """How stamps become node ids."""

    max_stamp_difference_s: float = setting(
        0.1,
        'a node of RTAB-Map this near in time to an image stands for it; the way driven between '
        'the two becomes an error of the link',
        unit='s',
        low=0.0,
        high=10.0,
    )
    max_waiting: int = setting(
        100,
        'closures that wait until RTAB-Map has a node for the query; older ones are dropped',
        low=1,
        high=10_000,
    )


@dataclass(frozen=True)
class RtabmapLink:
    """The content of an `AddLink` request.

    Attributes:
        from_id: node of the query.
        to_id: node of the matched keyframe.
        from_T_to: (4, 4) pose of the keyframe's base in the query's base, metres.
        information: (6, 6) x, y, z (1/m^2), roll, pitch, yaw (1/rad^2).
    """

    from_id: int
    to_id: int
    from_T_to: Matrix
    information: Matrix


def link_of_closure(closure: StampedClosure, query_id: int, keyframe_id: int) -> RtabmapLink:
    """The link of a closure between two bases.

    The errors dt, dr of the query's pose are, for the keyframe's pose seen from the query and in
    the keyframe's axes, -(dt + t x dr) and -dr.
    """
    keyframe_T_query = closure.keyframe_T_query
    jacobian = np.eye(6)
    jacobian[:3, 3:] = cross_matrix(keyframe_T_query[:3, 3])
    information = np.linalg.inv(jacobian @ closure.covariance @ jacobian.T)
    # The optimiser reads one triangle only: what rounding left of a difference is averaged.
    information = (information + information.T) / 2.0
    return RtabmapLink(query_id, keyframe_id, inverse(keyframe_T_query), information)


def write_link(link: RtabmapLink, request: Any) -> None:
    """Into an empty request of `rtabmap_msgs/srv/AddLink`."""
    message = request.link
    message.from_id, message.to_id = link.from_id, link.to_id
    message.type = GLOBAL_CLOSURE
    write_translation(link.from_T_to, message.transform.translation)
    write_rotation(link.from_T_to, message.transform.rotation)
    message.information = link.information.reshape(-1)


class NodeStamps:
    """Stamps of RTAB-Map's nodes.

    Source: `nodeInfoToROS` fills id and stamp (float64, seconds) of every node in
    `rtabmap_msgs/msg/MapData`, which RTAB-Map publishes on `mapData`: the newest node after each
    update, all nodes of the database after a call of `publish_map`. `Info` carries the newest id
    only, `MapGraph` no stamps.
    """

    def __init__(self) -> None:
        self._stamps_ns: dict[int, int] = {}
        self._in_order: list[tuple[int, int]] = []

    def add(self, node_id: int, stamp_ns: int) -> None:
        """Take a node; landmarks (negative ids) and nodes without stamp are passed over."""
        known_ns = self._stamps_ns.get(node_id)
        if node_id <= 0 or stamp_ns <= 0 or known_ns == stamp_ns:
            return
        if known_ns is not None:
            self._in_order.remove((known_ns, node_id))
        self._stamps_ns[node_id] = stamp_ns
        insort(self._in_order, (stamp_ns, node_id))

    def add_map_data(self, message: Any) -> None:
        """Take the nodes of a `rtabmap_msgs/msg/MapData`."""
        for node in message.nodes:
            self.add(int(node.id), round(node.stamp * 1e9))

    @property
    def newest_ns(self) -> int:
        """Stamp of the newest node; 0 where there is none."""
        return self._in_order[-1][0] if self._in_order else 0

    def nearest(self, stamp_ns: int, max_difference_s: float) -> int | None:
        """Id of the node nearest in time; None where it is further away than that."""
        place = bisect_left(self._in_order, (stamp_ns, 0))
        near = self._in_order[max(place - 1, 0) : place + 1]
        if not near:
            return None
        found_ns, node_id = min(near, key=lambda each: abs(each[0] - stamp_ns))
        limit_ns = round(max_difference_s * 1e9) + _ROUNDING_NS
        return node_id if abs(found_ns - stamp_ns) <= limit_ns else None


class FoundNodes(NamedTuple):
    """A closure and the nodes of its two images."""

    closure: StampedClosure
    query_id: int
    keyframe_id: int


class WaitingClosures:
    """Closures until RTAB-Map, which is slower than this node, has a node for the query."""

    def __init__(self, config: LinkConfig, nodes: NodeStamps) -> None:
        self._max_difference_s = config.max_stamp_difference_s
        self._nodes = nodes
        self._waiting: deque[StampedClosure] = deque(maxlen=config.max_waiting)

    def add(self, closure: StampedClosure) -> None:
        """Let a closure wait; the oldest goes where too many do."""
        self._waiting.append(closure)

    def ready(self) -> Iterator[FoundNodes | ClosureError]:
        """Take out what need not wait any longer: the nodes, or why there are none.

        Nodes come in the order of their stamps: once one is as new as the query, the nearest to
        the query is known.
        """
        for _ in range(len(self._waiting)):
            closure = self._waiting.popleft()
            if self._nodes.newest_ns + _ROUNDING_NS < closure.query_stamp_ns:
                self._waiting.append(closure)
            else:
                yield self._find(closure)

    def _find(self, closure: StampedClosure) -> FoundNodes | ClosureError:
        query_id = self._nodes.nearest(closure.query_stamp_ns, self._max_difference_s)
        keyframe_id = self._nodes.nearest(closure.keyframe_stamp_ns, self._max_difference_s)
        limit = f'within max_stamp_difference_s {self._max_difference_s:g}'
        if query_id is None:
            return ClosureError(
                f'no node of RTAB-Map lies {limit} of the query at {closure.query_stamp_ns} ns; '
                "give both the same camera, or raise RTAB-Map's Rtabmap/DetectionRate"
            )
        if keyframe_id is None:
            return ClosureError(
                f'no known node of RTAB-Map lies {limit} of the keyframe at '
                f'{closure.keyframe_stamp_ns} ns (session {closure.session!r}); build our map and '
                "its database from the same drive, and call RTAB-Map's publish_map once"
            )
        if query_id == keyframe_id:
            return ClosureError(
                f'query and keyframe are the same node {query_id} of RTAB-Map; nothing to link'
            )
        return FoundNodes(closure, query_id, keyframe_id)
