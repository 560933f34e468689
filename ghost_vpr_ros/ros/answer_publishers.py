"""The topics on which the node answers, one message of each kind for a hypothesis."""

from __future__ import annotations

from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseWithCovarianceStamped
from nav_msgs.msg import Path
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, NavSatFix, PointCloud2
from visualization_msgs.msg import MarkerArray

from ghost_vpr_ros.core.datatypes import Hypothesis, State
from ghost_vpr_ros.core.image import decode_compressed, encode_jpeg
from ghost_vpr_ros.core.map.reader import MapReader
from ghost_vpr_ros.core.sampling import evenly_spaced
from ghost_vpr_ros.ros import conversions, pictures
from ghost_vpr_ros.ros.image_conversions import RgbImage, compressed_message

_RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
_LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)

_PICTURE_QUALITY = 80
"""JPEG quality of the match picture."""

_MOST_PUBLISHED = 20_000
"""Keyframes of one message, spread evenly over a map that has more."""


class AnswerPublishers:
    """Publishes hypotheses of one map; silent unless the node is active."""

    def __init__(self, node: LifecycleNode, place_map: MapReader, map_frame: str) -> None:
        self._node = node
        self._place_map = place_map
        self._map_frame = map_frame
        self._all: list[Any] = []
        self._candidates = self._create(PointCloud2, 'candidates', _RELIABLE)
        self._status = self._create(DiagnosticStatus, 'status', _RELIABLE)
        self._pose = self._create(PoseWithCovarianceStamped, 'pose', _RELIABLE)
        self._fix = self._create(NavSatFix, 'fix', _RELIABLE)
        self._closure = self._create(PoseWithCovarianceStamped, 'loop_closure', _RELIABLE)
        self._keyframes = self._create(Path, 'keyframes', _LATCHED)
        self._markers = self._create(MarkerArray, 'markers', _RELIABLE)
        self._picture = self._create(CompressedImage, 'match_image/compressed', _RELIABLE)

    def publish_keyframes(self) -> None:
        """Publish the keyframes, latched for late subscribers; of a large map, some of them."""
        rows = evenly_spaced(len(self._place_map), _MOST_PUBLISHED)
        keyframes = self._place_map.keyframes_at(np.array(rows, np.int64))
        self._keyframes.publish(conversions.keyframes_message(keyframes, self._map_frame))

    def publish_answer(
        self, hypothesis: Hypothesis, frame_id: str, latency_ms: float, detail: str
    ) -> None:
        """Publish candidates and status of every frame; pose, fix and closure of accepted ones.

        Args:
            hypothesis: the answer to one image.
            frame_id: the camera's frame.
            latency_ms: from the image's stamp to this answer.
            detail: one sentence on an image that could not be used, else empty.
        """
        sessions = {name: number for number, name in enumerate(self._place_map.session_names)}
        self._candidates.publish(
            conversions.candidates_message(hypothesis, sessions, self._map_frame)
        )
        if hypothesis.state is State.ACCEPTED:
            self._publish_position(hypothesis, frame_id)
        if hypothesis.closure is not None:
            self._closure.publish(conversions.closure_message(hypothesis.closure))
        # Last, so that a client that waits for the status finds the rest already sent.
        self._status.publish(conversions.status_message(hypothesis, frame_id, latency_ms, detail))

    def publish_pictures(
        self, hypothesis: Hypothesis, image: RgbImage | None, frame_id: str
    ) -> None:
        """Publish markers and the match picture, made only for subscribers."""
        if self._markers.get_subscription_count():
            self._markers.publish(pictures.markers_message(hypothesis, self._map_frame))
        if image is not None and self._picture.get_subscription_count():
            picture = pictures.match_picture(image, self._best_view(hypothesis), hypothesis)
            header = conversions.header_at(hypothesis.stamp_ns, frame_id)
            jpeg = encode_jpeg(picture, _PICTURE_QUALITY)
            self._picture.publish(compressed_message(jpeg, header))

    def destroy(self) -> None:
        """Remove the topics."""
        for publisher in self._all:
            self._node.destroy_lifecycle_publisher(publisher)
        self._all.clear()

    def _create(self, message_type: type, name: str, qos: QoSProfile) -> Any:
        publisher = self._node.create_lifecycle_publisher(message_type, f'~/{name}', qos)
        self._all.append(publisher)
        return publisher

    def _publish_position(self, hypothesis: Hypothesis, frame_id: str) -> None:
        if hypothesis.pose is None:
            return
        self._pose.publish(
            conversions.pose_message(hypothesis.pose, hypothesis.stamp_ns, self._map_frame)
        )
        if hypothesis.geo is not None:
            self._fix.publish(conversions.fix_message(hypothesis, frame_id))

    def _best_view(self, hypothesis: Hypothesis) -> RgbImage | None:
        if not hypothesis.candidates:
            return None
        best = hypothesis.candidates[0].keyframe
        jpeg = self._place_map.view(best.keyframe_id)
        return None if jpeg is None else decode_compressed(jpeg, f'view of {best.name}')
