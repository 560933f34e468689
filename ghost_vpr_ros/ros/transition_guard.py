"""Unexpected lifecycle transitions: refused with a message instead of ending the node."""

from __future__ import annotations

import threading

from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode


class TransitionGuard:
    """One transition at a time; an impossible one is answered with success=False.

    rclpy would raise an exception in the service's callback, which ends the process of a healthy
    node.
    """

    def __init__(self, node: LifecycleNode) -> None:
        """Intercept the node's `~/change_state`."""
        self._node = node
        self._lock = threading.Lock()
        self._is_over = False
        service = next(s for s in node.services if s.srv_type is ChangeState)
        self._change_state = service.callback
        service.callback = self._answer

    def shut_down(self) -> None:
        """Let a running transition finish, then shut the node down, unless it already is.

        The executor returns while callbacks are still running, so a `configure` that came over
        the service may be under way.
        """
        with self._lock:
            self._is_over = True
            try:
                self._node.trigger_shutdown()
            except RuntimeError:
                # Already shut down over the service.
                self._node.get_logger().debug('the node was shut down before')

    def _answer(
        self, request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        with self._lock:
            if self._is_over:
                response.success = False
                return response
            try:
                return self._change_state(request, response)
            except RuntimeError as error:
                self._refuse(request, error)
                response.success = False
                return response

    def _refuse(self, request: ChangeState.Request, error: RuntimeError) -> None:
        transition = request.transition.label or f'with id {request.transition.id}'
        reason = ' '.join(str(error).split())
        self._node.get_logger().error(
            f'transition {transition} is not possible in the present state ({reason}); '
            'ros2 lifecycle list names those that are'
        )
