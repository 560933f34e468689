"""Node `rtabmap_adapter`: loop closures to RTAB-Map's service `add_link`."""

from __future__ import annotations

from typing import Any

from nav_msgs.msg import Odometry
from rclpy.node import Node

from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.ros.adapters.message_packages import RTABMAP, load_interfaces
from ghost_vpr_ros.ros.adapters.rtabmap_link import (
    FoundNodes,
    LinkConfig,
    WaitingClosures,
    link_of_closure,
    write_link,
)
from ghost_vpr_ros.ros.adapters.rtabmap_nodes import NodeStamps
from ghost_vpr_ros.ros.adapters.subscriptions import (
    COMPLAINT_PERIOD_S,
    RELIABLE,
    ClosureError,
    StampedClosure,
    subscribe_closures,
    subscribe_odometry,
)
from ghost_vpr_ros.ros.conversions import stamp_to_ns
from ghost_vpr_ros.ros.parameters import declare_settings

NODE_NAME = 'rtabmap_adapter'
SERVICE = 'rtabmap/rtabmap/add_link'


class RtabmapAdapter(Node):
    """Learns nodes from `rtabmap/mapData`, and requests a link from RTAB-Map for each closure."""

    def __init__(self) -> None:
        """Subscribe.

        Raises:
            ConfigError: a parameter is not allowed.
            MessagePackageError: rtabmap_msgs is not installed.
        """
        messages, services = load_interfaces(RTABMAP, 'msg'), load_interfaces(RTABMAP, 'srv')
        super().__init__(NODE_NAME)
        config = LinkConfig.from_dict(declare_settings(self, LinkConfig))
        self._nodes = NodeStamps()
        self._closures = WaitingClosures(config, self._nodes)
        self._request_type = services.AddLink.Request
        self._client = self.create_client(services.AddLink, SERVICE)
        self.create_subscription(messages.MapData, 'rtabmap/mapData', self._take_nodes, RELIABLE)
        subscribe_odometry(self, self._take_odometry)
        subscribe_closures(self, self._take_closure)

    def _take_nodes(self, message: Any) -> None:
        self._nodes.add_map_data(message)
        self._send_ready()

    def _take_odometry(self, message: Odometry, pose: Pose) -> None:
        self._nodes.odometry.add(stamp_to_ns(message.header.stamp), pose)

    def _take_closure(self, closure: StampedClosure) -> None:
        self._closures.add(closure)
        self._send_ready()

    def _send_ready(self) -> None:
        for found in self._closures.ready():
            if isinstance(found, ClosureError):
                self.get_logger().warning(str(found), throttle_duration_sec=COMPLAINT_PERIOD_S)
            else:
                self._send(found)

    def _send(self, found: FoundNodes) -> None:
        if not self._client.service_is_ready():
            self.get_logger().warning(
                f'service {self.resolve_service_name(SERVICE)} is not there, a closure is '
                f"dropped; remap {SERVICE} to RTAB-Map's",
                throttle_duration_sec=COMPLAINT_PERIOD_S,
            )
            return
        request = self._request_type()
        write_link(link_of_closure(*found), request)
        # The response is empty: only RTAB-Map's log shows whether it accepts the link.
        self._client.call_async(request)
        self.get_logger().info(f'link from node {found.query_id} to node {found.keyframe_id}')
