"""Running a node until a signal, the node itself, or a defect ends it; always an orderly end."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TypeVar

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from ghost_vpr_ros.core.errors import GhostVprError
from ghost_vpr_ros.core.home import home_for_others

NodeT = TypeVar('NodeT', bound=Node)


class StopRequest:
    """Exit status that ends the process; a signal requests 0."""

    def __init__(self) -> None:
        # A SimpleQueue may be filled from a signal handler, an Event may lock up there.
        self._statuses: SimpleQueue[int] = SimpleQueue()

    def on_signals(self) -> None:
        """Let Ctrl-C and SIGTERM end the process in an orderly way from now on."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self.put(0))

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Inside, a signal ends the process immediately, even while it loads libraries.

        Nothing is lost: a map on disk is consistent at any time.
        """
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        # Python's own handlers wait until a library that loads for minutes returns.
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        thread = threading.Thread(target=_end_at_signal, args=(reading,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            signal.set_wakeup_fd(-1)
            os.close(writing)
            thread.join()
            os.close(reading)

    def put(self, exit_status: int) -> None:
        """Request the end; only the first request counts."""
        self._statuses.put(exit_status)

    def wait(self) -> int:
        """Block until the end is requested; the exit status."""
        return self._statuses.get()


def _end_at_signal(reading: int) -> None:
    """Wait for a signal's number, or for the end of the pipe."""
    if os.read(reading, 1):
        os._exit(0)


def start_ros(args: list[str] | None, stop: StopRequest) -> None:
    """Initialise rclpy, with signals that leave its context usable until the end."""
    # The log goes to the home folder.
    with home_for_others():
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    stop.on_signals()


def made_node(name: str, make: Callable[[], NodeT]) -> NodeT | None:
    """The node; None where it cannot start, logged in one sentence; ROS is then shut down."""
    try:
        return make()
    except GhostVprError as error:
        get_logger(name).fatal(str(error))
        rclpy.try_shutdown()
        return None


def spin_until_stopped(node: Node, stop: StopRequest) -> int:
    """Serve the node's callbacks until `stop`; the exit status."""
    # Not the multi-threaded one: it misses half of the messages of two topics at 20 Hz. Whatever
    # has to wait is a coroutine or has its own thread.
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    thread = threading.Thread(target=_spin, args=(executor, node, stop), name='spin')
    thread.start()
    exit_status = stop.wait()
    executor.shutdown()
    thread.join()
    return exit_status


def run_node(name: str, make: Callable[[StopRequest], Node], args: list[str] | None = None) -> int:
    """Run a node until it stops or a signal comes; the exit status, 1 where it cannot start.

    Args:
        name: of the node, for the log.
        make: makes the node, which may request the end.
        args: of ROS; None: those of the process.
    """
    stop = StopRequest()
    start_ros(args, stop)
    node = made_node(name, lambda: make(stop))
    if node is None:
        return 1
    exit_status = spin_until_stopped(node, stop)
    end_ros(node)
    return exit_status


def end_ros(node: Node) -> None:
    """Destroy the node and leave ROS."""
    node.destroy_node()
    rclpy.try_shutdown()


def _spin(executor: SingleThreadedExecutor, node: Node, stop: StopRequest) -> None:
    try:
        executor.spin()
    except Exception:
        node.get_logger().fatal(f'a callback failed:\n{traceback.format_exc()}')
        stop.put(1)
