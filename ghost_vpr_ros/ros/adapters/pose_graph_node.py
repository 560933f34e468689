"""Node `pose_graph_adapter`: loop closures as `pose_graph_tools_msgs/PoseGraph`, for Hydra.

Source: MIT-SPARK/Hydra (commit 2e58a35b, `external_loop_closure_receiver.cpp`,
`backend_module.cpp`), MIT-SPARK/Hydra-ROS (`external_loop_closure_subscriber.cpp`, commit 5e206f0,
still for ROS 1), messages of MIT-SPARK/pose_graph_tools (branch feature/ros2, commit b878bf5).
- Hydra listens to `external_loop_closures`. `key_from` and `key_to` are stamps in nanoseconds,
  not keys of nodes: the nearest node of `robot_from` or `robot_to` is taken, unless it is
  `external_loop_closures/max_time_difference` (1 s) away or more. It waits where the stamp is
  newer than its newest node.
- `pose` is to_T_from there: the callback is given (to, from, to_T_from) and adds the factor
  between(to, from). Edges of odometry, and all edges in Kimera-PGMO (`deformation_graph.cpp`),
  hold from_T_to instead. Hence the parameter `edge_pose`: our transform keyframe_T_query stays as
  it is, and the ends are named to fit.
- Nodes are poses of the robot's base. `covariance` is row-major 6x6 in the order of
  geometry_msgs; Hydra puts its own variance in its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rclpy.node import Node

from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.ros.adapters.message_packages import POSE_GRAPH_TOOLS, load_interfaces
from ghost_vpr_ros.ros.adapters.rigid_transform import write_rotation, write_translation
from ghost_vpr_ros.ros.adapters.subscriptions import RELIABLE, StampedClosure, subscribe_closures
from ghost_vpr_ros.ros.conversions import header_at
from ghost_vpr_ros.ros.parameters import declare_settings

NODE_NAME = 'pose_graph_adapter'


class PoseGraphAdapter(Node):
    """Publishes each closure as a graph of one edge on `external_loop_closures`."""

    def __init__(self) -> None:
        """Subscribe.

        Raises:
            ConfigError: a parameter is not allowed.
            MessagePackageError: pose_graph_tools_msgs is not installed.
        """
        self._messages = load_interfaces(POSE_GRAPH_TOOLS, 'msg')
        super().__init__(NODE_NAME)
        self._config = GraphConfig.from_dict(declare_settings(self, GraphConfig))
        graph_type = self._messages.PoseGraph
        self._publisher = self.create_publisher(graph_type, 'external_loop_closures', RELIABLE)
        subscribe_closures(self, self._publish)

    def _publish(self, closure: StampedClosure) -> None:
        graph = self._messages.PoseGraph()
        write_graph(closure, self._config, graph, self._messages.PoseGraphEdge())
        self._publisher.publish(graph)


LOOP_CLOSURE = 1
"""`PoseGraphEdge.LOOPCLOSE`."""


@dataclass(frozen=True)
class GraphConfig(Config):
    """Ids of the robots, and the direction of edges."""

    robot_id: int = setting(0, 'id of the robot that sees the query', low=0, high=1000)
    map_robot_id: int = setting(0, 'id of the robot that made our map', low=0, high=1000)
    edge_pose: str = setting(
        'to_T_from',
        'pose of an edge: to_T_from for external loop closures of Hydra, from_T_to '
        'elsewhere (GTSAM, Kimera-PGMO)',
        choices=('to_T_from', 'from_T_to'),
    )


def write_graph(closure: StampedClosure, config: GraphConfig, graph: Any, edge: Any) -> None:
    """Fill an empty `PoseGraph` and its only `PoseGraphEdge`.

    Args:
        closure: between two bases.
        config: robots and direction.
        graph: gets the stamp of the query, and the edge.
        edge: gets keyframe_T_query as its pose, stamps (ns) as its keys.
    """
    query = (closure.query_stamp_ns, config.robot_id)
    keyframe = (closure.keyframe_stamp_ns, config.map_robot_id)
    to_T_from = config.edge_pose == 'to_T_from'
    start, end = (query, keyframe) if to_T_from else (keyframe, query)
    edge.header = header_at(closure.query_stamp_ns, '')
    edge.key_from, edge.robot_from = start
    edge.key_to, edge.robot_to = end
    edge.type = LOOP_CLOSURE
    write_translation(closure.keyframe_T_query, edge.pose.position)
    write_rotation(closure.keyframe_T_query, edge.pose.orientation)
    edge.covariance = closure.covariance.reshape(-1)
    graph.header = header_at(closure.query_stamp_ns, '')
    graph.edges = [edge]
