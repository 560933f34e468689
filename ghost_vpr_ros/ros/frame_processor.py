"""From one image message to one published answer: the work of the node's worker thread."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, Protocol

from rclpy.clock import Clock
from rclpy.impl.rcutils_logger import RcutilsLogger
from sensor_msgs.msg import CompressedImage, Image

from ghost_vpr_ros.core.datatypes import Hypothesis, Reason, State
from ghost_vpr_ros.core.errors import GhostVprError, ImageError
from ghost_vpr_ros.core.raw_image import AMBIGUOUS
from ghost_vpr_ros.core.recognition.decision import missing_text
from ghost_vpr_ros.core.stamps import Order, StampOrder
from ghost_vpr_ros.ros.answer_publishers import AnswerPublishers
from ghost_vpr_ros.ros.conversions import stamp_to_ns
from ghost_vpr_ros.ros.fresh_answers import FreshAnswers
from ghost_vpr_ros.ros.health import AHEAD_S, LOG_PERIOD_S, OTHER_CLOCK_S
from ghost_vpr_ros.ros.image_conversions import RgbImage, image_from_message
from ghost_vpr_ros.ros.node_statistics import Statistics
from ghost_vpr_ros.ros.parameters import NodeConfig


class ReceivedImage(NamedTuple):
    """An image message and when it arrived on the monotonic clock."""

    message: Image | CompressedImage
    received_ns: int


class Recognizer(Protocol):
    """The part of `PlaceRecognizer` that answers."""

    def recognize(self, image: RgbImage, stamp_ns: int) -> Hypothesis:
        """The hypothesis for one image."""
        ...

    def reset(self) -> None:
        """Forget previous frames."""
        ...

    @property
    def map_revision(self) -> int:
        """Revision of the map that answers."""
        ...

    @property
    def least_side_px(self) -> int:
        """Least length of the shorter side of an image; 0: all its pixels are needed."""
        ...


class Answer(NamedTuple):
    """A hypothesis, its image, and a sentence if the image could not be used."""

    hypothesis: Hypothesis
    image: RgbImage | None = None
    detail: str = ''


class FrameProcessor:
    """Decodes and recognises one image after the other, and publishes the answers."""

    def __init__(
        self,
        recognizer: Recognizer,
        publishers: AnswerPublishers,
        statistics: Statistics,
        clock: Clock,
        logger: RcutilsLogger,
        config: Callable[[], NodeConfig],
        fresh_answers: FreshAnswers,
    ) -> None:
        """Keep the parts.

        Args:
            recognizer: answers for images.
            publishers: send the answers.
            statistics: counts them.
            clock: the node's clock, simulated or not, for the age of images.
            logger: logs problems with images.
            config: returns the current settings of the node.
            fresh_answers: receives the answers, for clients that wait for them.
        """
        self._recognizer = recognizer
        self._publishers = publishers
        self._statistics = statistics
        self._clock = clock
        self._logger = logger
        self._config = config
        self._fresh_answers = fresh_answers
        self._order = StampOrder()
        self._guessed: set[str] = set()
        self._state: State | None = None
        self._frame_id = ''

    def process(self, received: ReceivedImage) -> Hypothesis:
        """Publish and return the answer to one image, even an unusable one."""
        header = received.message.header
        stamp_ns = stamp_to_ns(header.stamp)
        frame_id = header.frame_id or self._config().camera_frame
        try:
            self._notice_order(stamp_ns)
            self._notice_frame(header.frame_id)
            answer = self._answer(received.message, stamp_ns)
            self._publish(answer, frame_id)
        except GhostVprError as error:
            # The disk is full, or the map was damaged while it was open.
            answer = self._impossible(stamp_ns, str(error))
            self._publish(answer, frame_id)
        except Exception:
            # A defect: a client waiting for the answer to this image must not wait forever.
            answer = self._failed(stamp_ns)
            self._publish(answer, frame_id)
        self._publish_pictures(answer, frame_id)
        self._fresh_answers.add(answer.hypothesis, received.received_ns)
        return answer.hypothesis

    def _publish(self, answer: Answer, frame_id: str) -> None:
        age_s = self._age_s(answer.hypothesis.stamp_ns)
        age_ms = math.nan if age_s > OTHER_CLOCK_S else age_s * 1000.0
        self._publishers.publish_answer(answer.hypothesis, frame_id, age_ms, answer.detail)
        self._statistics.add_answer(answer.hypothesis, age_ms)
        self._tell_change(answer.hypothesis)

    def _tell_change(self, hypothesis: Hypothesis) -> None:
        """Log an answer if its state differs from that of the previous one."""
        if hypothesis.state is self._state:
            return
        self._state = hypothesis.state
        place = ''
        if hypothesis.candidates:
            keyframe = hypothesis.candidates[0].keyframe
            place = f', best {keyframe.session}/{keyframe.name}'
        missing = missing_text(hypothesis)
        self._logger.info(
            f'now {hypothesis.state.value}{place}' + (f'; missing: {missing}' if missing else '')
        )

    def _publish_pictures(self, answer: Answer, frame_id: str) -> None:
        """Publish pictures, whose failure must not cost the answer."""
        try:
            self._publishers.publish_pictures(answer.hypothesis, answer.image, frame_id)
        except Exception as error:
            self._statistics.count('failures')
            self._logger.error(
                f'an answer has no picture: {type(error).__name__}: {error}',
                throttle_duration_sec=LOG_PERIOD_S,
            )

    def _answer(self, message: Image | CompressedImage, stamp_ns: int) -> Answer:
        max_age_s = self._config().max_image_age_s
        if 0.0 < max_age_s < self._age_s(stamp_ns):
            return self._rejected(stamp_ns, Reason.STALE)
        try:
            started = time.perf_counter()
            image = image_from_message(message, self._config(), self._recognizer.least_side_px)
            decode_ms = (time.perf_counter() - started) * 1000.0
            self._tell_guess(message)
            hypothesis = self._recognizer.recognize(image, stamp_ns)
        except ImageError as error:
            return self._unusable(str(error), stamp_ns)
        stage_ms = {'decode': decode_ms, **hypothesis.stage_ms}
        if hypothesis.detail:
            self._statistics.complain('empty_images', hypothesis.detail)
            self._warn(hypothesis.detail)
        return Answer(replace(hypothesis, stage_ms=stage_ms), image, hypothesis.detail)

    def _tell_guess(self, message: Image | CompressedImage) -> None:
        """Log once that the encoding does not define the colours."""
        encoding = getattr(message, 'encoding', '')
        if encoding in AMBIGUOUS and encoding not in self._guessed:
            self._guessed.add(encoding)
            self._warn(
                f'encoding {encoding} does not define the colours; it is read as '
                f'{AMBIGUOUS[encoding]}, as Python writes it'
            )

    def _unusable(self, sentence: str, stamp_ns: int) -> Answer:
        """Log a bad image, not too often, and reject it."""
        self._statistics.complain('bad_images', sentence)
        self._logger.error(sentence, throttle_duration_sec=LOG_PERIOD_S)
        return self._rejected(stamp_ns, Reason.IMAGE_QUALITY, sentence)

    def _impossible(self, stamp_ns: int, sentence: str) -> Answer:
        """Log a fault that the operator has to repair, and reject the image."""
        self._statistics.complain('failures', sentence)
        self._logger.error(sentence, throttle_duration_sec=LOG_PERIOD_S)
        return self._rejected(stamp_ns, Reason.FAILURE, sentence)

    def _failed(self, stamp_ns: int) -> Answer:
        """Log the exception being handled with its traceback, and reject the image."""
        self._statistics.complain('failures', 'a defect, see the log of the node')
        self._logger.error(
            f'a frame could not be answered:\n{traceback.format_exc()}',
            throttle_duration_sec=LOG_PERIOD_S,
        )
        return self._rejected(stamp_ns, Reason.FAILURE, 'a defect, see the log of the node')

    def _rejected(self, stamp_ns: int, reason: Reason, detail: str = '') -> Answer:
        revision = self._recognizer.map_revision
        hypothesis = Hypothesis(stamp_ns, State.REJECTED, reason, map_revision=revision)
        return Answer(hypothesis, detail=detail)

    def _notice_order(self, stamp_ns: int) -> None:
        """Count late images, and start over if a bag or a simulation was restarted."""
        newest_ns = self._order.newest_ns
        order = self._order.place(stamp_ns)
        if newest_ns is None or order is Order.NEXT:
            return
        if order is Order.JUMP:
            back_s = (newest_ns - stamp_ns) / 1e9
            self._warn(f'image stamps jumped back by {back_s:.3f} s; starting afresh')
            self._statistics.count('clock_resets')
            self._fresh_answers.forget()
            self._recognizer.reset()
            return
        sentence = _late_text(order, stamp_ns, newest_ns)
        self._statistics.complain('late_images', sentence)
        self._warn(sentence)

    def _notice_frame(self, frame_id: str) -> None:
        """Count changes of the camera, by the frame ids of the images."""
        before, self._frame_id = self._frame_id, frame_id or self._frame_id
        if not before or self._frame_id == before:
            return
        sentence = (
            f'the images change from frame {before!r} to {frame_id!r}; two cameras on one topic '
            'need a node each'
        )
        self._statistics.complain('frame_changes', sentence)
        self._warn(sentence)

    def _warn(self, sentence: str) -> None:
        self._logger.warning(sentence, throttle_duration_sec=LOG_PERIOD_S)

    def _age_s(self, stamp_ns: int) -> float:
        """Age of a stamp; NaN while a simulated clock stands still, and without a stamp."""
        now_ns = self._clock.now().nanoseconds
        age_s = (now_ns - stamp_ns) / 1e9
        # An image from the future: it has another clock, or ours has stopped.
        return math.nan if 0 in (now_ns, stamp_ns) or age_s < -AHEAD_S else age_s


def _late_text(order: Order, stamp_ns: int, newest_ns: int) -> str:
    """What is wrong with a stamp that is out of order."""
    if order is Order.RETURN:
        ahead_s = (newest_ns - stamp_ns) / 1e9
        return (
            f'the image before this one is stamped {ahead_s:.3f} s ahead of it, which counts as '
            'wrong; check the camera driver'
        )
    late = f'an image is stamped {(newest_ns - stamp_ns) / 1e6:.1f} ms before the newest one'
    if stamp_ns == newest_ns:
        late = 'an image has the stamp of the one before'
    if stamp_ns == 0:
        late = 'an image has no stamp'
    return f'{late}; it is judged on its own and not kept, check the camera driver'
