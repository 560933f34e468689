"""Executable `image_publisher`: publishes the images of a folder, a video or a camera."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.core.image import encode_jpeg
from ghost_vpr_ros.core.image_stream import StreamedImage, is_camera, stream_images
from ghost_vpr_ros.ros.conversions import stamp_to_ns
from ghost_vpr_ros.ros.image_conversions import compressed_message, raw_message
from ghost_vpr_ros.ros.node_runner import (
    StopRequest,
    end_ros,
    made_node,
    spin_until_stopped,
    start_ros,
)
from ghost_vpr_ros.ros.parameters import declare_settings
from ghost_vpr_ros.ros.tools.json_lines import JsonLines

NODE_NAME = 'image_publisher'
_CACHED_MESSAGES = 64


@dataclass(frozen=True)
class PublisherConfig(Config):
    """Source, rate and format of the images."""

    source: str = setting(
        '', 'folder of images (in the order of their names), video file, or camera (/dev/video0)'
    )
    rate_hz: float = setting(10.0, 'images per second', unit='Hz', low=0.01, high=1000.0)
    transport: str = setting(
        'raw',
        'raw: Image (rgb8) on image; compressed: CompressedImage (JPEG) on image/compressed',
        choices=('raw', 'compressed'),
    )
    jpeg_quality: int = setting(90, 'quality of compressed images', low=1, high=100)
    repeat: bool = setting(False, 'start again after the last image')
    count: int = setting(0, 'stop after this many images; 0: no limit', low=0, high=10**9)
    frame_id: str = setting('camera', 'frame of the images')
    wait_for_subscribers: int = setting(
        0, 'begin when this many subscriptions exist', low=0, high=100
    )
    settle_s: float = setting(
        5.0,
        'with wait_for_subscribers: and this long after, since they may not have met us yet',
        unit='s',
        low=0.0,
        high=60.0,
    )
    json_out: str = setting(
        '', 'file that gets one JSON line (image, stamp_ns) for each image; empty: none'
    )


class ImagePublisher(Node):
    """Publishes at a steady rate, stamped with the time of publishing, until the images end."""

    def __init__(self, stop: StopRequest) -> None:
        """Find the images and start the timer.

        Raises:
            ConfigError: a parameter is not allowed, or the JSON file cannot be written.
            SourceError: the source is missing or holds no image.
        """
        super().__init__(NODE_NAME)
        self.config = PublisherConfig.from_dict(declare_settings(self, PublisherConfig))
        self._images = self._stream()
        self._kept: dict[str, Image | CompressedImage] = {}
        self.number_published = 0
        self._json_lines = JsonLines(self.config.json_out)
        self._stop = stop
        self._expected_since = math.inf
        self._publisher = self._advertise()
        self._timer = self.create_timer(1.0 / self.config.rate_hz, self._publish_next)

    def _advertise(self) -> rclpy.publisher.Publisher:
        topic, message_type = self.resolve_topic_name('image'), Image
        if self.config.transport == 'compressed':
            topic, message_type = f'{topic}/compressed', CompressedImage
        # As camera drivers do; qos_overrides.<topic>.publisher.reliability changes it.
        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        return self.create_publisher(
            message_type,
            topic,
            qos,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )

    def _publish_next(self) -> None:
        if not self._is_expected():
            return
        image = self._next_image()
        if image is None:
            self._timer.cancel()
            self._stop.put(0)
            return
        message = self._message(image)
        message.header.stamp = self.get_clock().now().to_msg()
        self._publisher.publish(message)
        self.number_published += 1
        stamp_ns = stamp_to_ns(message.header.stamp)
        self._json_lines.write({'image': image.name, 'stamp_ns': stamp_ns})

    def _is_expected(self) -> bool:
        """Whether the expected subscriptions have existed for long enough to receive from us.

        Discovery has two directions: best-effort images that are sent before the subscriber has
        matched this publisher are lost without a trace, and Fast DDS repeats an announcement that
        was missed only after 3 s.
        """
        wanted = self.config.wait_for_subscribers
        if self._publisher.get_subscription_count() < wanted:
            self._expected_since = math.inf
            return False
        self._expected_since = min(self._expected_since, time.monotonic())
        settle_s = self.config.settle_s if wanted else 0.0
        return time.monotonic() - self._expected_since >= settle_s

    def _stream(self) -> Iterator[StreamedImage]:
        return stream_images(self.config.source, self.config.rate_hz)

    def _next_image(self) -> StreamedImage | None:
        """The next image; None after the last one or the requested number."""
        if 0 < self.config.count <= self.number_published:
            return None
        image = next(self._images, None)
        if image is None and self.config.repeat and not is_camera(self.config.source):
            self._images = self._stream()
            image = next(self._images, None)
        return image

    def _message(self, image: StreamedImage) -> Image | CompressedImage:
        """The message of an image; the first ones are cached for repetition."""
        if image.name in self._kept:
            return self._kept[image.name]
        message = self._encoded(image)
        if self.config.repeat and len(self._kept) < _CACHED_MESSAGES:
            self._kept[image.name] = message
        return message

    def _encoded(self, image: StreamedImage) -> Image | CompressedImage:
        rgb = image.load()
        header = Header(frame_id=self.config.frame_id)
        if self.config.transport == 'raw':
            return raw_message(rgb, header)
        return compressed_message(encode_jpeg(rgb, self.config.jpeg_quality), header)


def main(args: list[str] | None = None) -> int:
    """Publish until the images end, Ctrl-C or SIGTERM; 1 where the source cannot be used."""
    stop = StopRequest()
    start_ros(args, stop)
    node = made_node(NODE_NAME, lambda: ImagePublisher(stop))
    if node is None:
        return 1
    started = time.monotonic()
    exit_status = spin_until_stopped(node, stop)
    seconds = time.monotonic() - started
    node.get_logger().info(f'published {node.number_published} images in {seconds:.1f} s')
    end_ros(node)
    return exit_status


if __name__ == '__main__':
    sys.exit(main())
