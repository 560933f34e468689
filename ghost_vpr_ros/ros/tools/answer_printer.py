"""Executable `answer_printer`: one plain line for each answer of the node."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.ros.node_runner import StopRequest, run_node
from ghost_vpr_ros.ros.parameters import declare_settings
from ghost_vpr_ros.ros.tools.json_lines import JsonLines

NODE_NAME = 'answer_printer'


@dataclass(frozen=True)
class PrinterConfig(Config):
    """Number of answers to print, and a file to write them to."""

    count: int = setting(0, 'stop after this many answers; 0: no limit', low=0, high=10**9)
    timeout_s: float = setting(
        0.0, 'give up, with exit status 1, after this time; 0: never', unit='s', low=0.0, high=1e6
    )
    json_out: str = setting('', 'file that gets one JSON line for each answer; empty: none')


class AnswerPrinter(Node):
    """Prints `place_recognition/status`, which names state, best candidate and latency."""

    def __init__(self, stop: StopRequest) -> None:
        """Subscribe.

        Raises:
            ConfigError: a parameter is not allowed, or the JSON file cannot be written.
        """
        super().__init__(NODE_NAME)
        self.config = PrinterConfig.from_dict(declare_settings(self, PrinterConfig))
        self.number_printed = 0
        self._stop = stop
        self._json_lines = JsonLines(self.config.json_out)
        qos = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)
        self.create_subscription(DiagnosticStatus, 'place_recognition/status', self._print, qos)
        if self.config.timeout_s > 0.0:
            steady = Clock(clock_type=ClockType.STEADY_TIME)
            self.create_timer(self.config.timeout_s, lambda: stop.put(1), clock=steady)

    def _print(self, message: DiagnosticStatus) -> None:
        values = {item.key: item.value for item in message.values}
        age_ms = (self.get_clock().now().nanoseconds - int(values['stamp_ns'])) / 1e6
        sys.stdout.write(answer_line(values, age_ms) + '\n')
        sys.stdout.flush()
        self._json_lines.write({**values, 'received_after_ms': age_ms})
        self.number_printed += 1
        if 0 < self.config.count <= self.number_printed:
            self._stop.put(0)


def answer_line(values: Mapping[str, str], age_ms: float) -> str:
    """One readable line: time, state, best candidate, age of the image on arrival.

    Args:
        values: of `~/status`.
        age_ms: from the image's stamp to the arrival of the answer.
    """
    when_s = int(values['stamp_ns']) / 1e9
    state = (
        values['state'] if values['reason'] == 'NONE' else f'{values["state"]} {values["reason"]}'
    )
    best = 'no candidate'
    if 'keyframe_id' in values:
        best = (
            f'{values["session"]}/{values["keyframe"] or values["keyframe_id"]} '
            f'similarity {values["similarity"]} probability {values["probability"]} '
            f'at {values["position_m"]} m'
        )
    return f'{when_s:.3f}  {state:<24} {best}  {age_ms:.0f} ms'


def main(args: list[str] | None = None) -> int:
    """Print until count, timeout, Ctrl-C or SIGTERM; 1 after a timeout."""
    return run_node(NODE_NAME, AnswerPrinter, args)


if __name__ == '__main__':
    sys.exit(main())
