"""Node `pose_graph_adapter`: loop closures as a pose graph, for Hydra."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from ghost_vpr_ros.ros.adapters.closure_message import StampedClosure
from ghost_vpr_ros.ros.adapters.closure_subscription import subscribe_closures
from ghost_vpr_ros.ros.adapters.message_packages import POSE_GRAPH_TOOLS, load_interfaces
from ghost_vpr_ros.ros.adapters.pose_graph_edge import GraphConfig, write_graph
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
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        graph_type = self._messages.PoseGraph
        self._publisher = self.create_publisher(graph_type, 'external_loop_closures', qos)
        subscribe_closures(self, self._publish)

    def _publish(self, closure: StampedClosure) -> None:
        graph = self._messages.PoseGraph()
        write_graph(closure, self._config, graph, self._messages.PoseGraphEdge())
        self._publisher.publish(graph)
