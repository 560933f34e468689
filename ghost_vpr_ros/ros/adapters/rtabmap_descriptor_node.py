"""Node `rtabmap_descriptor_adapter`: adds descriptors to RTAB-Map's RGB-D images.

Source: introlab/rtabmap `Compression.cpp`, `Signature.cpp`; introlab/rtabmap_ros
`MsgConversion.cpp`. `data` of `rtabmap_msgs/msg/GlobalDescriptor` is a cv::Mat: its bytes deflated
by zlib, then rows, columns and type as three int32 in the machine's byte order.
`Signature::compareTo` takes descriptors of type 1 as unit vectors and compares them by their dot
product; it does so where `Kp/TfIdfLikelihoodUsed` is false, and only between nodes that all have
one. The message reaches RTAB-Map inside an `RGBDImage` (or a `ScanDescriptor`) only.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import Header

from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.engine.networks_of_others import stored_model
from ghost_vpr_ros.core.errors import ImageError
from ghost_vpr_ros.core.model.default_weights import default_weights
from ghost_vpr_ros.core.preprocessing import least_side_px, pixel_batch
from ghost_vpr_ros.ros.adapters.message_packages import RTABMAP, load_interfaces
from ghost_vpr_ros.ros.adapters.subscriptions import COMPLAINT_PERIOD_S
from ghost_vpr_ros.ros.image_conversions import byte_array, image_from_message
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
            side_px = self._describer.least_side_px
            rgb = image_from_message(image, least_side_px=side_px)
            descriptor = self._describer.describe(rgb)
        except ImageError as error:
            # Not forwarded: RTAB-Map fails an assertion if only some nodes have a descriptor.
            self.get_logger().error(str(error), throttle_duration_sec=COMPLAINT_PERIOD_S)
            return
        write_descriptor(descriptor, message.header, message.global_descriptor)
        self._publisher.publish(message)


NORMALISED = 1
"""Descriptors of this type are compared by their dot product."""

_CV_32FC1 = 5


def compressed_row(descriptor: NDArray[np.float32]) -> bytes:
    """A descriptor (D,) float32 as RTAB-Map's `compressData` of a matrix 1 x D."""
    size = np.array([1, len(descriptor), _CV_32FC1], np.int32)
    return zlib.compress(np.asarray(descriptor, np.float32).tobytes()) + size.tobytes()


def write_descriptor(descriptor: NDArray[np.float32], header: Header, message: Any) -> None:
    """Fill an empty `GlobalDescriptor`: a unit vector (D,) float32 of the image in `header`."""
    message.header = header
    message.type = NORMALISED
    message.data = byte_array(compressed_row(descriptor))


@dataclass(frozen=True)
class DescriberConfig(Config):
    """Which network."""

    model: str = setting('', 'weights file; empty: the weights that come with the package')


class ImageDescriber:
    """Turns an image into its descriptor.

    Attributes:
        least_side_px: the shorter side that an image needs at least; 0: all its pixels.
    """

    def __init__(self, config: DescriberConfig, engine: EngineConfig) -> None:
        """Load the network onto its device.

        Raises:
            WeightsError: the weights are missing or unreadable.
            DeviceError: the machine lacks the device.
        """
        model = stored_model(config.model) if config.model else default_weights()
        self._preprocessing = model.preprocessing
        self.least_side_px = least_side_px(model.preprocessing)
        self._engine = create_engine(model, engine)

    def describe(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Descriptor (D,) float32, unit norm, of an RGB uint8 (H, W, 3) image.

        Raises:
            ImageError: the image is empty or not of this form.
        """
        return self._engine.describe(pixel_batch(image, self._preprocessing))[0]
