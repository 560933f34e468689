"""The lifecycle node `place_recognition`: images in, place hypotheses out."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from nav_msgs.msg import Odometry
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, NavSatFix

from ghost_vpr_ros.core.errors import GhostVprError
from ghost_vpr_ros.core.map.reader import MapReader
from ghost_vpr_ros.core.opened_map import OpenedMap
from ghost_vpr_ros.ros.answer_publishers import AnswerPublishers
from ghost_vpr_ros.ros.conversions import header_at
from ghost_vpr_ros.ros.health import (
    LOG_PERIOD_S,
    Problem,
    problems_of_clocks,
    problems_of_helpers,
    problems_of_images,
    problems_of_map,
    problems_of_positions,
    problems_of_topic,
    summary,
)
from ghost_vpr_ros.ros.image_conversions import check_converter
from ghost_vpr_ros.ros.node_statistics import Statistics, diagnostics_message
from ghost_vpr_ros.ros.parameters import NodeParameters
from ghost_vpr_ros.ros.recognition import Recognition, open_map_and_model
from ghost_vpr_ros.ros.services import RecognitionServices
from ghost_vpr_ros.ros.transition_guard import TransitionGuard

try:
    from rclpy.event_handler import QoSMessageLostInfo, SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import QoSMessageLostInfo, SubscriptionEventCallbacks

_GROWTH_PERIOD_S = 1.0
"""Interval of the check for new keyframes to publish."""

NODE_NAME = 'place_recognition'
"""Name of the node, and of its topics' namespace."""


