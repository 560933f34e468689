"""What exists only while the node is active: the network on its device and the worker thread."""

from __future__ import annotations

import threading
import time
import traceback
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from nav_msgs.msg import Odometry
from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, NavSatFix

from ghost_vpr_ros.core.camera import CameraIntrinsics
from ghost_vpr_ros.core.closure_export import FILE_NAMES, DriveRecord, export_texts
from ghost_vpr_ros.core.datatypes import GeoPoint, Hypothesis, Pose
from ghost_vpr_ros.core.engine import prepare_engine
from ghost_vpr_ros.core.errors import ConfigError, GhostVprError, MapError, OutputError
from ghost_vpr_ros.core.mapping.mapper import PlaceMapper
from ghost_vpr_ros.core.opened_map import OpenedMap, open_map
from ghost_vpr_ros.core.recognition.odometry import StampedMemory, prior_of_fix
from ghost_vpr_ros.core.recognizer import PlaceRecognizer
from ghost_vpr_ros.core.whole_file import write_whole
from ghost_vpr_ros.ros.answer_publishers import AnswerPublishers
from ghost_vpr_ros.ros.conversions import (
    camera_from_message,
    geo_from_fix,
    pose_from_message,
    stamp_to_ns,
)
from ghost_vpr_ros.ros.frame_processor import FrameProcessor, ReceivedImage
from ghost_vpr_ros.ros.fresh_answers import FreshAnswers
from ghost_vpr_ros.ros.health import LOG_PERIOD_S, Newest, Stamp
from ghost_vpr_ros.ros.image_conversions import RgbImage
from ghost_vpr_ros.ros.latest_frame_worker import LatestFrameWorker
from ghost_vpr_ros.ros.node_statistics import Statistics
from ghost_vpr_ros.ros.parameters import NodeParameters

_KEPT = 500
"""Number of poses and fixes kept: ten seconds of fast odometry."""

_KEYFRAMES_PER_S = 1000
"""Keyframes published per second on `~/keyframes` while the robot maps."""


