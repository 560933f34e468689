"""Executable `image_publisher`: the images of a folder as a camera would publish them."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.image import IMAGE_SUFFIXES, encode_jpeg, read_image
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
    """Which images, how often, in which form."""

    folder: str = setting('', 'folder of images, published in the order of their names')
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
            SourceError: the folder is missing or holds no image.
        """
        super().__init__(NODE_NAME)
        self.config = PublisherConfig.from_dict(declare_settings(self, PublisherConfig))
        self.images = list_images(self.config.folder)
        self.number_published = 0
        self._json_lines = JsonLines(self.config.json_out)
        self._stop = stop
        self._expected_since = math.inf
        self._message = lru_cache(_CACHED_MESSAGES)(self._read)
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
        if self._is_finished():
            self._timer.cancel()
            self._stop.put(0)
            return
        index = self.number_published % len(self.images)
        message = self._message(index)
        message.header.stamp = self.get_clock().now().to_msg()
        self._publisher.publish(message)
        self.number_published += 1
        stamp_ns = stamp_to_ns(message.header.stamp)
        self._json_lines.write({'image': self.images[index].name, 'stamp_ns': stamp_ns})

    def _is_expected(self) -> bool:
        """Whether the wanted subscriptions have existed for long enough to receive from us.

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

    def _is_finished(self) -> bool:
        reached = 0 < self.config.count <= self.number_published
        return reached or (not self.config.repeat and self.number_published >= len(self.images))

    def _read(self, index: int) -> Image | CompressedImage:
        rgb = read_image(self.images[index])
        header = Header(frame_id=self.config.frame_id)
        if self.config.transport == 'raw':
            return raw_message(rgb, header)
        return compressed_message(encode_jpeg(rgb, self.config.jpeg_quality), 'jpeg', header)


def list_images(folder: str) -> list[Path]:
    """The image files directly inside a folder, sorted by name.

    Raises:
        SourceError: no folder is named, it is missing, or it holds no image.
    """
    if not folder or not Path(folder).is_dir():
        raise SourceError(
            f'parameter folder: expected a folder of images, found {folder!r}; set -p folder:=PATH'
        )
    images = sorted(p for p in Path(folder).iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    if not images:
        raise SourceError(
            f'{folder}: expected images ({", ".join(IMAGE_SUFFIXES)}), found none; '
            'name the folder that holds them'
        )
    return images


def main(args: list[str] | None = None) -> int:
    """Publish until the images end, Ctrl-C or SIGTERM; 1 where the folder cannot be used."""
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
