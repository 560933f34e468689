"""Loop closures as links of RTAB-Map.

Source: introlab/rtabmap, introlab/rtabmap_ros (branch ros2, commit aec4f91f).
`CoreWrapper::addLinkCallback` passes the request's link unchanged to `Rtabmap::addLink`.
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

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.ros.adapters.rigid_transform import (
    Matrix,
    cross_matrix,
    inverse,
    moved_covariance,
    write_rotation,
    write_translation,
)
from ghost_vpr_ros.ros.adapters.rtabmap_nodes import Bridge, NodeStamps
from ghost_vpr_ros.ros.adapters.subscriptions import ClosureError, StampedClosure

GLOBAL_CLOSURE = 1
"""`Link::kGlobalClosure`: a loop closure found by appearance."""


@dataclass(frozen=True)
class LinkConfig(Config):
    """Conversion of stamps to node ids."""

    max_stamp_difference_s: float = setting(
        0.1,
        'where odometry is not known, a node of RTAB-Map this near in time to an image stands for '
        'it; the way driven between the two becomes an error of the link',
        unit='s',
        low=0.0,
        high=10.0,
    )
    max_bridge_s: float = setting(
        3.0,
        'an image between two nodes of RTAB-Map that are no further apart is carried to the '
        'nearer one by odometry',
        unit='s',
        low=0.0,
        high=60.0,
    )
    bridge_error: float = setting(
        0.1,
        'share of the way and of the turn from an image to its node that odometry may be wrong by',
        low=0.0,
        high=1.0,
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
    # The optimiser reads one triangle only, so rounding differences are averaged.
    information = (information + information.T) / 2.0
    return RtabmapLink(query_id, keyframe_id, inverse(keyframe_T_query), information)


def write_link(link: RtabmapLink, request: Any) -> None:
    """Fill an empty request of `rtabmap_msgs/srv/AddLink`."""
    message = request.link
    message.from_id, message.to_id = link.from_id, link.to_id
    message.type = GLOBAL_CLOSURE
    write_translation(link.from_T_to, message.transform.translation)
    write_rotation(link.from_T_to, message.transform.rotation)
    message.information = link.information.reshape(-1)


def closure_of_nodes(
    closure: StampedClosure, query: Bridge, keyframe: Bridge, error: float
) -> StampedClosure:
    """The closure between two nodes, from the closure between two images near them.

    Args:
        closure: between the bases at the images.
        query: the node of the query.
        keyframe: the node of the keyframe.
        error: share of the ways between that they may be wrong by; it adds to the covariance.
    """
    before, after = keyframe.node_T_image, inverse(query.node_T_image)
    middle = closure.keyframe_T_query
    covariance = moved_covariance(before, middle, after, closure.covariance)
    covariance += moved_covariance(np.eye(4), before, middle @ after, keyframe.covariance(error))
    covariance += moved_covariance(
        before @ middle, after, np.eye(4), _of_inverse(query.node_T_image, query.covariance(error))
    )
    return replace(closure, keyframe_T_query=before @ middle @ after, covariance=covariance)


def _of_inverse(a_T_b: Matrix, covariance: Matrix) -> Matrix:
    """(6, 6) of `b_T_a`: errors dt, dr become -R^T (dt + t x dr) and -R^T dr."""
    turn = a_T_b[:3, :3].T
    jacobian = np.zeros((6, 6))
    jacobian[:3, :3] = jacobian[3:, 3:] = -turn
    jacobian[:3, 3:] = -turn @ cross_matrix(a_T_b[:3, 3])
    return jacobian @ covariance @ jacobian.T


class FoundNodes(NamedTuple):
    """A closure between two nodes."""

    closure: StampedClosure
    query_id: int
    keyframe_id: int


class WaitingClosures:
    """Closures that wait until RTAB-Map has a node for the query."""

    def __init__(self, config: LinkConfig, nodes: NodeStamps) -> None:
        self._config = config
        self._nodes = nodes
        self._waiting: deque[StampedClosure] = deque(maxlen=config.max_waiting)

    def add(self, closure: StampedClosure) -> None:
        """Add a closure; the oldest is dropped if there are too many."""
        self._waiting.append(closure)

    def ready(self) -> Iterator[FoundNodes | ClosureError]:
        """Remove closures whose nodes are known, or known to be missing; their nodes or the error.

        Nodes come in the order of their stamps: once one is as new as the query, the nearest to
        the query is known.
        """
        for _ in range(len(self._waiting)):
            closure = self._waiting.popleft()
            if self._nodes.reaches(closure.query_stamp_ns):
                yield self._find(closure)
            else:
                self._waiting.append(closure)

    def _find(self, closure: StampedClosure) -> FoundNodes | ClosureError:
        config = self._config
        limits = config.max_stamp_difference_s, config.max_bridge_s
        query = self._nodes.bridge(closure.query_stamp_ns, *limits)
        keyframe = self._nodes.bridge(closure.keyframe_stamp_ns, *limits)
        near = f'within max_stamp_difference_s {limits[0]:g}'
        around = f'and no two around it lie within max_bridge_s {limits[1]:g} of each other'
        if query is None:
            return ClosureError(
                f'no node of RTAB-Map lies {near} of the query at {closure.query_stamp_ns} ns, '
                f"{around}; give both the same camera, or raise RTAB-Map's Rtabmap/DetectionRate"
            )
        if keyframe is None:
            return ClosureError(
                f'no known node of RTAB-Map lies {near} of the keyframe at '
                f'{closure.keyframe_stamp_ns} ns (session {closure.session!r}), {around}; build '
                "our map and its database from the same drive, and call RTAB-Map's publish_map "
                'once'
            )
        if query.node_id == keyframe.node_id:
            return ClosureError(
                f'query and keyframe are the same node {query.node_id} of RTAB-Map; nothing to '
                'link'
            )
        found = closure_of_nodes(closure, query, keyframe, config.bridge_error)
        return FoundNodes(found, query.node_id, keyframe.node_id)