class NodeRecognizer:
    """The recogniser or mapper of the node, joined with odometry and GPS; thread-safe.

    It owns the network and the verifier's thread; the map belongs to its opener.

    Attributes:
        newest: stamps of the newest odometry and fix.
    """

    def __init__(
        self,
        loaded: OpenedMap,
        parameters: NodeParameters,
        statistics: Statistics,
        logger: RcutilsLogger,
    ) -> None:
        """Put the network on its device.

        Raises:
            DeviceError: the device cannot take the network.
        """
        self._statistics = statistics
        self._logger = logger
        self.newest = Newest()
        self._lock = threading.Lock()
        self._odometry: StampedMemory[Pose] = StampedMemory(_KEPT)
        self._odometry_frame: str | None = None
        self._fixes: StampedMemory[GeoPoint] = StampedMemory(_KEPT)
        self._max_fix_age_s = parameters.mapping.max_fix_age_s
        self._camera: CameraIntrinsics | None = None
        self._place_map = loaded.place_map
        self._exports = parameters.export.formats
        self._record = DriveRecord(parameters.recognizer.max_speed_m_s)
        with ExitStack() as opened:
            self._recognizer = PlaceRecognizer.of(
                loaded, parameters.engine, parameters.recognizer, self._report_progress
            )
            opened.callback(self._recognizer.release)
            self._recognizer.warm_up()
            self._mapper: PlaceMapper | None = None
            if parameters.node.mode != 'localize':
                self._mapper = PlaceMapper(
                    self._recognizer, parameters.mapping, parameters.storage
                )
            self._opened = opened.pop_all()

    def recognize(self, image: RgbImage, stamp_ns: int) -> Hypothesis:
        """The answer to one image, given odometry and GPS at its time."""
        with self._lock:
            odometry = self._odometry.at(stamp_ns, self._recognizer.max_odometry_age_s)
            geo = self._fixes.at(stamp_ns, self._max_fix_age_s)
            answer = self._answer(image, stamp_ns, odometry, geo)
            if self._exports:
                self._record.add(answer, odometry)
            return answer

    def _answer(
        self, image: RgbImage, stamp_ns: int, odometry: Pose | None, geo: GeoPoint | None
    ) -> Hypothesis:
        """The answer of the mapper; without one, a fix only restricts the search."""
        if self._mapper is not None:
            return self._mapper.recognize(image, stamp_ns, odometry, geo)
        radius_m = self._recognizer.config.prior_radius_m
        prior = prior_of_fix(geo, self._place_map.local_frame, radius_m)
        return self._recognizer.recognize(image, stamp_ns, odometry, prior=prior)

    def add_odometry(self, message: Odometry) -> None:
        """Store a pose of odometry; a message without a valid pose is counted."""
        pose = pose_from_message(message.pose.pose)
        if pose is None:
            self._statistics.count('bad_odometry')
        else:
            self._statistics.count('odometry')
            self._tell_frame(message.header.frame_id)
            stamp_ns = stamp_to_ns(message.header.stamp)
            self.newest = replace(self.newest, odometry=Stamp(stamp_ns, time.monotonic_ns()))
            self._odometry.add(stamp_ns, pose)

    def _tell_frame(self, frame_id: str) -> None:
        """Complain where a pose is in another frame than the one before."""
        before, self._odometry_frame = self._odometry_frame, frame_id
        if before is None or before == frame_id:
            return
        sentence = (
            f'odometry changes from frame {before!r} to {frame_id!r}; two programs that publish '
            'it need a topic each'
        )
        self._statistics.complain('odometry_frames', sentence)
        self._logger.warning(sentence, throttle_duration_sec=LOG_PERIOD_S)

    def add_fix(self, message: NavSatFix) -> None:
        """Store a GPS position, for new keyframes or to restrict the search."""
        geo = geo_from_fix(message)
        self._statistics.count('bad_fixes' if geo is None else 'fixes')
        if geo is not None:
            stamp_ns = stamp_to_ns(message.header.stamp)
            self.newest = replace(self.newest, fix=Stamp(stamp_ns, time.monotonic_ns()))
            self._fixes.add(stamp_ns, geo)

    def use_camera(self, message: CameraInfo) -> None:
        """Verify with the intrinsics of the camera, once its driver publishes them."""
        try:
            camera = camera_from_message(message)
        except ConfigError as error:
            self._logger.warning(str(error), throttle_duration_sec=60.0)
            return
        if camera != self._camera:
            with self._lock:
                self._recognizer.use_camera(camera)
            self._camera = camera

    @property
    def engine_name(self) -> str:
        """What runs the network, on which device."""
        return self._recognizer.engine_name

    @property
    def least_side_px(self) -> int:
        """Least length of the shorter side of an image; 0: all its pixels are needed."""
        return (self._mapper or self._recognizer).least_side_px

    @property
    def map_revision(self) -> int:
        """Revision of the map that answers."""
        return self._place_map.revision

    def reset(self) -> None:
        """Forget the frames before: images from now on are of another time or place."""
        # After a jump, the other streams still have stamps from before it.
        self.newest = Newest()
        with self._lock:
            self._recognizer.reset()

    def configure(self, parameters: NodeParameters) -> None:
        """Apply new settings from the next frame on."""
        with self._lock:
            self._recognizer.config = parameters.recognizer
            self._max_fix_age_s = parameters.mapping.max_fix_age_s
            if self._mapper is not None:
                self._mapper.config = parameters.mapping

    def save(self) -> tuple[bool, str]:
        """Write the map and the closures to disk; returns success and a sentence.

        Raises:
            OutputError: the disk is full or read-only, or g2o is requested for a drive without
                odometry.
        """
        if self._mapper is None and not self._exports:
            return False, 'mode localize does not change the map; there is nothing to save'
        saved = []
        with self._lock:
            if self._mapper is not None:
                self._place_map.commit()
                count, path = len(self._place_map), self._place_map.path
                saved.append(f'{count} keyframes are on the disk in {path}')
            if self._exports:
                saved.append(self._export(Path(self._place_map.path)))
        return True, '; '.join(saved)

    def _export(self, map_path: Path) -> str:
        """Write the closures next to the map; returns which files, in words."""
        if not map_path.is_file():
            raise OutputError(
                f'export: expected a map file to write the closures beside, found the shared map '
                f'{map_path}; answer from a file to have them written'
            )
        own_session = '' if self._mapper is None else self._mapper.session
        texts = export_texts(self._record, self._exports, own_session)
        files = {map_path.with_name(f'{map_path.name}.{FILE_NAMES[kind]}'): kind for kind in texts}
        for file, kind in files.items():
            try:
                write_whole(file, texts[kind].encode(), durable=True)
            except OSError as error:
                raise OutputError(f'{file}: cannot be written ({error.strerror})') from error
        names = ', '.join(map(str, files))
        return f'{len(self._record.edges)} closures are on the disk in {names}'

    def close(self) -> None:
        """Write the map to disk, end the thread of the verifier and free the network."""
        try:
            self._place_map.commit()
        except GhostVprError as error:
            # The node still changes its state: nothing more can be done.
            self._logger.error(str(error))
        self._opened.close()

    def _report_progress(self, what: str, done: int, of: int) -> None:
        """Log the progress of opening a large map, which takes minutes the first time."""
        self._logger.info(
            f'search index of a large map, {what}: {done} of {of}',
            throttle_duration_sec=LOG_PERIOD_S,
        )


