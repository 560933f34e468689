"""The real node for the demonstration: three processes that talk over Fast DDS.

The command line must not know rclpy, so node, camera and listener are started as processes of
their own, as a user would start them.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from ghost_vpr_ros.replay.config import DemoConfig

NODE_MODULE = 'place_recognition_node'
_PROFILE = Path('config') / 'fastdds_large_images.xml'
_START_TIMEOUT_S = 120.0
_LAST_ANSWER_S = 15.0
_END_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class NodeRun:
    """What came of it.

    Attributes:
        published: images sent to the node.
        answers: `~/status` of each answer, as key and value, in order.
        problem: one sentence where something did not work, else empty.
    """

    published: int
    answers: list[dict[str, str]] = field(default_factory=list)
    problem: str = ''


def ros_is_missing() -> bool:
    """Whether this Python has no rclpy."""
    return importlib.util.find_spec('rclpy') is None


def run_node(
    map_path: Path, images: Path, count: int, config: DemoConfig, folder: Path
) -> NodeRun:
    """Start listener, node and camera; end them all when the last answer has come.

    Args:
        map_path: map that the node opens.
        images: folder of the images that are published in the order of their names.
        count: how many there are.
        config: the rate.
        folder: for the logs and `answers.jsonl`.
    """
    answers = folder / 'answers.jsonl'
    answers.unlink(missing_ok=True)
    heard = {'json_out': str(answers), 'count': str(count)}
    sent = {'folder': str(images), 'rate_hz': str(config.node_rate_hz)}
    with ExitStack() as stack:
        listener = _start(stack, folder, 'answer_printer', heard)
        node = _start(stack, folder, NODE_MODULE, {'map': str(map_path)})
        camera = _start(stack, folder, 'image_publisher', {**sent, 'wait_for_subscribers': '1'})
        problem = _wait(camera, node, _START_TIMEOUT_S + count / config.node_rate_hz, folder)
        if not problem:
            _give_time(listener, _LAST_ANSWER_S)
    return NodeRun(count, _read_answers(answers), problem)


def _start(
    stack: ExitStack, folder: Path, module: str, parameters: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start a module of the node's package; it is ended when the stack is left."""
    command = [sys.executable, '-m', f'ghost_vpr_ros.ros.{module}', '--ros-args']
    for name, value in parameters.items():
        command += ['-p', f'{name}:={value}']
    log = stack.enter_context((folder / f'{module}.log').open('wb'))
    process = subprocess.Popen(
        command,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=node_environment(),
        start_new_session=True,
    )
    stack.callback(_end, process)
    return process


def node_environment() -> dict[str, str]:
    """A ROS domain of its own on this machine only, with a transport that keeps large images."""
    environment = dict(os.environ)
    environment['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
    environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    environment['PYTHONUNBUFFERED'] = '1'
    profile = fastdds_profile()
    if profile is not None:
        environment['FASTRTPS_DEFAULT_PROFILES_FILE'] = str(profile)
        environment['FASTDDS_DEFAULT_PROFILES_FILE'] = str(profile)
    return environment


def fastdds_profile() -> Path | None:
    """The Fast DDS profile of this package, in the repository or where it was installed."""
    repository = Path(__file__).parents[2]
    installed = Path(sysconfig.get_path('data')) / 'share' / 'ghost_vpr_ros'
    places = [root / _PROFILE for root in (repository, installed)]
    return next((place for place in places if place.is_file()), None)


def _wait(
    camera: subprocess.Popen[bytes], node: subprocess.Popen[bytes], timeout_s: float, folder: Path
) -> str:
    """Wait until the camera has sent everything; a sentence where that did not come about."""
    waited_s, step_s = 0.0, 0.2
    while camera.poll() is None and waited_s < timeout_s:
        if node.poll() is not None:
            log = folder / f'{NODE_MODULE}.log'
            return f'the node ended with exit status {node.returncode}; see {log}'
        _give_time(camera, step_s)
        waited_s += step_s
    if camera.poll() is None:
        return f'the node took no images within {timeout_s:.0f} s; see the logs in {folder}'
    if camera.returncode != 0:
        return f'the image publisher failed; see {folder / "image_publisher.log"}'
    return ''


def _give_time(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, which every one of them answers with an orderly end; SIGKILL if it does not."""
    if process.poll() is None:
        process.terminate()
        _give_time(process, _END_TIMEOUT_S)
    if process.poll() is None:
        process.kill()
        process.wait()


def _read_answers(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]