class PlaceRecognitionNode(LifecycleNode):
    """Configuring opens map and network, activating starts to answer images."""

    def __init__(self) -> None:
        """Declare parameters, services and diagnostics; opens nothing yet.

        Raises:
            ConfigError: a parameter override is not allowed.
        """
        super().__init__(NODE_NAME)
        self._transitions = TransitionGuard(self)
        self._loaded: OpenedMap | None = None
        self._answers: AnswerPublishers | None = None
        self._recognition: Recognition | None = None
        self._subscription: Subscription | None = None
        self._helpers: list[Subscription] = []
        self._statistics = Statistics()
        self.parameters = NodeParameters(
            self, is_unconfigured=lambda: self._loaded is None, on_change=self._use_changes
        )
        self._commands = RecognitionServices(self, self.parameters, lambda: self._recognition)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        # Steady: operators must be told when a simulated clock stands still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        period_s = self.parameters.node.diagnostics_period_s
        self._timer = self.create_timer(period_s, self._publish_diagnostics, clock=steady)
        self._growth_timer = self.create_timer(
            _GROWTH_PERIOD_S, self._publish_growth, clock=steady
        )

    def start(self) -> bool:
        """Configure and activate at start; False if that failed."""
        success = TransitionCallbackReturn.SUCCESS
        return self.trigger_configure() == success and self.trigger_activate() == success

    def stop(self) -> None:
        """Shut down in an orderly way, from any state."""
        self._transitions.shut_down()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open and check map, network and device."""
        return self._attempt(self._load)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the network on its device, then subscribe."""
        super().on_activate(state)
        result = self._attempt(self._begin)
        if result != TransitionCallbackReturn.SUCCESS:
            self._end()
            super().on_deactivate(state)
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and free the network's memory; the map stays open."""
        self._end()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Close the map."""
        self._unload()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, from any state."""
        self._end()
        self._unload()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After a defect: free everything and become unconfigured."""
        return self.on_shutdown(state)

    def _attempt(self, action: Callable[[], None]) -> TransitionCallbackReturn:
        """Known errors fail the transition with one sentence, defects with a traceback."""
        try:
            action()
        except GhostVprError as error:
            self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        except Exception:
            self.get_logger().fatal(traceback.format_exc())
            return TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS

    def _load(self) -> None:
        config = self.parameters.node
        check_converter()
        self._loaded = open_map_and_model(self.parameters)
        place_map = self._loaded.place_map
        self._answers = AnswerPublishers(self, place_map, config.map_frame)
        sessions = place_map.session_names
        self.get_logger().info(
            f'map {config.map}: {len(place_map)} keyframes in {len(sessions)} '
            f'sessions, revision {place_map.revision}, {place_map.descriptor_dim}-D descriptors'
        )
        for sentence in place_map.warnings:
            self.get_logger().warning(sentence)
        if place_map.calibration is None:
            self.get_logger().warning(
                f'map {config.map} is not calibrated: probabilities come from the map alone '
                'and few places are accepted; run `ghost-vpr calibrate`'
            )

    def _begin(self) -> None:
        assert self._loaded is not None and self._answers is not None
        self._recognition = Recognition(
            self, self._loaded, self._answers, self._statistics, self.parameters
        )
        recognizer = self._recognition.recognizer
        self._answers.publish_keyframes()
        self._helpers = [
            self.create_subscription(kind, topic, callback, helper_qos())
            for kind, topic, callback in (
                (Odometry, 'odom', recognizer.add_odometry),
                (NavSatFix, 'fix', recognizer.add_fix),
                (CameraInfo, 'camera_info', recognizer.use_camera),
            )
        ]
        self._subscription = self._subscribe()
        self._statistics.begin_to_wait()
        topic, engine = self._subscription.topic_name, recognizer.engine_name
        self.get_logger().info(f'answering images on {topic} ({engine})')

    def _end(self) -> None:
        if self._subscription is not None:
            self.destroy_subscription(self._subscription)
            self._subscription = None
        for helper in self._helpers:
            self.destroy_subscription(helper)
        self._helpers.clear()
        if self._recognition is not None:
            self._recognition.close()
            self._recognition = None

    def _unload(self) -> None:
        if self._answers is not None:
            self._answers.destroy()
            self._answers = None
        if self._loaded is not None:
            loaded, self._loaded = self._loaded, None
            try:
                loaded.place_map.close()
            except GhostVprError as error:
                # The last keyframes are lost; the map is closed all the same.
                self.get_logger().error(str(error))

    def _subscribe(self) -> Subscription:
        """Subscribe as image_transport does: compressed images beside the remapped base topic."""
        topic, message_type = self.resolve_topic_name('image'), Image
        if self.parameters.node.image_transport == 'compressed':
            topic, message_type = f'{topic}/compressed', CompressedImage
        return self.create_subscription(
            message_type,
            topic,
            self._on_image,
            image_qos(),
            event_callbacks=SubscriptionEventCallbacks(message_lost=self._on_lost),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )

    def _on_image(self, message: Image | CompressedImage) -> None:
        if self._commands.enabled and self._recognition is not None:
            self._statistics.count('received')
            self._recognition.offer(message)

    def _on_lost(self, lost: QoSMessageLostInfo) -> None:
        self._statistics.count('lost', lost.total_count_change)

    def _use_changes(self, parameters: NodeParameters) -> None:
        self._timer.timer_period_ns = int(parameters.node.diagnostics_period_s * 1e9)
        if self._recognition is not None:
            self._recognition.recognizer.configure(parameters)

    def _publish_growth(self) -> None:
        if self._recognition is not None:
            self._recognition.publish_growth()

    def _publish_diagnostics(self) -> None:
        values = self._statistics.values()
        header = header_at(self.get_clock().now().nanoseconds, self.parameters.node.map_frame)
        problem = summary(self._problems())
        map_values = {} if self._loaded is None else _map_values(self._loaded.place_map)
        values = {'mode': self.parameters.node.mode, **map_values, **values}
        name = self.get_fully_qualified_name().lstrip('/')
        report = diagnostics_message(header, name, values, problem.sentence, problem.level)
        self._diagnostics.publish(report)

    def _problems(self) -> list[Problem]:
        """Problems for the operator; none while the node answers images."""
        if self._loaded is None:
            return [Problem(DiagnosticStatus.WARN, 'not configured')]
        if self._subscription is None or self._recognition is None:
            return [Problem(DiagnosticStatus.WARN, 'not active')]
        if not self._commands.enabled:
            return [Problem(DiagnosticStatus.WARN, 'images are ignored, as requested by ~/enable')]
        recent = self._statistics.recent
        of_topic = problems_of_topic(self, self._subscription, recent.silent_s)
        of_clocks = problems_of_clocks(
            self._recognition.newest,
            self.get_clock().now().nanoseconds,
            is_simulated=self.get_parameter('use_sim_time').value,
            steady_ns=time.monotonic_ns(),
        )
        of_helpers = problems_of_helpers(self, self._helpers)
        of_topics = [*of_topic, *of_helpers, *of_clocks]
        told = [each for each in of_topics if each.level != DiagnosticStatus.OK]
        if told:
            self.get_logger().warning(
                summary(told).sentence,
                throttle_duration_sec=LOG_PERIOD_S,
            )
        of_streams = [*problems_of_images(recent), *problems_of_positions(recent)]
        return [*of_streams, *of_topics, *problems_of_map(self._loaded.place_map)]


def image_qos() -> QoSProfile:
    """Newest image only, best effort: what camera drivers offer."""
    return QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


def helper_qos() -> QoSProfile:
    """Best effort: accepts odometry and the like from reliable and unreliable publishers."""
    return QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)


def _calibration_text(place_map: MapReader) -> str:
    learned = place_map.calibration
    if learned is None:
        return 'none'
    return (
        f'{100 * learned.stated_precision:g} % precision, accepted from probability '
        f'{learned.min_probability:.3f}, learned on {learned.learnt_on}'
    )


def _map_values(place_map: MapReader) -> dict[str, str]:
    """The entry of a map on `/diagnostics`."""
    return {
        'map': str(place_map.path),
        'map keyframes': str(len(place_map)),
        'map revision': str(place_map.revision),
        'map calibration': _calibration_text(place_map),
        **{f'session {number}': name for number, name in enumerate(place_map.session_names)},
    }
