"""What exists only while the node is active: the network on its device and the worker thread."""

from __future__ import annotations

import threading
import time
import traceback

import numpy as np
from nav_msgs.msg import Odometry
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CompressedImage, Image

from ghost_vpr_ros.core.config import PreprocessingConfig
from ghost_vpr_ros.core.datatypes import Hypothesis
from ghost_vpr_ros.core.engine import Engine, create_engine
from ghost_vpr_ros.core.odometry import OdometryMemory
from ghost_vpr_ros.core.opened_map import OpenedMap
from ghost_vpr_ros.core.recognizer import PlaceRecognizer
from ghost_vpr_ros.core.recognizer_config import RecognizerConfig
from ghost_vpr_ros.ros.answer_publishers import AnswerPublishers
from ghost_vpr_ros.ros.conversions import pose_from_message, stamp_to_ns
from ghost_vpr_ros.ros.frame_processor import FrameProcessor, ReceivedImage
from ghost_vpr_ros.ros.fresh_answers import FreshAnswers
from ghost_vpr_ros.ros.image_conversions import RgbImage
from ghost_vpr_ros.ros.latest_frame_worker import LatestFrameWorker
from ghost_vpr_ros.ros.node_statistics import Statistics
from ghost_vpr_ros.ros.parameters import NodeParameters

_ODOMETRY_KEPT = 500
"""Newest poses of the odometry that are remembered: ten seconds of a fast one."""


class Recognition:
    """Answers the newest image on a thread of its own, from construction to `close`."""

    def __init__(
        self,
        node: LifecycleNode,
        loaded: OpenedMap,
        publishers: AnswerPublishers,
        statistics: Statistics,
        parameters: NodeParameters,
    ) -> None:
        """Put the network on its device and start the thread.

        Raises:
            DeviceError: the device cannot take the network.
        """
        self._statistics = statistics
        self._logger = node.get_logger()
        self._lock = threading.Lock()
        config = parameters.node
        self._engine = create_engine(loaded.model, config.engine, config.device)
        _warm_up(self._engine, loaded.model.preprocessing)
        self._recognizer = PlaceRecognizer(
            loaded.model, self._engine, loaded.place_map, parameters.recognizer
        )
        self._processor = FrameProcessor(
            self, publishers, statistics, node.get_clock(), self._logger, lambda: parameters.node
        )
        self._odometry = OdometryMemory(_ODOMETRY_KEPT)
        self.fresh_answers = FreshAnswers()
        self._worker = LatestFrameWorker(self._process, self._report_defect)

    def offer(self, message: Image | CompressedImage) -> None:
        """Take the newest image and return at once."""
        if self._worker.offer(ReceivedImage(message, time.monotonic_ns())):
            self._statistics.count('overtaken')

    def add_odometry(self, message: Odometry) -> None:
        """Remember where the odometry says that the robot is; one without a pose is counted."""
        pose = pose_from_message(message.pose.pose)
        if pose is None:
            self._statistics.count('bad_odometry')
        else:
            self._statistics.count('odometry')
            self._odometry.add(stamp_to_ns(message.header.stamp), pose)

    def recognize(self, image: RgbImage, stamp_ns: int) -> Hypothesis:
        """The recogniser's answer; one caller at a time."""
        with self._lock:
            max_age_s = self._recognizer.config.max_odometry_age_s
            odometry = self._odometry.at(stamp_ns, max_age_s)
            return self._recognizer.recognize(image, stamp_ns, odometry)

    @property
    def map_revision(self) -> int:
        """Revision of the map that answers."""
        return self._recognizer.place_map.revision

    def reset(self) -> None:
        """Forget the answers before: images from now on are of another time or place."""
        self.fresh_answers.forget()
        with self._lock:
            self._recognizer.reset()

    def configure(self, config: RecognizerConfig) -> None:
        """Thresholds for the frames from now on."""
        with self._lock:
            self._recognizer.config = config

    def close(self) -> None:
        """Finish the frame in progress, then free the network."""
        self.fresh_answers.close()
        self._worker.stop()
        self._engine.close()

    def _process(self, received: ReceivedImage) -> None:
        hypothesis = self._processor.process(received)
        self.fresh_answers.add(hypothesis, received.received_ns)

    def _report_defect(self, error: Exception) -> None:
        """The last resort: the processor answers for defects, so this is one in answering."""
        self._statistics.count('failures')
        trace = ''.join(traceback.format_exception(error))
        self._logger.error(f'a frame could not be answered:\n{trace}', throttle_duration_sec=5.0)


def _warm_up(engine: Engine, preprocessing: PreprocessingConfig) -> None:
    """The first run sets up buffers and kernels, several times as slow as the next."""
    engine.describe(np.zeros((1, 3, preprocessing.height_px, preprocessing.width_px), np.float32))
