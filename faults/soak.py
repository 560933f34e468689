"""Check the node for leaks of memory and files, at full camera rates and through its lifecycle.

The node answers images of another process; in the second half of a run, its memory and its number
of open files must not grow. Without ROS there are no cases.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from faults.tally import Tally

RATES_HZ = (30.0, 60.0)
SECONDS = 90.0
CYCLES = 60
_GROWTH, _GROWTH_MIB = 0.02, 4.0
_PERIOD_S = 0.5
_VGA = (640, 480)


def soak(seconds: float = SECONDS, cycles: int = CYCLES) -> Tally:
    """A run at each rate, and one through the lifecycle of the node."""
    tally = Tally('soak: memory and descriptors of the node')
    try:
        import rclpy
    except ImportError:
        return tally
    with tempfile.TemporaryDirectory(prefix='faults_') as folder, ExitStack() as stack:
        # rclpy must not handle signals, because the other groups use them.
        rclpy.init(args=[], signal_handler_options=rclpy.SignalHandlerOptions.NO)
        stack.callback(rclpy.shutdown)
        place_map, images = _make_inputs(Path(folder))
        for rate_hz in RATES_HZ:
            samples = _at_rate(Path(folder), place_map, images, rate_hz, seconds)
            tally.add(*judged(samples, f'{rate_hz:g} Hz for {seconds:g} s'))
        samples = _through_states(Path(folder), place_map, cycles)
        tally.add(*judged(samples, f'{cycles} times through all states'))
    return tally


def judged(samples: NDArray[np.float64], what: str) -> tuple[str, str]:
    """Compare the end of the second half of (n, 2) MiB and open files with its beginning."""
    late = samples[len(samples) // 2 :]
    part = max(1, len(late) // 4)
    before, after = np.median(late[:part], axis=0), np.median(late[-part:], axis=0)
    grows = after[0] - before[0] > max(_GROWTH * before[0], _GROWTH_MIB)
    leaks = after[1] > before[1]
    figures = f'{before[0]:.1f} to {after[0]:.1f} MiB, {before[1]:.0f} to {after[1]:.0f} files'
    return ('lost' if grows or leaks else 'unharmed'), f'{what}: {figures}'


def _make_inputs(folder: Path) -> tuple[Path, Path]:
    from test.ros.small_map import NUM_PLACES, make_map, make_model, view

    images = folder / 'images'
    images.mkdir()
    for number in range(4 * NUM_PLACES):
        rgb = cv2.resize(view(number // 4, 2 + 4 * (number % 4)), _VGA)
        cv2.imwrite(str(images / f'{number:02d}.jpg'), rgb[..., ::-1])
    return make_map(folder / 'town.map', make_model()), images


def _sampled(process: object, samples: list[tuple[float, float]]) -> None:
    usage = process.usage  # type: ignore[attr-defined]
    samples.append((usage.memory_info().rss / 2**20, usage.num_fds()))


def _at_rate(
    folder: Path, place_map: Path, images: Path, rate_hz: float, seconds: float
) -> NDArray[np.float64]:
    """(n, 2) memory in MiB and open files while images are published."""
    from benchmarks.node_latency import VARIANTS, starter

    with ExitStack() as stack:
        start = starter(VARIANTS[-1], folder, stack)
        node = start('place_recognition_node', map=place_map, image_transport='compressed')
        node.wait_for('answering images')
        publisher = start(
            'tools.image_publisher',
            folder=images,
            repeat='true',
            transport='compressed',
            rate_hz=rate_hz,
            count=round(rate_hz * seconds),
            wait_for_subscribers=1,
        )
        samples: list[tuple[float, float]] = []
        while publisher.is_running():
            _sampled(node, samples)
            time.sleep(_PERIOD_S)
        return np.array(samples)


def _through_states(folder: Path, place_map: Path, cycles: int) -> NDArray[np.float64]:
    """(n, 2) memory in MiB and open files after each cycle, unconfigured."""
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    from benchmarks.node_processes import Process
    from test.ros.processes import make_listener

    parameters = {'map': place_map, 'autostart': 'false'}
    node = Process('place_recognition_node', folder / 'node.txt', parameters, dict(os.environ))
    listener = make_listener()
    call: Callable[..., object] = listener.ask
    samples: list[tuple[float, float]] = []
    steps = ('CONFIGURE', 'ACTIVATE', 'DEACTIVATE', 'CLEANUP')
    try:
        for _ in range(cycles):
            for step in steps:
                request = ChangeState.Request()
                request.transition.id = getattr(Transition, f'TRANSITION_{step}')
                answer = call(ChangeState, '/place_recognition/change_state', request)
                assert answer.success, step  # type: ignore[attr-defined]
            _sampled(node, samples)
    finally:
        listener.end()
        node.stop()
    return np.array(samples)
