"""Node `rtabmap_descriptor_adapter`: adds descriptors to RTAB-Map's RGB-D images."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from ghost_vpr_ros.core.errors import ImageError
from ghost_vpr_ros.ros.adapters.closure_subscription import COMPLAINT_PERIOD_S
from ghost_vpr_ros.ros.adapters.message_packages import RTABMAP, load_interfaces
from ghost_vpr_ros.ros.adapters.rtabmap_descriptor import write_descriptor
from ghost_vpr_ros.ros.image_conversions import image_from_message
from ghost_vpr_ros.ros.parameters import declare_settings

NODE_NAME = 'rtabmap_descriptor_adapter'


class RtabmapDescriptorAdapter(Node):
    """From `rgbd_image` to `rgbd_image_described`: the same message with a global descriptor."""

    def __init__(self) -> None:
        """Load the network and subscribe.

        Raises:
            ConfigError: a parameter is not allowed.
            DeviceError: the machine lacks the device.
            MessagePackageError: rtabmap_msgs is not installed.
            WeightsError: the weights are missing or unreadable.
        """
        rgbd_type = load_interfaces(RTABMAP, 'msg').RGBDImage
        # Imported late: torch takes seconds, in which a missing package would not be told.
        from ghost_vpr_ros.core.config.engine import EngineConfig
        from ghost_vpr_ros.ros.adapters.image_describer import DescriberConfig, ImageDescriber

        super().__init__(NODE_NAME)
        config = DescriberConfig.from_dict(declare_settings(self, DescriberConfig))
        engine = EngineConfig.from_dict(declare_settings(self, EngineConfig))
        self._describer = ImageDescriber(config, engine)
        newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        reliable = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
        self._publisher = self.create_publisher(rgbd_type, 'rgbd_image_described', reliable)
        self.create_subscription(rgbd_type, 'rgbd_image', self._describe, newest)

    def _describe(self, message: Any) -> None:
        image = message.rgb if message.rgb.data else message.rgb_compressed
        try:
            descriptor = self._describer.describe(image_from_message(image))
        except ImageError as error:
            # Not handed on: RTAB-Map ends with an assertion where only some nodes have one.
            self.get_logger().error(str(error), throttle_duration_sec=COMPLAINT_PERIOD_S)
            return
        write_descriptor(descriptor, message.header, message.global_descriptor)
        self._publisher.publish(message)