class Recognition:
    """What exists while the node is active: a thread answers the newest image.

    The path of an image: `offer`, then on the thread `FrameProcessor.process`, which converts it,
    calls `NodeRecognizer.recognize` and publishes the answer.

    Attributes:
        recognizer: answers; also receives odometry, fixes and the camera.
        fresh_answers: passes answers to requests that wait for them.
    """

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
        self._publishers = publishers
        self._place_map = loaded.place_map
        self._published = (len(loaded.place_map), time.monotonic())
        self.recognizer = NodeRecognizer(loaded, parameters, statistics, self._logger)
        self.fresh_answers = FreshAnswers()
        self._newest_image = Stamp()
        self._processor = FrameProcessor(
            self.recognizer,
            publishers,
            statistics,
            node.get_clock(),
            self._logger,
            lambda: parameters.node,
            self.fresh_answers,
        )
        self._worker = LatestFrameWorker(self._processor.process, self._report_defect)

    def offer(self, message: Image | CompressedImage) -> None:
        """Pass the newest image to the thread and return at once."""
        received_ns = time.monotonic_ns()
        self._newest_image = Stamp(stamp_to_ns(message.header.stamp), received_ns)
        if self._worker.offer(ReceivedImage(message, received_ns)):
            self._statistics.count('overtaken')

    @property
    def newest(self) -> Newest:
        """Stamps of the newest messages."""
        return replace(self.recognizer.newest, image=self._newest_image)

    def reset(self) -> None:
        """Forget previous answers: the next images belong to another time or place."""
        self.fresh_answers.forget()
        self.recognizer.reset()

    def publish_growth(self) -> None:
        """Publish the keyframes again if there are more; the less often, the more there are."""
        count, at_s = self._published
        now_s, found = time.monotonic(), len(self._place_map)
        if found != count and now_s - at_s >= found / _KEYFRAMES_PER_S:
            self._published = (found, now_s)
            self._publish_keyframes()

    def _publish_keyframes(self) -> None:
        """Publish the keyframes; a map damaged while open must not end the timer."""
        try:
            self._publishers.publish_keyframes()
        except GhostVprError as error:
            self._logger.error(str(error), throttle_duration_sec=60.0)

    def close(self) -> None:
        """Finish the frame in progress, then free the network."""
        self.fresh_answers.close()
        self._worker.stop()
        self.recognizer.close()

    def _report_defect(self, error: Exception) -> None:
        """Log a defect that the processor itself could not answer."""
        self._statistics.count('failures')
        trace = ''.join(traceback.format_exception(error))
        self._logger.error(
            f'a frame could not be answered:\n{trace}', throttle_duration_sec=LOG_PERIOD_S
        )


def open_map_and_model(parameters: NodeParameters) -> OpenedMap:
    """Open the map for the mode and its network, and check that the network can run.

    Raises:
        MapError: no map is named, it is missing or damaged, or it belongs to another model.
        WeightsError: the weights file is missing or unreadable.
        DeviceError: the machine lacks the device.
        OutputError: the map cannot be written.
    """
    config = parameters.node
    if not config.map:
        raise MapError('parameter map: expected a map file, found none; set map:=FILE')
    with ExitStack() as stack:
        loaded = open_map(config.map, config.model or None, config.mode, parameters.storage)
        stack.callback(loaded.place_map.close)
        # This checks the device; its memory stays free until activation.
        prepare_engine(loaded.model, parameters.engine)
        stack.pop_all()
    return loaded
