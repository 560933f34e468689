"""The services of the node: pause, reset, save the map, and a reliable "where am I"."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import SetBool, Trigger

from ghost_vpr_ros.core.datatypes import Hypothesis
from ghost_vpr_ros.core.errors import GhostVprError
from ghost_vpr_ros.ros.fresh_answers import judge
from ghost_vpr_ros.ros.parameters import NodeParameters
from ghost_vpr_ros.ros.recognition import Recognition

_INACTIVE = 'the node is not active; configure and activate it first'


class RecognitionServices:
    """`~/enable`, `~/reset`, `~/save_map` and `~/localize`.

    Attributes:
        enabled: False while images are ignored.
    """

    def __init__(
        self,
        node: Node,
        parameters: NodeParameters,
        recognition: Callable[[], Recognition | None],
    ) -> None:
        """Offer the services.

        Args:
            node: offers them.
            parameters: how many fresh images to wait for, and how long.
            recognition: what answers now, or None while the node is not active.
        """
        self.enabled = True
        self._node = node
        self._parameters = parameters
        self._recognition = recognition
        node.create_service(SetBool, '~/enable', self._enable)
        node.create_service(Trigger, '~/reset', self._reset)
        node.create_service(Trigger, '~/save_map', self._save_map)
        # A coroutine in its own group: the image callback runs while it waits.
        waiting = MutuallyExclusiveCallbackGroup()
        node.create_service(Trigger, '~/localize', self._localize, callback_group=waiting)
        self._awakening = node.create_guard_condition(lambda: None)

    def _enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self.enabled = request.data
        response.success = True
        response.message = 'answering images' if request.data else 'ignoring images'
        return response

    def _reset(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        recognition = self._recognition()
        if recognition is None:
            return _answer(response, False, _INACTIVE)
        recognition.reset()
        return _answer(response, True, 'the frames before are forgotten')

    def _save_map(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        recognition = self._recognition()
        if recognition is None:
            return _answer(response, False, _INACTIVE)
        try:
            return _answer(response, *recognition.recognizer.save())
        except GhostVprError as error:
            return _answer(response, False, str(error))

    async def _localize(
        self, _request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        recognition, config = self._recognition(), self._parameters.node
        if recognition is None:
            return _answer(response, False, _INACTIVE)
        if not self.enabled:
            return _answer(response, False, 'images are ignored; call ~/enable with true first')
        count = config.localize_frames
        answers = await self._next_answers(recognition, count, config.localize_timeout_s)
        radius_m = self._parameters.recognizer.group_radius_m
        return _answer(response, *judge(answers, count, radius_m))

    async def _next_answers(
        self, recognition: Recognition, count: int, timeout_s: float
    ) -> list[Hypothesis]:
        """The answers to the next images; fewer after the timeout."""
        future = Future()

        def finish(answers: list[Hypothesis]) -> None:
            future.set_result(answers)
            # The executor resumes coroutines only when it is woken.
            self._awakening.trigger()

        fresh = recognition.fresh_answers
        fresh.ask(count, finish)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        timer = self._node.create_timer(timeout_s, fresh.end, clock=steady)
        try:
            return await future
        finally:
            self._node.destroy_timer(timer)


def _answer(response: Trigger.Response, success: bool, message: str) -> Trigger.Response:
    response.success, response.message = success, message
    return response
