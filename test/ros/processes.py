"""Executables of this package as processes of their own, and a node that listens to them."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import rclpy
from lifecycle_msgs.srv import GetState
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

PROFILE = Path(__file__).parents[2] / 'config' / 'fastdds_large_images.xml'
os.environ['FASTRTPS_DEFAULT_PROFILES_FILE'] = str(PROFILE)
START_S = 600.0
PATIENCE_S = 120.0
"""Only what hangs takes so long, also on a machine that is busy with other things."""


class Executable:
    """`python -m ghost_vpr_ros.ros.<module>` with ROS parameters; its output as lines."""

    def __init__(self, module, ros_arguments=(), words=(), **parameters):
        """Start; `words` come first, and a parameter's value is written as YAML writes it."""
        given = [part for item in parameters.items() for part in ('-p', '{}:={}'.format(*item))]
        command = [sys.executable, '-u', '-m', f'ghost_vpr_ros.ros.{module}']
        self.process = subprocess.Popen(
            [*command, *words, '--ros-args', *given, *ros_arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        self.lines = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    @property
    def text(self):
        return '\n'.join(self.lines)

    def wait_for(self, words, timeout_s=START_S):
        """Return when a line with these words was printed."""
        wait_until(lambda: words in self.text or self.process.poll() is not None, timeout_s)
        assert words in self.text, self.text

    def catches(self, number):
        """Whether the process has a handler for this signal."""
        status = Path(f'/proc/{self.process.pid}/status').read_text()
        caught = next(line for line in status.splitlines() if line.startswith('SigCgt'))
        return bool(int(caught.split()[1], 16) >> (number - 1) & 1)

    def has_ended(self, within_s):
        """Whether the process ends within this time."""
        return holds_soon(lambda: self.process.poll() is not None, within_s)

    def stop(self, number=signal.SIGTERM):
        """Signal the process; its exit status when it has ended."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self, timeout_s=START_S):
        """Exit status after the process has ended on its own."""
        status = self.process.wait(timeout_s)
        self._reader.join(PATIENCE_S)
        return status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            # And what it has started: a node whose network is new has it exported by another one.
            children = psutil.Process(self.process.pid).children(recursive=True)
            self.process.kill()
            for child in children:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
            self.wait()


class Listener(Node):
    """Collects messages by topic while its executor runs on a thread."""

    def __init__(self):
        super().__init__('listener')
        self.messages = {}
        self._met = set()
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._thread.start()

    def listen(self, message_type, topic, qos=10):
        """Collect this topic from now on; returns the list that fills."""
        if topic in self.messages:
            self.messages[topic].clear()
        else:
            self.messages[topic] = []
            self.create_subscription(message_type, topic, self.messages[topic].append, qos)
        return self.messages[topic]

    def ask(self, service_type, name, request=None):
        """The response of a service of a lifecycle node."""
        self._meet(name.rpartition('/')[0])
        client = self.create_client(service_type, name)
        assert client.wait_for_service(PATIENCE_S), f'no service {name}'
        future = client.call_async(request or service_type.Request())
        wait_until(future.done)
        self.destroy_client(client)
        return future.result()

    def _meet(self, node):
        """Return when the node answers; until it has discovered us, its responses are lost."""
        if node in self._met:
            return
        client = self.create_client(GetState, f'{node}/get_state')
        assert client.wait_for_service(PATIENCE_S), f'no node {node}'
        futures = []

        def is_answered():
            futures.append(client.call_async(GetState.Request()))
            return holds_soon(lambda: any(future.done() for future in futures))

        wait_until(is_answered)
        self.destroy_client(client)
        self._met.add(node)

    def end(self):
        self._executor.shutdown()
        self._thread.join(PATIENCE_S)
        self.destroy_node()


def wait_until(condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
    """Return when the condition holds; fail after the timeout."""
    assert holds_soon(condition, timeout_s), f'nothing happened for {timeout_s} s'


def holds_soon(condition: Callable[[], bool], timeout_s: float = 1.0) -> bool:
    """Whether the condition holds before the timeout."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def make_listener() -> Listener:
    """A listener; rclpy is initialised where it is not."""
    if not rclpy.ok():
        rclpy.init(args=[])
    return Listener()
